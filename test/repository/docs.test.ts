/** The documents say what the code says: rules, links, scripts, errors, limits. */
import path from 'node:path';
import { status } from '@grpc/grpc-js';
import { describe, expect, test } from 'vitest';
import { CLUSTER_SIZES } from '../../src/epaxos/index.ts';
import { ERROR_CODES, type ErrorCode } from '../../src/errors.ts';
import { LIMITS } from '../../src/kv/index.ts';
import { STATUS_OF_CODE } from '../../src/rpc/status.ts';
import { anchorsIn, codeIn, codeWords, linesOver, linksIn, tableUnder } from './markdown.ts';
import { fileExists, readText, repositoryFiles } from './tree.ts';

const files = repositoryFiles();
const documents = files.filter((file) => file.endsWith('.md'));
const protocol = readText('docs/protocol.md');

/** Every rule number in a text, "R3.1 to R3.5" read as its two ends. */
function rulesIn(text: string): string[] {
  return [...text.matchAll(/\bR\d+\.\d+\b/g)].map(([rule]) => rule);
}

/** The rules that the protocol's document states, in its order. */
function rulesStated(text: string): string[] {
  return [...text.matchAll(/^- \*\*(R\d+\.\d+)\*\* /gm)].map((match) => match[1] ?? '');
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
  test('states each rule once', () => {
    const stated = rulesStated(protocol);
    expect(stated.length).toBeGreaterThan(0);
    expect(stated.filter((rule, index) => stated.indexOf(rule) !== index)).toEqual([]);
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

  test('names only files and functions that exist in the table of invariants', () => {
    const cells = tableUnder(protocol, '12. Invariants').flatMap((row) => row.slice(2).flatMap(codeWords));
    expect(cells.length).toBeGreaterThan(0);
    const missing = cells.filter((cell) => {
      const [file = '', name] = cell.split(':');
      return (
        !fileExists(file) || (name !== undefined && !new RegExp(`(?<!\\w)${name}\\b`).test(readText(file)))
      );
    });
    expect(missing).toEqual([]);
  });
});

describe('every document', () => {
  test('is wrapped at 120 columns', () => {
    const over = documents.flatMap((file) =>
      linesOver(120, readText(file)).map((line) => `${file}: ${line}`),
    );
    expect(over).toEqual([]);
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
    expect(rulesStated('- **R2.1** One.\n- R2.2 Two.\nas **R2.3** says')).toEqual(['R2.1']);
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
