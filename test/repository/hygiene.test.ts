/** What no tracked file may hold: places on somebody's machine, download hosts, tests that do not run. */
import ts from 'typescript';
import { describe, expect, test } from 'vitest';
import { fileExists, readText, repositoryFiles } from './tree.ts';

const files = repositoryFiles();

/** A path below one of the directories where machines keep their users' work. */
const MACHINE_PATH = /(?<![\w.~-])\/(?:work|farm|root|home|Users)\/[A-Za-z.]/;
/** A package registry, named by host or by setting. */
const REGISTRY = /\bregistry\.[a-z]|\bregistry\s*=\s*["']?https?:/;

/** "file:line" of every line that matches. */
function findLines(file: string, text: string, pattern: RegExp): string[] {
  return text.split('\n').flatMap((line, index) => (pattern.test(line) ? [`${file}:${index + 1}`] : []));
}

/** "file:line" of every test or suite that is marked not to run, or to run alone. */
function marksIn(file: string, text: string): string[] {
  const source = ts.createSourceFile(file, text, ts.ScriptTarget.Latest, true, ts.ScriptKind.TS);
  const found: string[] = [];
  const visit = (node: ts.Node): void => {
    if (ts.isPropertyAccessExpression(node) && isMark(node)) {
      found.push(`${file}:${source.getLineAndCharacterOfPosition(node.getStart(source)).line + 1}`);
    }
    ts.forEachChild(node, visit);
  };
  visit(source);
  return found;
}

function isMark(node: ts.PropertyAccessExpression): boolean {
  const root = node.expression.getText().split('.')[0] ?? '';
  return (
    /^(?:only|skip|todo|skipIf|runIf|fails)$/.test(node.name.text) &&
    /^(?:it|test|describe|suite)$/.test(root)
  );
}

describe('tracked files', () => {
  test('name no place on a machine', () => {
    expect(files.flatMap((file) => findLines(file, readText(file), MACHINE_PATH))).toEqual([]);
  });

  test('name no package registry', () => {
    expect(files.flatMap((file) => findLines(file, readText(file), REGISTRY))).toEqual([]);
    expect(findLines('package-lock.json', readText('package-lock.json'), /"resolved":\s*"http/)).toEqual([]);
  });

  test('do not hold what is made from others', () => {
    expect(files.filter((file) => /^(?:dist|node_modules|\.test-results|coverage)\//.test(file))).toEqual([]);
  });

  test('hold no test that is left out', () => {
    const tests = files.filter((file) => /\.(?:test|proof)\.ts$/.test(file));
    expect(tests.length).toBeGreaterThan(0);
    expect(tests.flatMap((file) => marksIn(file, readText(file)))).toEqual([]);
  });

  test('have a licence, the one that package.json names', () => {
    expect(fileExists('LICENSE')).toBe(true);
    expect(readText('LICENSE')).toContain('Apache License');
    expect(JSON.parse(readText('package.json')).license).toBe('Apache-2.0');
  });
});

describe('the checks find what they look for', () => {
  test.each([['cd /ho' + 'me/user'], ['"/wo' + 'rk/main"'], ['file:///Us' + 'ers/x']])(
    'a path: %s',
    (line) => {
      expect(findLines('a', `\n${line}`, MACHINE_PATH)).toEqual(['a:2']);
    },
  );

  test.each([['https://example.org/ho' + 'me/page'], ['src/wo' + 'rk/a.ts'], ['/var/lib/epaxos']])(
    'no path: %s',
    (line) => {
      expect(findLines('a', line, MACHINE_PATH)).toEqual([]);
    },
  );

  test.each([['https://regi' + 'stry.example.org/'], ['regi' + 'stry=http://10.0.0.1/']])('%s', (line) => {
    expect(findLines('a', line, REGISTRY)).toEqual(['a:1']);
  });

  test.each([
    ['test.on' + 'ly("a", run)'],
    ['describe.sk' + 'ip("a", run)'],
    ['test.to' + 'do("a")'],
    ['it.sk' + 'ipIf(x)("a", run)'],
  ])('%s', (line) => expect(marksIn('a.ts', `\n${line}`)).toEqual(['a.ts:2']));

  test('but no word in a comment and no other object', () => {
    expect(marksIn('a.ts', '// test.on' + 'ly\nlist.sk' + 'ip(1); "test.sk' + 'ip";')).toEqual([]);
  });
});
