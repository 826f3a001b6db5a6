/** docs/architecture.md, held: who imports whom, through which door, what stays pure, how long a file gets. */
import { describe, expect, test } from 'vitest';
import { circlesAmong, filesImported, importViolations, readArrows, roomOf } from './import-rules.ts';
import { PURE_ROOMS, purityViolations } from './source-purity.ts';
import { readText, repositoryFiles } from './tree.ts';

const LINES = 400;

const files = repositoryFiles();
const sources = files.filter((file) => file.startsWith('src/') && file.endsWith('.ts'));
const arrows = readArrows(readText('docs/architecture.md'));

describe('the tree', () => {
  test('every room has a row in the table and every row a room', () => {
    expect([...arrows.keys()].sort()).toEqual([...new Set(sources.map(roomOf))].sort());
  });

  test('the arrows have no circle', () => {
    const open = new Map([...arrows].map(([room, allowed]) => [room, new Set(allowed)]));
    for (let leaf = nextLeaf(open); leaf !== undefined; leaf = nextLeaf(open)) {
      open.delete(leaf);
      for (const allowed of open.values()) allowed.delete(leaf);
    }
    expect([...open.keys()]).toEqual([]);
  });

  test('imports follow the arrows and come through the doors', () => {
    expect(sources.length).toBeGreaterThan(0);
    expect(sources.flatMap((file) => importViolations(file, readText(file), arrows))).toEqual([]);
  });

  test('no files import each other in a circle', () => {
    const imports = new Map(sources.map((file) => [file, filesImported(file, readText(file))]));
    expect(circlesAmong(imports)).toEqual([]);
  });

  test('the core and the state machine are pure', () => {
    const pure = sources.filter((file) => PURE_ROOMS.includes(roomOf(file)));
    expect(new Set(pure.map(roomOf))).toEqual(new Set(PURE_ROOMS));
    expect(pure.flatMap((file) => purityViolations(file, readText(file)))).toEqual([]);
  });

  test(`no source file is longer than ${LINES} lines`, () => {
    const code = files.filter((file) => /^(?:src|test|bench|bin)\/.*\.(?:ts|js)$/.test(file));
    expect(code.filter((file) => readText(file).split('\n').length - 1 > LINES)).toEqual([]);
  });
});

function nextLeaf(open: ReadonlyMap<string, ReadonlySet<string>>): string | undefined {
  return [...open].find(([, allowed]) => allowed.size === 0)?.[0];
}

describe('the check of imports finds what it looks for', () => {
  const table = ['## Rooms', '', '| room | may import |', '| --- | --- |'];
  const rules = readArrows(
    [...table, '| `util/` | nothing |', '| `kv/` | `util/` |', '| `cli/` | `kv/` |'].join('\n'),
  );
  const violations = (file: string, text: string) => importViolations(file, text, rules);

  test.each([
    ["import { a } from '../kv/index.ts';"],
    ["import type { A } from '../kv/index.ts';"],
    ["export * from '../kv/index.ts';"],
    ["const a = await import('../kv/index.ts');"],
    ["type A = import('../kv/index.ts').A;"],
    ["const a = require('../kv/index.ts');"],
  ])('against the arrow: %s', (text) => {
    expect(violations('src/util/a.ts', text)).toEqual([
      'src/util/a.ts: util must not import src/kv/index.ts',
    ]);
    expect(violations('src/cli/a.ts', text)).toEqual([]);
  });

  test('past the door, out of the source, from a room without a row', () => {
    expect(violations('src/cli/commands/a.ts', "import '../../kv/operation.ts';")).toHaveLength(1);
    expect(violations('src/cli/a.ts', "import '../../package.json';")).toHaveLength(1);
    expect(violations('src/attic/a.ts', '')).toHaveLength(1);
  });

  test('but not in its own room, in packages, or in comments', () => {
    expect(violations('src/kv/a.ts', "import './b.ts'; import '../util/c.ts'; import 'pino';")).toEqual([]);
    expect(violations('src/util/a.ts', "// import '../kv/index.ts';")).toEqual([]);
  });
});

describe('the check of circles finds what it looks for', () => {
  const circles = (...imports: [string, string[]][]) => circlesAmong(new Map(imports));

  test('two files, three files, a file that imports itself; each circle once', () => {
    expect(circles(['a', ['b']], ['b', ['a', 'c']], ['c', []])).toEqual([['a', 'b']]);
    expect(circles(['c', ['a']], ['a', ['b']], ['b', ['c', 'd']], ['d', []])).toEqual([['a', 'b', 'c']]);
    expect(circles(['a', ['a']], ['b', ['c']], ['c', ['b']])).toEqual([['a'], ['b', 'c']]);
  });

  test('but not what leads into one, or two ways to the same file', () => {
    expect(circles(['a', ['b']], ['b', ['c']], ['c', ['b']])).toEqual([['b', 'c']]);
    expect(circles(['a', ['b', 'c']], ['b', ['d']], ['c', ['d']], ['d', ['elsewhere']])).toEqual([]);
  });
});

describe('the check of purity finds what it looks for', () => {
  test.each([
    ['Date.now();'],
    ['new Date();'],
    ['const at: Date = later;'],
    ['Math.random();'],
    ["Math['random']();"],
    ['const { random } = Math;'],
    ['setTimeout(run, 1);'],
    ['process.exit();'],
    ["console.log('');"],
    ['globalThis.x;'],
    ['async function run() {}'],
    ['const run = async () => 1;'],
    ['class A { async run() {} }'],
    ['await run();'],
    ['for await (const x of y) run();'],
    ['let x: Promise<void>;'],
    ["import fs from 'node:fs';"],
    ["import type { Logger } from 'pino';"],
    ["export * from 'pino';"],
    ["import('./a.ts');"],
    ["let x: import('pino').Logger;"],
    ['import.meta.url;'],
    ["import fs = require('node:fs');"],
    ["require('node:fs');"],
    ["'a'.localeCompare('b');"],
    ['const entry = { Date };'],
  ])('%s', (text) => {
    expect(purityViolations('a.ts', `\n${text}`)[0]).toMatch(/^a\.ts:2: /);
  });

  test.each([
    ['// Date.now() and Math.random(), async'],
    ["const word = 'process';"],
    ['Math.max(1, 2);'],
    ['const a = { process: 1, Date: 2 };'],
    ['interface A { console: number; setTimeout(): void }'],
    ['a.process();'],
    ["import { b } from './b.ts';"],
    ["export * from '../util/assert.ts';"],
    ['for (const x of y) run(x);'],
  ])('but not %s', (text) => {
    expect(purityViolations('a.ts', text)).toEqual([]);
  });
});
