/** What can be set about a replica: its place in the cluster, its patience, its limits. */
import type { ReplicaId } from './types.ts';

/** All in ticks, the core's only unit of time. Timing never matters for safety. */
export interface Timing {
  /** A request without an answer is sent again after this long, then after twice as long, and so on. */
  readonly retryTicks: number;
  /** The longest interval between repetitions. */
  readonly maxRetryTicks: number;
  /** N ≥ 5: how long replies beyond a majority are waited for before the slow path (R3.4). */
  readonly fastPathTicks: number;
  /**
   * N = 3: how long at the least the designated follower is waited for after the other has replied (R4.4). Thrifty: how
   * long at the least those asked are waited for before the others are asked as well (R3.8). How long at the least a peer may owe a reply
   * (R3.12).
   */
  readonly followerTicks: number;
  /** How often a peer that owes replies is tried again (R3.12). */
  readonly trialTicks: number;
  /** N = 3: how long the other follower is waited for after both were asked to answer at once (R4.5). */
  readonly promptTicks: number;
  /** When it was waited for in vain, or for long: how long it is not asked to answer at once. */
  readonly promptPauseTicks: number;
  /** How long something may be missing at the least before peers are asked for it (R7.2). */
  readonly fetchTicks: number;
  /** The same at the most, however slowly peers answer (R9.5). */
  readonly maxFetchTicks: number;
  /** The least delay before recovering what an unreachable coordinator left open (R5.9). */
  readonly suspectTicks: number;
  /** The same where the coordinator can be reached: it is slow rather than dead. */
  readonly patientTicks: number;
  /** The longest delay that refused recoveries back off to. */
  readonly maxRecoveryTicks: number;
  /** A peer that was not heard of for so long no longer keeps others from pruning (R9.2). */
  readonly silentTicks: number;
  /** How often the watermarks are told to the peers (R9.1). */
  readonly watermarkTicks: number;
  /** How long the effects of executed commands may lie in memory before they are written (R7.4). */
  readonly flushTicks: number;
}

/** In milliseconds. */
export const DEFAULT_TICK_MS = 10;

/** For ticks of 10 ms. */
export const DEFAULT_TIMING: Timing = {
  retryTicks: 20,
  maxRetryTicks: 200,
  fastPathTicks: 2,
  followerTicks: 50,
  trialTicks: 100,
  promptTicks: 2,
  promptPauseTicks: 100,
  fetchTicks: 4,
  maxFetchTicks: 100,
  suspectTicks: 10,
  patientTicks: 100,
  maxRecoveryTicks: 500,
  silentTicks: 3_000,
  watermarkTicks: 10,
  flushTicks: 500,
};

export interface Limits {
  /** Operations that wait to be proposed; beyond it `propose` refuses. */
  readonly heldOperations: number;
  /** Bytes of the operations that wait to be proposed. */
  readonly heldBytes: number;
  /** Reads without an instance that are under way (R8.1); beyond it `read` refuses. */
  readonly reads: number;
  /** Their rounds under way; beyond it reads gather for the next one. */
  readonly readRounds: number;
  /** Own instances that are not executed yet; beyond it operations are held. */
  readonly openInstances: number;
  /**
   * Own instances that write a key and are not executed yet; with fewer, what is held for the key goes at a tick
   * (R7.7). With 1 what has just missed an instance waits for two; more make components larger.
   */
  readonly interferingInstances: number;
  /** While fewer operations are in own instances that are not executed yet, those that arrive are proposed at once. */
  readonly eagerOperations: number;
  /** Operations in one instance. */
  readonly operationsPerInstance: number;
  /** Bytes of all operations in one instance, unless a single operation is larger. */
  readonly bytesPerInstance: number;
  /** So many operations of one turn make an instance each; of more of them the instances get fewer, down to one. */
  readonly instancesPerTurn: number;
  /**
   * N = 3: so many slots of the own row are reserved on disk ahead of their use, or half as many at the least (R6.4). A
   * restart leaves what was not used to be settled as no-ops. 0: none, and every PreAccept waits for its record.
   */
  readonly reservedSlots: number;
  /**
   * N = 3: with fewer own rounds than this under way, both followers are asked to answer at once (R4.5): what is written alone
   * is answered sooner, and costs one sync more where the replies differ. 0: never.
   */
  readonly promptInstances: number;
  /**
   * Instances being recovered at the same time, those not counted whose recovery waits for others (R5.7). If so many wait,
   * only what they wait for is recovered besides (R5.9).
   */
  readonly recoveries: number;
  /** Open instances of one row that a ValidateReply names (R5.10). */
  readonly contradictionsPerRow: number;
  /** Slots asked for in one Fetch, and Commits sent in answer to one. */
  readonly fetchSlots: number;
  /** Executed instances that are kept for the sake of a silent peer (R9.2). */
  readonly retainedInstances: number;
  /** The same in bytes of their operations: what takes more room keeps fewer instances. */
  readonly retainedBytes: number;
  /** Slots pruned in one turn, so that no turn gets long. */
  readonly prunedPerTurn: number;
  /** Bytes of executed operations whose effects are not written yet; with more they are written at once. */
  readonly unflushedBytes: number;
  /** The same for executed instances, which are kept until then. */
  readonly unflushedInstances: number;
  /** Steps of the executor in one turn. */
  readonly executionSteps: number;
}

export const DEFAULT_LIMITS: Limits = {
  heldOperations: 100_000,
  heldBytes: 64 * 1024 * 1024,
  reads: 100_000,
  readRounds: 256,
  openInstances: 2_048,
  interferingInstances: 2,
  eagerOperations: 256,
  operationsPerInstance: 1_000,
  bytesPerInstance: 1024 * 1024,
  instancesPerTurn: 8,
  reservedSlots: 32,
  promptInstances: 1,
  recoveries: 64,
  contradictionsPerRow: 256,
  fetchSlots: 1_024,
  retainedInstances: 50_000,
  retainedBytes: 128 * 1024 * 1024,
  prunedPerTurn: 4_096,
  unflushedBytes: 16 * 1024 * 1024,
  unflushedInstances: 4_096,
  executionSteps: 20_000,
};

export interface ReplicaOptions {
  readonly id: ReplicaId;
  /** N: 3, 5 or 7. */
  readonly replicas: number;
  /** Decides the random delays and the numbers of reads: another one for every replica and at every start. */
  readonly seed: number;
  readonly timing?: Partial<Timing>;
  /** How long a tick takes, as a rule; for comparing ticks with round trips. Defaults to 10. */
  readonly tickMs?: number;
  readonly limits?: Partial<Limits>;
  /** Proposals go to as few as can commit them, and to the others only when those fail (R3.8). Off by default. */
  readonly thrifty?: boolean;
}
