/** The documents say what the code says: rules, links, scripts, errors, limits. */
import path from 'node:path';
import { status } from '@grpc/grpc-js';
import { describe, expect, test } from 'vitest';
import { CLUSTER_SIZES } from '../../src/epaxos/index.ts';
import { ERROR_CODES, type ErrorCode } from '../../src/errors.ts';
import { LIMITS } from '../../src/kv/index.ts';
import { STATUS_OF_CODE } from '../../src/wire/status.ts';
import {
  anchorsIn,
  codeIn,
  codeWords,
  linesOver,
  linesWithHalfACodeSpan,
  linksIn,
  tableUnder,
} from './markdown.ts';
import { declares, faultsOf, placeExists, rulesOf } from './rules.ts';
import { fileExists, readText, repositoryFiles } from './tree.ts';

const files = repositoryFiles();
const documents = files.filter((file) => file.endsWith('.md'));
const protocol = readText('docs/protocol.md');

/** Every rule number in a text, "R3.1 to R3.5" read as its two ends. */
function rulesIn(text: string): string[] {
  return [...text.matchAll(/\bR\d+\.\d+\b/g)].map(([rule]) => rule);
}

/** The numbers of the rules that the protocol's document states, in its order. */
function rulesStated(text: string): string[] {
  return rulesOf(text).map(({ number }) => number);
}

/** The rules of which the number is not higher than the one before. */
function rulesOutOfOrder(numbers: readonly string[]): string[] {
  const rank = (number = 'R0.0') => {
    const [section = 0, place = 0] = number.slice(1).split('.').map(Number);
    return section * 1000 + place;
  };
  return numbers.filter((number, index) => rank(number) <= rank(numbers[index - 1]));
}

/** Every link of a document that leads nowhere. */
function brokenLinks(file: string, text: string): string[] {
  return linksIn(text).filter((link) => {
    if (/^[a-z]+:/.test(link)) return false;
    const [target = '', anchor] = link.split('#');
    const found = target === '' ? file : path.posix.join(path.posix.dirname(file), target);
    if (!fileExists(found)) return true;
    return anchor !== undefined && !anchorsIn(found === file ? text : readText(found)).has(anchor);
  });
}

/** The npm scripts that a document's code runs. */
function scriptsIn(text: string): string[] {
  const runs = codeIn(text).flatMap((code) => [...code.matchAll(/\bnpm (?:run ([\w:-]+)|(start|test)\b)/g)]);
  return runs.map((match) => match[1] ?? match[2] ?? '');
}

describe('docs/protocol.md', () => {
  test('states each rule once, in the order of their numbers', () => {
    const stated = rulesStated(protocol);
    expect(stated.length).toBeGreaterThan(0);
    expect(rulesOutOfOrder(stated)).toEqual([]);
  });

  test('states each rule in few words, and says why, and where and by which tests it is enforced', () => {
    expect(rulesOf(protocol).flatMap(faultsOf)).toEqual([]);
  });

  test('states every rule that code, tests and documents cite', () => {
    const stated = new Set(rulesStated(protocol));
    const texts = files.filter(
      (file) => /\.(?:ts|js|proto|md)$/.test(file) && !file.startsWith('test/repository/'),
    );
    const cited = texts.flatMap((file) => rulesIn(readText(file)).map((rule) => ({ file, rule })));
    expect(cited.length).toBeGreaterThan(0);
    expect(cited.filter(({ rule }) => !stated.has(rule))).toEqual([]);
  });

  test('has every section that code and tests cite', () => {
    const sections = new Set([...protocol.matchAll(/^## (\d+)\. /gm)].map((match) => match[1]));
    const cited = files
      .filter((file) => /^(?:src|test)\/.*\.ts$/.test(file) && !file.startsWith('test/repository/'))
      .flatMap((file) =>
        [...readText(file).matchAll(/protocol\.md,? sections? (\d+)/g)].map((match) => match[1]),
      );
    expect(cited.length).toBeGreaterThan(0);
    expect(cited.filter((section) => !sections.has(section))).toEqual([]);
  });

  test('has for each invariant a sentence, the function that enforces it, and tests, which exist', () => {
    const rows = tableUnder(protocol, '12. Invariants');
    expect(rows.length).toBeGreaterThan(0);
    const faults = rows.flatMap(([number = '', sentence = '', enforced = '', tests = ''], index) => {
      const places = codeWords(enforced);
      const isRight =
        number === `I${index + 1}` &&
        sentence.endsWith('.') &&
        places.some((place) => /^src\/.+\.ts:/.test(place)) &&
        codeWords(tests).some((place) => place.startsWith('test/')) &&
        [...places, ...codeWords(tests)].every(placeExists);
      return isRight ? [] : [number];
    });
    expect(faults).toEqual([]);
  });
});

describe('every document', () => {
  test('is wrapped at 120 columns', () => {
    const over = documents.flatMap((file) =>
      linesOver(120, readText(file)).map((line) => `${file}: ${line}`),
    );
    expect(over).toEqual([]);
  });

  test('breaks no code over two lines: who copies it gets half', () => {
    const broken = documents.flatMap((file) =>
      linesWithHalfACodeSpan(readText(file)).map((line) => `${file}: ${line}`),
    );
    expect(broken).toEqual([]);
  });

  test('has links that lead somewhere', () => {
    expect(documents).toContain('README.md');
    expect(
      documents.flatMap((file) => brokenLinks(file, readText(file)).map((link) => `${file}: ${link}`)),
    ).toEqual([]);
  });

  test('names only npm scripts that exist', () => {
    const scripts = Object.keys(JSON.parse(readText('package.json')).scripts);
    const named = documents.flatMap((file) => scriptsIn(readText(file)));
    expect(named).toEqual(expect.arrayContaining(['start', 'test']));
    expect(named.filter((script) => !scripts.includes(script))).toEqual([]);
  });

  test('asks for the Node.js that package.json asks for', () => {
    const version = JSON.parse(readText('package.json')).engines.node.replace('>=', '');
    const named = ['README.md', 'CONTRIBUTING.md', '.ci/run'].map((file) =>
      /Node\.js\s+(\S+)\s+or\s+newer/.exec(readText(file)),
    );
    expect(named.map((match) => match?.[1])).toEqual([version, version, version]);
  });

  test('names only paths that exist', () => {
    const paths = documents.flatMap((file) =>
      codeIn(readText(file))
        .filter((code) => /^(?:\.ci|bin|docs|proto|src|test|bench)\/[\w./-]*$/.test(code))
        .map((code) => ({ file, code })),
    );
    expect(paths.length).toBeGreaterThan(0);
    expect(paths.filter(({ code }) => !fileExists(code))).toEqual([]);
  });
});

describe('the tables', () => {
  test('of error codes: code, retry and gRPC status', () => {
    const rows = tableUnder(readText('docs/operations.md'), 'Error codes').map(
      ([code = '', retry = '', grpc = '']) => [codeWords(code)[0], retry, codeWords(grpc)[0]],
    );
    const codes = Object.keys(ERROR_CODES) as ErrorCode[];
    expect(rows).toEqual(
      codes.map((code) => [code, ERROR_CODES[code].retryable ? 'yes' : 'no', status[STATUS_OF_CODE[code]]]),
    );
  });

  test('of limits', () => {
    const limits = new Map(
      tableUnder(readText('README.md'), 'Limits').map(([what = '', limit = '']) => [what, limit]),
    );
    expect(limits.get('key')).toBe(`1 byte to ${bytes(LIMITS.keyBytes)}`);
    expect(limits.get('value')).toBe(`0 bytes to ${bytes(LIMITS.valueBytes)}`);
    expect(limits.get('keys of one multi-get')).toBe(
      `1 to ${LIMITS.multiGetKeys}, together ${bytes(LIMITS.commandBytes)}`,
    );
    expect(limits.get('values in the answer to one multi-get')).toBe(`together ${bytes(LIMITS.answerBytes)}`);
    expect(limits.get('replicas')).toBe(
      `${CLUSTER_SIZES.slice(0, -1).join(', ')} or ${CLUSTER_SIZES.at(-1)}`,
    );
  });
});

function bytes(count: number): string {
  return count % 2 ** 20 === 0 ? `${count / 2 ** 20} MiB` : `${count / 2 ** 10} KiB`;
}

describe('the checks find what they look for', () => {
  test('rules cited and stated', () => {
    expect(rulesIn('as in R3.1 to R3.5, not R3 or XR3.1')).toEqual(['R3.1', 'R3.5']);
    expect(rulesStated('### R2.1 One\n\n### 2.2 Two\n\nas R2.3 says\n\n## R2.4 Four')).toEqual(['R2.1']);
    expect(rulesOutOfOrder(['R2.1', 'R2.2', 'R2.10', 'R3.1'])).toEqual([]);
    expect(rulesOutOfOrder(['R2.1', 'R2.1', 'R3.1', 'R2.3'])).toEqual(['R2.1', 'R2.3']);
  });

  test('rules with too many words, or without a part', () => {
    const why = '*Why.* Because.';
    const enforcedBy =
      '*Enforced by* `src/epaxos/model/deps.ts:mergeDeps`; tests: `test/epaxos/model/deps.test.ts`.';
    const faults = (...paragraphs: string[]) =>
      rulesOf(`## 2. Rules\n\n${paragraphs.join('\n\n')}\n\n## 3. More\n`).flatMap(faultsOf);
    const words = (count: number) => 'word '.repeat(count).trim();
    expect(faults('### R2.1 One', words(60), why, 'And more.', enforcedBy, words(99))).toEqual([]);
    expect(faults('### R2.1 One', words(30), words(31), why, enforcedBy)).toEqual(['R2.1 has 61 words']);
    expect(faults('### R2.1', why, enforcedBy)).toEqual(['R2.1 has no title', 'R2.1 says nothing']);
    expect(faults('### R2.1 One', 'A.', enforcedBy, why)).toContain('R2.1 has no *Why* before *Enforced by*');
    expect(faults('### R2.1 One', 'A.', why)).toEqual([
      'R2.1 has no *Why* before *Enforced by*',
      'R2.1 has no *Enforced by*',
      'R2.1 names no function that enforces it',
      'R2.1 names no test',
    ]);
    expect(faults('### R2.1 One', 'A.', why, enforcedBy.replace('mergeDeps', 'merge'))).toEqual([
      'R2.1 names src/epaxos/model/deps.ts:merge, which does not exist',
    ]);
  });

  test('functions and methods, but not calls of them', () => {
    expect(declares('export async function* one<T>(a: T) {', 'one')).toBe(true);
    expect(declares('class A {\n  private one(\n    a: number,\n  ) {', 'one')).toBe(true);
    expect(declares('class A {\n  async #one(): void {', '#one')).toBe(true);
    expect(declares('class A {\n  get one(): number {', 'one')).toBe(true);
    expect(declares('function two() {\n  one(a);\n  const x = one(a);\n  // one\n}', 'one')).toBe(false);
    expect(declares('function one() {', 'on')).toBe(false);
  });

  test('broken links, to files and to headings', () => {
    const text =
      '## Some words: here\n[a](#some-words-here) [b](#none) [c](LICENSE) [d](none.md) [e](https://example.org)';
    expect(brokenLinks('README.md', text)).toEqual(['#none', 'none.md']);
    expect(brokenLinks('docs/a.md', '[a](../LICENSE) [b](LICENSE)')).toEqual(['LICENSE']);
  });

  test('lines that are too long, but not tables, code, or what cannot be broken', () => {
    const words = 'word '.repeat(5).trim();
    const text = [
      ...[words, `- ${words}`, `  ${words}`, `# ${words}`, 'exactly twenty lette', 'ä exactly twenty let'],
      ...[`| ${words} | ${words} |`, '```sh', `${words} ${words}`, '```', words.slice(0, 20)],
      ...[
        '- [a link of three words](docs/a.md)',
        'https://example.org/and/so/on',
        `see https://example.org/${words}`,
      ],
    ].join('\n');
    expect(linesOver(20, text)).toEqual([
      ...[words, `- ${words}`, `  ${words}`, `# ${words}`],
      `see https://example.org/${words}`,
    ]);
  });

  test('code that is broken over two lines, but not blocks of code', () => {
    const text = ['run `npm', 'test` or `npm start`', '```sh', 'echo `date', '```', 'a ``b`c`` d'].join('\n');
    expect(linesWithHalfACodeSpan(text)).toEqual(['run `npm', 'test` or `npm start`']);
  });

  test('npm scripts, in blocks and in lines', () => {
    expect(scriptsIn('```sh\nnpm ci && npm start\n```\nor `npm run x:y`, not npm run z')).toEqual([
      'start',
      'x:y',
    ]);
  });

  test('tables, up to the next heading', () => {
    const text = '# A\n| a | b |\n| --- | --- |\n| 1 | `x\\|y` |\n\n## B\n| c |\n| --- |\n| 2 |';
    expect(tableUnder(text, 'A')).toEqual([['1', '`x|y`']]);
    expect(tableUnder(text, 'B')).toEqual([['2']]);
    expect(() => tableUnder(text, 'C')).toThrow('no heading');
  });
});
