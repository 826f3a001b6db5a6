/** Hundreds of damaged files of each kind: whatever is lost is told, or cannot be told by the store alone. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { DamageBench, FILE_KINDS, type Tally } from './disk-damage.ts';

const CASES = 500;
const SEED = 1;

let root: string;
let bench: DamageBench;

beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'epaxos-disk-fuzz-'));
  bench = await DamageBench.make(root, SEED);
});

afterAll(() => rm(root, { recursive: true, force: true }));

test.each(FILE_KINDS)('%s', async (kind) => {
  expect(await bench.count(kind)).toBeGreaterThan(0);
  const tally: Tally = { refused: 0, noticed: 0, harmless: 0, older: 0 };
  for (let seed = SEED; seed < SEED + CASES; seed += 1) tally[await bench.run(kind, seed)] += 1;
  process.stdout.write(`${kind}, seeds ${SEED} to ${SEED + CASES - 1}: ${JSON.stringify(tally)}\n`);
});
