/**
 * What is explored: a world (how many replicas, which commands, how much may go wrong), made ready for the
 * production core, and the mutation that it may be run with to prove that the checker notices.
 */
import {
  type InstanceId,
  type InstanceRecord,
  type Operation,
  Replica,
  type ReplicaId,
} from '../../src/epaxos/index.ts';
import type { KvOperation } from '../../src/kv/index.ts';
import type { Names } from './canonical.ts';

/** A command that is proposed at most once, at any moment, by one coordinator. */
export interface WorldCommand {
  readonly label: string;
  readonly at: ReplicaId;
  /** "x" writes x, "?x" reads it; "" writes everything, "?" reads it. */
  readonly key: string;
  /** A copy of the one request of its world, or the end of a generation (effects.ts). */
  readonly operation?: KvOperation;
}

/** A bounded world. The network is not bounded: see explore.ts. */
export interface World {
  readonly name: string;
  /** What it is good for, in one line. */
  readonly about: string;
  readonly replicas: 3 | 5;
  readonly commands: readonly WorldCommand[];
  /** N = 3: which follower a coordinator designates: the next in the ring, or each in turn. */
  readonly followers: 'ring' | 'any';
  /** How often recoveries may be begun, each with a new ballot, of instances that were proposed. */
  readonly recoveries: {
    readonly total: number;
    readonly perInstance: number;
    /** Who may begin one; absent: anybody. */
    readonly by?: readonly ReplicaId[];
  };
  /** How often some replica may crash and come back. */
  readonly crashes: number;
  /** False leaves out that a coordinator loses patience with the fast path, or with those it has asked (R3.8). */
  readonly timeouts: boolean;
  /** Through the queue of the coordinator, which holds back what interferes and proposes again after a no-op (R5.8, R7.7). */
  readonly queued?: boolean;
  /** So many slots are reserved ahead, and PreAccepts leave while their records are being written (R6.4). */
  readonly reservedSlots?: number;
  /**
   * With fewer own rounds than this under way both followers are asked to answer at once (R4.5); absent: never. Only where the
   * follower is the next in the ring: one that is nearer is not waited for. The pause after a vain wait is left out.
   */
  readonly promptInstances?: number;
  /** Proposals go to as few as can commit them; asking the others as well is a timeout (R3.8). */
  readonly thrifty?: boolean;
}

/** A way to break the core, or what surrounds it, at run time. */
export interface Mutation {
  readonly name: string;
  /** Wraps methods of one replica; called for each that is made. */
  readonly patch?: (replica: Replica) => void;
  /** What a restarted replica finds, of what its disk holds. */
  readonly restored?: (records: InstanceRecord[], id: ReplicaId) => InstanceRecord[];
  /** Replica 1 drops answers after the first command that it executes, whatever the order says (effects.ts). */
  readonly hasOwnClock?: boolean;
  /** Messages leave before the batch that they speak of is synced: a crash can still lose it. */
  readonly isSyncLate?: boolean;
}

/** More slots than are needed, so that a slot that was skipped or proposed again has a number. */
const SPARE_SLOTS = 1;

export class Model {
  readonly world: World;
  readonly mutation: Mutation | null;
  readonly operations: readonly Operation[];
  readonly names: Names;
  /** Every instance that can exist; an instance's place here is its bit in masks. */
  readonly instances: readonly InstanceId[];
  readonly #bits = new Map<string, number>();

  constructor(world: World, mutation: Mutation | null = null) {
    this.world = world;
    this.mutation = mutation;
    this.operations = world.commands.map(({ label, key, operation }) => ({
      ...operation,
      accesses: [{ key: key.replace('?', ''), writes: !key.startsWith('?') }],
      size: label.length,
    }));
    this.names = new Map(
      this.operations.map((operation, index) => [operation, world.commands[index]?.label ?? '']),
    );
    const instances: InstanceId[] = [];
    for (let replica = 1; replica <= world.replicas; replica += 1) {
      const own = world.commands.filter(({ at }) => at === replica).length;
      const unused = world.crashes * (world.reservedSlots ?? 0);
      const used = own * (world.queued ? 1 + world.recoveries.total : 1);
      const slots = own === 0 ? 0 : used + unused + SPARE_SLOTS;
      for (let slot = 1; slot <= slots; slot += 1) instances.push({ replica, slot });
    }
    if (instances.length > MAX_INSTANCES)
      throw new RangeError(`a world has at most ${MAX_INSTANCES} instances`);
    this.instances = instances;
    instances.forEach(({ replica, slot }, bit) => {
      this.#bits.set(`${replica}.${slot}`, bit);
    });
  }

  /** The place of an instance in `instances`. */
  bit({ replica, slot }: InstanceId): number {
    const bit = this.#bits.get(`${replica}.${slot}`);
    if (bit === undefined) throw new Error(`instance ${replica}.${slot} is not in this world`);
    return bit;
  }

  createReplica(id: ReplicaId): Replica {
    const replica = new Replica({
      id,
      replicas: this.world.replicas,
      seed: id,
      thrifty: this.world.thrifty ?? false,
      timing: { promptPauseTicks: 0 },
      limits: {
        reservedSlots: this.world.reservedSlots ?? 0,
        promptInstances: this.world.promptInstances ?? 0,
      },
    });
    for (const { id: peer } of replica.state.peers) replica.setReachable(peer, true);
    this.mutation?.patch?.(replica);
    return replica;
  }
}

/** Two bits an instance fit into one number. */
const MAX_INSTANCES = 15;
