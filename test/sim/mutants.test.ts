/** The faults of mutants.ts, each put into the product's code: the full worlds find it at the seed that docs/reliability.md names. */
import { execFile } from 'node:child_process';
import { rmSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { tableUnder } from '../repository/markdown.ts';
import { readText } from '../repository/tree.ts';
import { bundleSimulator } from './bundle.ts';
import { MUTANTS, mutated } from './mutants.ts';

/** `mutant`, N, seed, `check` */
const table = tableUnder(readText('docs/reliability.md'), 'Faults that the full worlds find').map(
  ([mutant = '', replicas = '', seed = '', check = '']) => ({
    name: mutant.replaceAll('`', ''),
    replicas,
    seed,
    check: check.replaceAll('`', ''),
  }),
);

/** What one world comes to. */
function run(program: string, seed: string, replicas: string): Promise<string> {
  const args = [program, '--world', 'full', '--seed', seed, '--replicas', replicas];
  return new Promise((resolve) => {
    execFile(process.execPath, args, (_error, stdout, stderr) => resolve(stdout + stderr));
  });
}

test('every fault has its line', () => {
  expect(table.map(({ name }) => name).toSorted()).toEqual(MUTANTS.map(({ name }) => name).toSorted());
});

describe.concurrent('the full worlds find', { timeout: 300_000 }, () => {
  test.each(table)('$name, by seed $seed with $replicas replicas: $check', async (line) => {
    const { name, replicas, seed, check } = line;
    const mutant = MUTANTS.find((each) => each.name === name) ?? expect.fail(name);
    const program = await bundleSimulator(mutant);
    try {
      expect(await run(program, seed, replicas)).toContain(`seed ${seed}, N = ${replicas}: ${check}: `);
    } finally {
      rmSync(program);
    }
  });
});

test('a fault whose place is gone, or is there twice, is refused', () => {
  const mutant = { name: 'none', file: '', from: 'x', to: 'y' };
  expect(mutated(mutant, 'axb')).toBe('ayb');
  for (const text of ['ab', 'xaxb']) expect(() => mutated(mutant, text)).toThrow(RangeError);
});
