/** docs/operations.md explains every line that a replica logs. */
import { expect, test } from 'vitest';
import { codeWords, tableUnder } from './markdown.ts';
import { readText, repositoryFiles } from './tree.ts';

const LEVELS = 'trace|debug|info|warn|error|fatal';
const CALL = new RegExp(`[lL]ogger\\.(?<level>${LEVELS})\\(`, 'g');
/** A text in single quotes, which no message holds, at the end of a call. */
const MESSAGE = /'(?<message>[^']+)',?\s*$/;

/** `message (level)` of every call of a logger in a program. */
function loggedIn(code: string): string[] {
  return [...code.matchAll(CALL)].map((call) => {
    const start = call.index + call[0].length;
    const message = MESSAGE.exec(code.slice(start, endOfCall(code, start)))?.groups?.message;
    return `${message} (${call.groups?.level})`;
  });
}

/** Where the bracket is closed that was opened before `start`. */
function endOfCall(code: string, start: number): number {
  let open = 1;
  for (let at = start; at < code.length; at += 1) {
    if (code[at] === '(') open += 1;
    if (code[at] === ')') open -= 1;
    if (open === 0) return at;
  }
  return code.length;
}

const logged = repositoryFiles()
  .filter((file) => file.startsWith('src/') && file.endsWith('.ts'))
  .flatMap((file) => loggedIn(readText(file)));

const explained = tableUnder(readText('docs/operations.md'), 'Logs').flatMap(([messages = '', level = '']) =>
  codeWords(messages).map((message) => `${message} (${level})`),
);

test('every line is explained, and nothing else', () => {
  expect(logged.length).toBeGreaterThan(20);
  expect([...new Set(explained)].toSorted()).toEqual([...new Set(logged)].toSorted());
});

test('the message of a call is found', () => {
  const code = "logger.warn({ peer: name(1) }, 'a (first) line');\n  this.#logger.info('another');";
  expect(loggedIn(code)).toEqual(['a (first) line (warn)', 'another (info)']);
});
