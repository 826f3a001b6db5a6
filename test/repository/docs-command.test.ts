/** The documents and the `epaxos` command agree: commands, flags, settings, exit codes, environment. */
import { PassThrough } from 'node:stream';
import type { Command } from 'commander';
import { describe, expect, test } from 'vitest';
import { EXIT } from '../../src/cli/exit-codes.ts';
import { createProgram } from '../../src/cli/program.ts';
import { CONFIG_FILE, SETTINGS } from '../../src/server/config.ts';
import { codeIn, codeWords, sectionUnder, tableUnder } from './markdown.ts';
import { readText, repositoryFiles } from './tree.ts';

const documents = repositoryFiles().filter((file) => file.endsWith('.md'));
const io = { stdin: new PassThrough(), stdout: new PassThrough(), stderr: new PassThrough() };
const program = await createProgram({ io, setExitCode: () => {} });
const commands = new Map(program.commands.map((command) => [command.name(), command]));

/** Every flag of a command that its help shows, long and short. */
function flagsOf(command: Command): string[] {
  const options = command.createHelp().visibleOptions(command);
  return options.flatMap(({ long, short }) => [long, short]).filter((flag) => typeof flag === 'string');
}

/** Everything that is wrong with the command lines in a text's code, in words. */
function wrongLines(text: string): string[] {
  return commandLines(text).flatMap((line) => {
    const words = line.split(/\s+/).slice(1);
    const end = words.indexOf('--');
    const flags = words.slice(0, end < 0 ? undefined : end).filter((word) => /^--?[a-z]/.test(word));
    const command = words.map((word) => commands.get(word)).find((found) => found !== undefined);
    const known = [program, ...(command === undefined ? [] : [command])].flatMap(flagsOf);
    const wrong = flags.map((flag) => flag.split('=')[0] ?? '').filter((flag) => !known.includes(flag));
    const isCommand =
      command !== undefined || words.length === 0 || flags.some((flag) => /help|version/.test(flag));
    return [...(isCommand ? [] : [`no command: ${line}`]), ...wrong.map((flag) => `${flag}: ${line}`)];
  });
}

/** The command lines of `epaxos` in code, without what is piped into or after them, and without comments. */
function commandLines(text: string): string[] {
  const lines = codeIn(text).flatMap((code) => code.replaceAll('\\\n', ' ').split(/\n|&&|[|;<>]/));
  return lines.flatMap((line) => {
    const match = /^\s*(?:\$ )?(?:npx )?(epaxos(?: .*)?)$/.exec(line.replace(/\s#.*$/, ''));
    return match?.[1] === undefined ? [] : [match[1].trim()];
  });
}

describe('the command line', () => {
  test('every line in a document can be run', () => {
    expect(commandLines(readText('README.md')).length).toBeGreaterThan(0);
    expect(
      documents.flatMap((file) => wrongLines(readText(file)).map((wrong) => `${file}: ${wrong}`)),
    ).toEqual([]);
  });

  test('the table in README has every command, and no others', () => {
    const rows = tableUnder(readText('README.md'), 'The command').map(
      ([cell = '']) => codeWords(cell)[0]?.split(' ')[1],
    );
    expect(rows).toEqual([...commands.keys()]);
  });

  test('the documents explain every flag', () => {
    const text = ['README.md', 'docs/operations.md', 'docs/benchmarks.md']
      .flatMap((file) => codeIn(readText(file)))
      .join('\n');
    const flags = [program, ...commands.values()].flatMap(flagsOf).filter((flag) => flag.startsWith('--'));
    const unexplained = flags.filter((flag) => !new RegExp(`(?<![\\w-])${flag}(?![\\w-])`).test(text));
    expect([...new Set(unexplained)]).toEqual([]);
  });

  test('the table of settings is the list of settings', () => {
    const rows = tableUnder(readText('docs/operations.md'), 'Configuration').map((row) =>
      row.slice(0, 4).map((cell) => codeWords(cell)[0] ?? cell),
    );
    expect(rows).toEqual(
      SETTINGS.map(({ key, flag, environment, fallback }) => [
        key,
        flag,
        environment,
        String(fallback ?? 'none'),
      ]),
    );
  });

  test('environment variables in documents exist', () => {
    const named = documents.flatMap((file) =>
      [...readText(file).matchAll(/\bEPAXOS_[A-Z_]+\b/g)].map(([name]) => name),
    );
    const options = [program, ...commands.values()].flatMap((command) => command.options);
    const known = new Set<unknown>([
      ...options.map((option) => option.envVar),
      ...SETTINGS.map(({ environment }) => environment),
      CONFIG_FILE.environment,
    ]);
    expect(named.length).toBeGreaterThan(0);
    expect(named.filter((name) => !known.has(name))).toEqual([]);
  });

  test('the table of exit codes is the list of exit codes', () => {
    const rows = tableUnder(readText('README.md'), 'Exit codes').map(([code]) => Number(code));
    expect(rows).toEqual(Object.values(EXIT));
    expect(sectionUnder(readText('README.md'), 'Exit codes').join('\n')).toContain('| 64 |');
  });
});

describe('the check of command lines finds what it looks for', () => {
  test.each([
    ['`epaxos frobnicate`', 'no command: epaxos frobnicate'],
    ['```sh\nnpx epaxos put --frobnicate a b\n```', '--frobnicate: epaxos put --frobnicate a b'],
    ['```sh\nnpm ci && npx epaxos get --prev a # why\n```', '--prev: epaxos get --prev a'],
    ['```sh\necho x | npx epaxos put a --frob=1\n```', '--frob: epaxos put a --frob=1'],
  ])('%s', (text, wrong) => {
    expect(wrongLines(text)).toEqual([wrong]);
  });

  test.each([
    ['`epaxos`'],
    ['`epaxos put -- a -b`'],
    ['`epaxos -w json get a`'],
    ['`epaxos --version`'],
    ['epaxos frobnicate, outside of code'],
  ])('but not %s', (text) => {
    expect(wrongLines(text)).toEqual([]);
  });
});
