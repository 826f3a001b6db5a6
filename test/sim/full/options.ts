/**
 * What kind of full world a seed makes: what the worlds of bare cores have (../options.ts), and what only whole replicas
 * have: limits of what waits, log files, generations that end, clocks, replicas that never come back.
 */
import { DEFAULT_LIMITS } from '../../../src/epaxos/index.ts';
import type { AdvanceLimits, NodeOptions, SnapshotLimits } from '../../../src/node/index.ts';
import type { Prng } from '../../../src/util/prng.ts';
import { between, chance, generator, pick, Stream, subset } from '../draw.ts';
import { drawOptions, type WorldOptions } from '../options.ts';

/** What goes wrong in a whole replica only. */
export const FULL_FAULT_KINDS = ['hangingDisk', 'linkBothWays', 'burst'] as const;
export type FullFaultKind = (typeof FULL_FAULT_KINDS)[number];

/** How a replica can be heard and be of no use. */
export const OUTCASTS = ['hanging', 'deaf'] as const;
export type Outcast = (typeof OUTCASTS)[number];

/** What happens to a replica at one step of copying a snapshot, or of putting it in place. */
export interface CopyFault {
  readonly kind: 'crash' | 'diskError';
  /** Which of all such batches that its machine ever writes, from 1 on. */
  readonly step: number;
}

/** What those do that die for good: each writes the same keys, and a moment later it dies; then the others write them. */
export interface Farewell {
  readonly keys: number;
  readonly afterMs: number;
}

export interface FullOptions {
  /** By replica: how many milliseconds of its clock pass in one. */
  readonly clockRates: readonly number[];
  readonly tickMs: number;
  /** What fills a log of the database, and how long it is until a table was made of it. */
  readonly writeBufferBytes: number;
  readonly compactionMs: number;
  readonly limits: NodeOptions['limits'];
  readonly snapshots: Partial<SnapshotLimits>;
  readonly advance: AdvanceLimits;
  /** So many replicas die for good when the faults end. */
  readonly dead: number;
  /** One replica's disk is so many times slower from the beginning to the end; 1: none is. It is heard all the time. */
  readonly laggardFactor: number;
  /**
   * What one replica does from the healing on, for ever: it hangs, as its disk does nothing any more, or is deaf, as all that
   * is sent to it is lost. It is heard all the time. Null: nothing such.
   */
  readonly outcast: Outcast | null;
  /** The mean time between two old requests that are sent once more, to any replica; 0: none is. */
  readonly repeatMs: number;
  readonly faults: readonly FullFaultKind[];
  /** Between two looks at whether the store could be opened again after a crash at that moment; 0: never. */
  readonly imageMs: number;
  /** So many instances are executed and kept by all but the last replicas when the world begins (backlog.ts); 0: none. */
  readonly backlog: number;
  /** How many replicas have missed these: as many as others may prune without (R9.2), at the most. */
  readonly behind: number;
  /** So many own instances those had begun before, of which the others have never heard more than their slots. */
  readonly abandoned: number;
  readonly copyFault: CopyFault | null;
  readonly farewell: Farewell | null;
  /** Writes of one key that a `burst` leaves open at a replica. */
  readonly burstOperations: number;
}

export interface FullWorldOptions extends WorldOptions {
  readonly full: FullOptions;
}

const MIB = 1024 * 1024;

/** What may wait in a server. */
const PRODUCTION_LIMITS: NodeOptions['limits'] = {
  requests: 10_000,
  requestBytes: 64 * MIB,
  messages: 65_536,
  messageBytes: 64 * MIB,
};

/** What is begun when all is well again is answered within this time, whatever the world's odd figures are. */
export const PATIENCE_MS = 30_000;

/** No generation ends as long as a world lasts. */
export const ENDLESS: AdvanceLimits = {
  lastsMs: 3_600_000,
  perRankMs: 5_000,
  patienceMs: 300_000,
  againMs: 60_000,
};

/** The full world of a seed; the same for the same arguments. */
export function drawFullOptions(seed: number, replicas: number): FullWorldOptions {
  const base = drawOptions(seed, replicas);
  const prng = generator(seed, Stream.full);
  const isShortLived = chance(prng, 0.5);
  const dead = chance(prng, 0.25) ? prng.integer(1, (replicas - 1) / 2) : 0;
  const workload = {
    ...base.workload,
    operationsPerClient: Math.ceil(base.workload.operationsPerClient / 2),
    wideRate: 0, // no operation of the state machine touches everything yet
    valueBytes: chance(prng, 0.15) ? prng.integer(1_000, 100_000) : 0,
    patienceMs: PATIENCE_MS,
  };
  const options: FullWorldOptions = {
    ...base,
    workload,
    faults: { ...base.faults, kinds: base.faults.kinds.filter((kind) => kind !== 'eagerRecovery') },
    full: {
      clockRates: base.tickMs.map((tickMs) => 10 / tickMs),
      tickMs: 10,
      writeBufferBytes: chance(prng, 0.5) ? 4 * 1024 * 1024 : prng.integer(2_000, 60_000),
      compactionMs: between(prng, 1, 400),
      limits: drawLimits(prng),
      snapshots: drawSnapshots(prng, workload),
      advance: ENDLESS,
      dead,
      laggardFactor: dead === 0 && chance(prng, 0.1) ? between(prng, 100, 2_000) : 1,
      outcast: null,
      repeatMs: chance(prng, 0.4) ? between(prng, 10, 200) : 0,
      faults: subset(prng, FULL_FAULT_KINDS, 0.25),
      imageMs: chance(prng, 0.3) ? between(prng, 20, 300) : 0,
      backlog: 0,
      behind: 1,
      abandoned: 0,
      copyFault: drawCopyFault(generator(seed, Stream.copyFaults)),
      farewell: null,
      burstOperations: prng.integer(50, 400),
    },
  };
  const shortLived = isShortLived ? advancing(options, prng) : options;
  const fewBytes = withFewBytes(shortLived, generator(seed, Stream.waitingBytes));
  const saying = withFarewell(fewBytes, generator(seed, Stream.farewells));
  const world = withBacklog(saying, generator(seed, Stream.backlog));
  const full = { ...world.full, ...drawBehind(world, generator(seed, Stream.behind)) };
  return { ...world, full: { ...full, outcast: drawOutcast(seed, full) } };
}

/** Now and then little may wait, in bytes; always enough for what a single replica may propose at once. */
function withFewBytes(options: FullWorldOptions, prng: Prng): FullWorldOptions {
  if (!chance(prng, 0.2)) return options;
  const { valueBytes = 0 } = options.workload;
  const requestBytes = valueBytes + prng.integer(500, 4_000 + valueBytes);
  const messageBytes = requestBytes + prng.integer(500, 2 * requestBytes);
  const { full } = options;
  return { ...options, full: { ...full, limits: { ...full.limits, requestBytes, messageBytes } } };
}

/** Where several die at last, they may leave much behind that only recoveries settle, of which few may go on at a time (R5.9). */
function withFarewell(options: FullWorldOptions, prng: Prng): FullWorldOptions {
  const { full, limits, disk, turnMs, replicas } = options;
  if (full.dead < 2 || !chance(prng, 0.5)) return options;
  const recoveries = prng.integer(1, 2);
  const { openInstances, eagerOperations, heldOperations } = DEFAULT_LIMITS;
  return {
    ...options,
    thrifty: false,
    limits: {
      ...limits,
      recoveries,
      operationsPerInstance: 1,
      openInstances,
      eagerOperations,
      heldOperations,
    },
    full: {
      ...full,
      limits: PRODUCTION_LIMITS,
      farewell: {
        keys: replicas * recoveries * prng.integer(2, 6),
        afterMs: between(prng, 0.5, 3) * (turnMs + disk.syncMs) + between(prng, 0, 1),
      },
    },
  };
}

function drawBehind(
  { replicas, full }: FullWorldOptions,
  prng: Prng,
): Pick<FullOptions, 'behind' | 'abandoned'> {
  if (full.backlog === 0) return { behind: 1, abandoned: 0 };
  return {
    abandoned: chance(prng, 0.5) ? prng.integer(1, 20) : 0,
    behind: replicas === 7 ? prng.integer(1, 2) : 1,
  };
}

function drawCopyFault(prng: Prng): CopyFault | null {
  if (!chance(prng, 0.3)) return null;
  return { kind: pick(prng, ['crash', 'diskError']), step: prng.integer(1, chance(prng, 0.5) ? 6 : 40) };
}

/** Now and then the last replica has missed so much that it needs a snapshot at once, and now and then very much. */
function withBacklog(options: FullWorldOptions, prng: Prng): FullWorldOptions {
  if (chance(prng, 0.002)) return withLargeBacklog(options);
  if (!chance(prng, 0.05)) return options;
  const { full } = options;
  const { chunkBytes = 0 } = full.snapshots;
  const snapshots = chunkBytes === 0 ? {} : { ...full.snapshots, chunkBytes: Math.max(20_000, chunkBytes) };
  return { ...options, full: { ...full, snapshots, backlog: prng.integer(100, 2_000) } };
}

/** As much as a replica keeps for one that is away; with the patience, the limits and the sizes of production. */
export function withLargeBacklog(options: FullWorldOptions): FullWorldOptions {
  return {
    ...options,
    timing: {},
    limits: {},
    full: {
      ...options.full,
      writeBufferBytes: 16 * MIB,
      limits: PRODUCTION_LIMITS,
      snapshots: {},
      dead: 0,
      farewell: null,
      copyFault: null,
      laggardFactor: 1,
      repeatMs: 0,
      imageMs: 0,
      backlog: DEFAULT_LIMITS.retainedInstances,
    },
  };
}

/** Where all else come to a good end. */
function drawOutcast(seed: number, { dead, laggardFactor }: FullOptions): Outcast | null {
  const prng = generator(seed, Stream.outcasts);
  return dead === 0 && laggardFactor === 1 && chance(prng, 0.2) ? pick(prng, OUTCASTS) : null;
}

/**
 * The same world, where generations are short: requests come too late now and then, and copies of them long after they were
 * answered. Clients do not always know the newest generation.
 */
function advancing(options: FullWorldOptions, prng: Prng): FullWorldOptions {
  const slow = chance(prng, 0.5) ? slowlyFlushed(options, prng) : options;
  const timeoutMs = chance(prng, 0.5) ? between(prng, 100, 400) : slow.workload.timeoutMs;
  return {
    ...options,
    timing: slow.timing,
    faults: slow.faults,
    workload: { ...slow.workload, timeoutMs, staleRate: between(prng, 0, 0.3) },
    full: {
      ...options.full,
      clockRates: chance(prng, 0.5)
        ? options.full.clockRates
        : options.full.clockRates.map(() => between(prng, 0.9, 1.1)),
      advance: {
        lastsMs: between(prng, 100, 2_000),
        perRankMs: chance(prng, 0.3) ? 0 : between(prng, 1, 200),
        patienceMs: between(prng, 10, 2_000),
        againMs: between(prng, 50, 1_000),
      },
      repeatMs: chance(prng, 0.7) ? between(prng, 10, 200) : 0,
    },
  };
}

/** Effects are written rarely, and many answers are lost, so that copies are executed long before that is on disk. */
function slowlyFlushed(
  options: FullWorldOptions,
  prng: Prng,
): Pick<FullWorldOptions, 'timing' | 'workload' | 'faults'> {
  const { timing, workload, faults } = options;
  return {
    timing: { ...timing, flushTicks: prng.integer(100, 500) },
    workload: {
      ...workload,
      operationsPerClient: 40,
      thinkMs: between(prng, 50, 200),
      lostAnswerRate: between(prng, 0.1, 0.5),
      attempts: 5,
    },
    faults: {
      ...faults,
      kinds: [...faults.kinds, 'crash'],
      rounds: 2,
      roundMs: between(prng, 2_000, 5_000),
      intervalMs: between(prng, 200, 1_500),
    },
  };
}

function drawLimits(prng: Prng): NodeOptions['limits'] {
  const isSmall = chance(prng, 0.3);
  return {
    requests: isSmall ? prng.integer(1, 20) : PRODUCTION_LIMITS.requests,
    requestBytes: PRODUCTION_LIMITS.requestBytes,
    messages: chance(prng, 0.3) ? prng.integer(20, 400) : PRODUCTION_LIMITS.messages,
    messageBytes: PRODUCTION_LIMITS.messageBytes,
  };
}

/** A value that is to be copied in no more than so many chunks: each takes a round trip, and who copies does not answer. */
const CHUNKS_OF_A_VALUE = 64;

function drawSnapshots(prng: Prng, { valueBytes }: { readonly valueBytes: number }): Partial<SnapshotLimits> {
  if (chance(prng, 0.3)) return {};
  const least = Math.ceil(valueBytes / CHUNKS_OF_A_VALUE);
  return {
    chunkBytes: Math.max(prng.integer(100, 20_000), least),
    open: prng.integer(1, 2),
    idleMs: between(prng, 500, 5_000),
  };
}
