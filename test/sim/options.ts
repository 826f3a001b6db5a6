/**
 * What kind of world a seed makes: sizes, speeds, which faults there are and how strong. Swarm testing:
 * most seeds leave many faults out, so that those that remain get their turn undisturbed.
 */
import type { Limits, Timing } from '../../src/epaxos/index.ts';
import type { GaitOptions } from '../../src/node/gait.ts';
import type { Prng } from '../../src/util/prng.ts';
import { between, chance, generator, pick, Stream, subset } from './draw.ts';
import type { NetworkOptions } from './network.ts';
import type { Sabotage } from './sabotage.ts';

export const FAULT_KINDS = [
  'crash',
  'crashAll',
  'crashAtStage',
  'pause',
  'partition',
  'isolate',
  'oneWay',
  'slowLinks',
  'loss',
  'mute',
  'diskError',
  'slowDisk',
  'wrongReachability',
  'eagerRecovery',
  'absence',
] as const;
export type FaultKind = (typeof FAULT_KINDS)[number];
const PATIENT_FAULT_KINDS = FAULT_KINDS.filter((kind) => kind !== 'absence');

export interface FaultOptions {
  readonly kinds: readonly FaultKind[];
  /** Rounds of faults, each followed by a quiet time, before everything is healed for good. */
  readonly rounds: number;
  readonly roundMs: number;
  readonly quietMs: number;
  /** The mean time between two faults, and how long one lasts at most. */
  readonly intervalMs: number;
  readonly durationMs: number;
  /** How many replicas may be down or paused at once. */
  readonly maxDown: number;
  /** Whether messages to a paused replica are lost. */
  readonly pausesLose: boolean;
}

export interface DiskOptions {
  readonly writeMs: number;
  readonly syncMs: number;
  /** Whether records are held as bytes. */
  readonly encoded: boolean;
}

export interface ReachabilityOptions {
  /** How often a replica is told how its peers look. */
  readonly periodMs: number;
  readonly wrongRate: number;
}

export interface WorkloadOptions {
  readonly clients: number;
  readonly operationsPerClient: number;
  readonly keys: number;
  /** How often an operation goes to the first key. */
  readonly hotRate: number;
  readonly getRate: number;
  /** How often an operation is a multi-get; 0 in half of all worlds. */
  readonly multiGetRate: number;
  /** How often an operation touches everything (R2.8); 0 in half of all worlds. */
  readonly wideRate: number;
  readonly deleteRate: number;
  /** How often a write is sent once only, and no answer kept of it. */
  readonly unrecordedRate: number;
  /** The mean pause of a client between two operations. */
  readonly thinkMs: number;
  readonly timeoutMs: number;
  readonly attempts: number;
  /** How often a client begins without having heard of the present generation; absent: there is but one. */
  readonly staleRate?: number;
  /** Bytes of the largest values; absent or 0: all are short. */
  readonly valueBytes?: number;
  /** What is begun in a healed world is answered within this time; absent: at some time. */
  readonly patienceMs?: number;
  /** Whether gets are read without an instance, or proposed like writes. Multi-gets are always proposed (R8.2). */
  readonly readsAtBarrier: boolean;
  /** How often an answer does not reach the client. */
  readonly lostAnswerRate: number;
}

export interface SnapshotOptions {
  /** Entries that travel together. */
  readonly chunkEntries: number;
  /** How long a chunk is waited for, and how long it is before the next attempt after the first one that failed. */
  readonly timeoutMs: number;
  readonly backoffMs: number;
}

export interface WorldOptions {
  readonly seed: number;
  /** N: 3, 5 or 7. */
  readonly replicas: number;
  readonly timing: Partial<Timing>;
  readonly limits: Partial<Limits>;
  /** Whether proposals go to as few as can commit them (R3.8). */
  readonly thrifty: boolean;
  /** By replica: its clocks differ. */
  readonly tickMs: readonly number[];
  /** When replicas rest, and how long. */
  readonly gait: GaitOptions;
  /** Between an input and the turn that takes it. */
  readonly turnMs: number;
  readonly network: NetworkOptions;
  readonly disk: DiskOptions;
  readonly reachability: ReachabilityOptions;
  readonly snapshots: SnapshotOptions;
  readonly workload: WorkloadOptions;
  readonly faults: FaultOptions;
  /** What is broken on purpose; null in every honest world. */
  readonly sabotage: Sabotage | null;
}

/** The world of a seed; the same for the same arguments. */
export function drawOptions(seed: number, replicas: number): WorldOptions {
  const options = drawPatient(seed, replicas);
  const prng = generator(seed, Stream.snapshots);
  return chance(prng, 0.5) ? options : forgetful(options, prng);
}

/**
 * The same world, where replicas soon forget what others may not have seen, and some are away for long. Those that come
 * back need snapshots.
 */
export function forgetful(options: WorldOptions, prng: Prng): WorldOptions {
  const { timing, limits, faults } = options;
  const watermarkTicks = prng.integer(2, 12);
  // What was told in a tick is looked at in the next one.
  const shortTicks = (): number => Math.max(2, prng.integer(1, 100));
  const silentTicks = chance(prng, 0.8) ? prng.integer(2, 6) * watermarkTicks : shortTicks();
  const retainedInstances = chance(prng, 0.5) ? 0 : prng.integer(1, 40);
  return {
    ...options,
    timing: { ...timing, watermarkTicks, silentTicks, flushTicks: prng.integer(1, 2 * watermarkTicks) },
    limits: {
      ...limits,
      retainedInstances,
      ...(retainedInstances % 2 === 1 ? { retainedBytes: retainedInstances * 60 } : {}),
      ...(chance(prng, 0.3) ? { prunedPerTurn: prng.integer(1, 20) } : {}),
    },
    snapshots: {
      chunkEntries: chance(prng, 0.5) ? 1_000 : prng.integer(1, 40),
      timeoutMs: between(prng, 250, 1_000),
      backoffMs: between(prng, 5, 100),
    },
    faults: { ...faults, kinds: [...faults.kinds, 'absence'] },
  };
}

/** A world where nobody is left behind. */
function drawPatient(seed: number, replicas: number): WorldOptions {
  const prng = generator(seed, Stream.options);
  const prompt = drawPrompt(generator(seed, Stream.prompt));
  return {
    seed,
    replicas,
    timing: {
      ...drawTiming(prng),
      ...(chance(prng, 0.7) ? { flushTicks: prng.integer(1, 30) } : {}),
      ...prompt.timing,
    },
    limits: {
      ...drawLimits(prng),
      ...drawProposing(generator(seed, Stream.reservation)),
      ...prompt.limits,
      ...drawEffects(generator(seed, Stream.effects)),
    },
    thrifty: chance(generator(seed, Stream.thrift), 0.4),
    tickMs: Array.from({ length: replicas }, () => (chance(prng, 0.3) ? between(prng, 5, 20) : 10)),
    gait: drawGait(generator(seed, Stream.gait)),
    turnMs: chance(prng, 0.3) ? between(prng, 0, 5) : 0,
    network: drawNetwork(prng),
    disk: drawDisk(prng),
    reachability: {
      periodMs: between(prng, 30, 300),
      wrongRate: chance(prng, 0.3) ? between(prng, 0, 0.4) : 0,
    },
    snapshots: { chunkEntries: 1_000, timeoutMs: 1_000, backoffMs: 100 },
    workload: {
      ...drawWorkload(prng),
      ...drawMultiGets(generator(seed, Stream.multiGets)),
      ...drawWide(generator(seed, Stream.wide)),
    },
    faults: drawFaults(prng, replicas),
    sabotage: null,
  };
}

function drawTiming(prng: Prng): Partial<Timing> {
  if (chance(prng, 0.4)) return {};
  // Anything goes: time must not matter for safety.
  return {
    retryTicks: prng.integer(2, 30),
    maxRetryTicks: prng.integer(30, 200),
    fastPathTicks: prng.integer(1, 10),
    followerTicks: prng.integer(1, 20),
    fetchTicks: prng.integer(1, 10),
    suspectTicks: prng.integer(1, 20),
    patientTicks: prng.integer(2, 100),
    maxRecoveryTicks: prng.integer(50, 300),
    watermarkTicks: prng.integer(4, 30),
  };
}

function drawLimits(prng: Prng): Partial<Limits> {
  const limits: Record<string, number> = {};
  if (chance(prng, 0.3)) limits.operationsPerInstance = prng.integer(1, 4);
  if (chance(prng, 0.3)) limits.instancesPerTurn = prng.integer(1, 4);
  if (chance(prng, 0.2)) limits.openInstances = prng.integer(1, 6);
  if (chance(prng, 0.2)) limits.executionSteps = prng.integer(1, 20);
  if (chance(prng, 0.2)) limits.fetchSlots = prng.integer(1, 10);
  if (chance(prng, 0.2)) limits.recoveries = prng.integer(1, 4);
  if (chance(prng, 0.1)) {
    limits.heldOperations = prng.integer(2, 10);
    limits.reads = limits.heldOperations;
  }
  return limits;
}

/** Few or no reserved slots, so that some PreAccepts leave early and others not (R6.4); and operations that gather. */
function drawProposing(prng: Prng): Partial<Limits> {
  const reserved = chance(prng, 0.5) ? { reservedSlots: prng.integer(0, 6) } : {};
  return chance(prng, 0.3) ? { ...reserved, eagerOperations: prng.integer(1, 8) } : reserved;
}

/** Whether both followers are to answer at once never, where little else goes on, or mostly; and for how long both are waited for (R4.5). */
function drawPrompt(prng: Prng): Pick<WorldOptions, 'timing' | 'limits'> {
  const promptInstances = pick(prng, [0, 1, 64]);
  if (chance(prng, 0.4)) return { timing: {}, limits: { promptInstances } };
  const timing = { promptTicks: prng.integer(0, 10), promptPauseTicks: prng.integer(0, 20) };
  return { timing, limits: { promptInstances } };
}

/** So that effects are written before their time has come (R7.4). */
function drawEffects(prng: Prng): Partial<Limits> {
  return chance(prng, 0.3) ? { unflushedInstances: prng.integer(1, 20) } : {};
}

/** In half of all worlds replicas never rest. */
function drawGait(prng: Prng): GaitOptions {
  const restTicks = chance(prng, 0.5) ? 1 : prng.integer(2, 40);
  return { afterTicks: prng.integer(1, 30), restTicks };
}

function drawNetwork(prng: Prng): NetworkOptions {
  const isWide = chance(prng, 0.4);
  const baseMs = Array.from({ length: 64 }, () => (isWide ? between(prng, 5, 60) : between(prng, 0.1, 1.5)));
  return {
    baseMs,
    jitterMs: between(prng, 0.1, isWide ? 30 : 5),
    lossRate: chance(prng, 0.5) ? between(prng, 0, 0.2) : 0,
    duplicateRate: chance(prng, 0.4) ? between(prng, 0, 0.2) : 0,
    tailRate: chance(prng, 0.4) ? between(prng, 0, 0.1) : 0,
    tailFactor: between(prng, 2, 60),
    streams: chance(prng, 0.4),
  };
}

function drawDisk(prng: Prng): DiskOptions {
  const isSlow = chance(prng, 0.3);
  return {
    writeMs: between(prng, 0.02, isSlow ? 2 : 0.3),
    syncMs: between(prng, 0.1, isSlow ? 25 : 3),
    encoded: chance(prng, 0.25),
  };
}

function drawWorkload(prng: Prng): Omit<WorkloadOptions, 'multiGetRate' | 'wideRate'> {
  const clients = prng.integer(3, 14);
  const keys = pick(prng, [1, 2, 3, 5, 12]);
  return {
    clients,
    operationsPerClient: prng.integer(20, 60),
    keys,
    hotRate: chance(prng, 0.5) ? between(prng, 0.2, 0.9) : 0,
    getRate: between(prng, 0, 0.6),
    deleteRate: chance(prng, 0.5) ? between(prng, 0, 0.2) : 0,
    unrecordedRate: chance(prng, 0.3) ? between(prng, 0, 1) : 0,
    thinkMs: between(prng, 0, 60),
    timeoutMs: between(prng, 100, 1500),
    attempts: prng.integer(1, 5),
    readsAtBarrier: chance(prng, 0.6),
    lostAnswerRate: chance(prng, 0.4) ? between(prng, 0, 0.2) : 0,
  };
}

function drawMultiGets(prng: Prng): Pick<WorkloadOptions, 'multiGetRate'> {
  return { multiGetRate: chance(prng, 0.5) ? between(prng, 0.02, 0.4) : 0 };
}

function drawWide(prng: Prng): Pick<WorkloadOptions, 'wideRate'> {
  return { wideRate: chance(prng, 0.5) ? between(prng, 0.005, 0.15) : 0 };
}

function drawFaults(prng: Prng, replicas: number): FaultOptions {
  const share = between(prng, 0.1, 0.7);
  const kinds = chance(prng, 0.05)
    ? []
    : subset(prng, PATIENT_FAULT_KINDS, share).filter((kind) => kind !== 'crashAll' || chance(prng, 0.3));
  return {
    kinds,
    rounds: prng.integer(1, 3),
    roundMs: between(prng, 400, 1500),
    quietMs: between(prng, 0, 600),
    intervalMs: between(prng, 20, 300),
    durationMs: between(prng, 50, 1200),
    maxDown: chance(prng, 0.9) ? (replicas - 1) / 2 : replicas,
    pausesLose: chance(prng, 0.5),
  };
}
