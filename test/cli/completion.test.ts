/** `epaxos completion`: what the shell offers, asked of bash itself. */
import { execFileSync } from 'node:child_process';
import { beforeAll, describe, expect, it } from 'vitest';
import { LOG_LEVELS } from '../../src/server/logger.ts';
import { runCli } from './run-cli.ts';

let scripts: Readonly<Record<'bash' | 'zsh', string>>;
beforeAll(async () => {
  const [bash, zsh] = [await runCli(['completion', 'bash']), await runCli(['completion', 'zsh'])];
  scripts = { bash: bash.stdout.toString(), zsh: zsh.stdout.toString() };
});

/** What a script of bash prints. */
function bash(script: string, ...args: readonly string[]): string {
  return execFileSync('bash', ['--norc', '-c', `set -u\n${script}`, 'bash', ...args], { encoding: 'utf8' });
}

const ASK = `
COMP_WORDS=("$@")
COMP_CWORD=$(($# - 1))
_epaxos
for word in "\${COMPREPLY[@]}"; do echo "$word"; done
`;

/** What is offered for the last of the words. */
function offered(...words: readonly string[]): string[] {
  const lines = bash(`${scripts.bash}${ASK}`, 'epaxos', ...words);
  return lines.split('\n').slice(0, -1);
}

describe('bash is offered', () => {
  it('every command and the flags of all of them', () => {
    expect(offered('')).toEqual(expect.arrayContaining(['put', 'status', 'help', '--write-out']));
    expect(offered('st')).toEqual(['start', 'status']);
    expect(offered('--w')).toEqual(['--write-out']);
  });

  it('the flags of a command, wherever it stands, but none that is hidden', () => {
    expect(offered('status', '--w')).toEqual(['--wide', '--watch', '--write-out']);
    expect(offered('-w', 'json', 'server', '--p')).toEqual(['--peers', '--print-config']);
    expect(offered('server', '--')).not.toContain('--exit-with-parent');
  });

  it.each<[words: readonly string[], values: readonly string[]]>([
    [
      ['-w', ''],
      ['simple', 'json', 'table'],
    ],
    [
      ['get', 'key', '--write-out', ''],
      ['simple', 'json', 'table'],
    ],
    [['status', '-w', 'j'], ['json']],
    [
      ['bench', '--distribution', ''],
      ['uniform', 'zipf', 'hot'],
    ],
    [['server', '--log-level', ''], [...LOG_LEVELS]],
    [
      ['completion', ''],
      ['bash', 'zsh'],
    ],
    [['help', 'ba'], ['batch-put']],
  ])('the values for %j', (words, values) => {
    expect(offered(...words).filter((word) => !word.startsWith('-'))).toEqual(values);
  });

  it.each([[['--endpoints', '']], [['server', '--data-dir', '']], [['bench', '--keys', '']]])(
    'nothing of ours where a flag takes any value: %j',
    (words) => {
      expect(offered(...words)).toEqual([]);
    },
  );

  it('the command by its name', () => {
    expect(bash(`${scripts.bash}complete -p epaxos`)).toBe('complete -o default -F _epaxos epaxos\n');
  });
});

/** What bash has not: zsh's loader, and the functions that it loads. */
const ZSH = `
autoload() { :; }
compinit() { echo compinit; compdef() { :; }; }
bashcompinit() { compdef; complete() { echo complete; }; }
`;

describe('zsh', () => {
  it('loads its completion only if that was not done before', () => {
    expect(bash(`${ZSH}${scripts.zsh}`)).toBe('compinit\ncomplete\n');
    expect(bash(`${ZSH}compdef() { :; }\n${scripts.zsh}`)).toBe('complete\n');
  });

  it('is offered what bash is', () => {
    // zsh takes a letter after a colon for the name of a modifier, where bash reads an expression.
    expect(scripts.zsh).not.toMatch(/\$\{[^}]*:[A-Za-z]/);
    expect(scripts.zsh.endsWith(scripts.bash)).toBe(true);
  });
});

it('ends with 3 for another shell', async () => {
  expect((await runCli(['completion', 'fish'])).exitCode).toBe(3);
});
