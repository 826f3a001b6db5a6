/** The faults of mutants.ts, each put into the product's code: the full worlds find it at the seed that docs/reliability.md names. */
import { execFile } from 'node:child_process';
import { rmSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { bundleSimulator } from './bundle.ts';
import { MUTANTS } from './mutants.ts';
import { documentedMutants } from './mutants-table.ts';

/** What one world comes to. */
function run(program: string, seed: string, replicas: string): Promise<string> {
  const args = [program, '--world', 'full', '--seed', seed, '--replicas', replicas];
  return new Promise((resolve) => {
    execFile(process.execPath, args, (_error, stdout, stderr) => resolve(stdout + stderr));
  });
}

describe.concurrent('the full worlds find', { timeout: 300_000 }, () => {
  test.each(documentedMutants())('$name, by seed $seed with $replicas replicas: $check', async (line) => {
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
