/** The simulator's command line, parsed and checked. */
import { parseArgs } from 'node:util';
import { isClusterSize } from '../../src/epaxos/index.ts';
import { MUTANTS, type Mutant } from './mutants.ts';
import { SABOTAGES } from './sabotage.ts';
import type { SeedRange, WorldKind } from './sweep.ts';

export const USAGE =
  'usage: sim (--seed N [--verbose] | --seeds A..B [--workers W | --first]) [--replicas 3|5|7]\n' +
  '  [--world core [--sabotage NAME] | --world full [--mutant NAME]]';

/** Says what is wrong with a command line. */
export class UsageError extends Error {}

export interface Command {
  readonly range: SeedRange;
  readonly isSingle: boolean;
  readonly kind: WorldKind;
  readonly verbose: boolean;
  readonly workers: number;
  /** Stop at the first violation. */
  readonly isFirst: boolean;
  /** A fault that is put into the product's code; null for none. */
  readonly mutant: Mutant | null;
  /** Started by a sweep, to report to it. */
  readonly isWorker: boolean;
}

/** @throws UsageError, or a TypeError of parseArgs with a code */
export function parseCommand(args: readonly string[]): Command {
  const { values } = parseArgs({
    args: [...args],
    options: {
      seed: { type: 'string' },
      seeds: { type: 'string' },
      replicas: { type: 'string', default: '3' },
      workers: { type: 'string', default: '1' },
      verbose: { type: 'boolean', default: false },
      world: { type: 'string' },
      sabotage: { type: 'string' },
      mutant: { type: 'string' },
      first: { type: 'boolean', default: false },
      worker: { type: 'boolean', default: false },
    },
  });
  const replicas = Number(values.replicas);
  if (!isClusterSize(replicas)) throw new UsageError('--replicas is 3, 5 or 7');
  const isSingle = values.seed !== undefined;
  if (isSingle === (values.seeds !== undefined)) throw new UsageError('either --seed or --seeds');
  const [from, to = from] = (values.seed ?? values.seeds ?? '').split('..').map(integer);
  if (from === undefined || to === undefined || from > to) throw new UsageError('seeds are A..B with A ≤ B');
  const workers = integer(values.workers);
  if (workers < 1) throw new UsageError('--workers is at least 1');
  const { verbose, worker: isWorker, first: isFirst } = values;
  const sabotage = SABOTAGES.find((name) => name === values.sabotage) ?? null;
  if (values.sabotage !== undefined && sabotage === null)
    throw new UsageError(`--sabotage is one of ${SABOTAGES.join(', ')}`);
  const mutant = MUTANTS.find(({ name }) => name === values.mutant) ?? null;
  if (values.mutant !== undefined && mutant === null)
    throw new UsageError(`--mutant is one of ${MUTANTS.map(({ name }) => name).join(', ')}`);
  const world = values.world ?? (mutant === null ? 'core' : 'full');
  if (world !== 'core' && world !== 'full') throw new UsageError('--world is core or full');
  if (world === 'full' && sabotage !== null) throw new UsageError('--sabotage is for --world core');
  const kind = { replicas, sabotage, world } as const;
  return { range: { from, to }, isSingle, kind, verbose, workers, isFirst, mutant, isWorker };
}

function integer(text: string): number {
  if (!/^\d+$/.test(text)) throw new UsageError(`not a number: "${text}"`);
  return Number(text);
}
