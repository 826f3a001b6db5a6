/** One replica that reads without an instance (R8.1), in the hands of a test, with peers that the test plays. */
import { expect } from 'vitest';
import {
  type Deps,
  type Limits,
  type Operation,
  Proposal,
  type ReadRequest,
  Replica,
  type ReplicaId,
  type Timing,
} from '../../src/epaxos/index.ts';
import { commandOf, put } from './core-operations.ts';

interface ReaderOptions {
  readonly replicas?: number;
  readonly seed?: number;
  readonly limits?: Partial<Limits>;
  readonly timing?: Partial<Timing>;
}

/** Replica 1 alone. Its peers can be reached, the nearer the smaller their ids. */
export class CoreReader {
  readonly replica: Replica;
  readonly replicas: number;

  constructor({ replicas = 3, seed = 1, ...options }: ReaderOptions = {}) {
    this.replicas = replicas;
    this.replica = new Replica({ id: 1, replicas, seed, ...options });
    for (const { id } of this.replica.state.peers) {
      this.replica.setReachable(id, true);
      this.replica.setRoundTrip(id, 100 * id);
    }
  }

  /** Begins a round for one read. */
  begin(operation: Operation): ReadRequest {
    this.read(operation);
    return this.onlyRequest();
  }

  read(...operations: Operation[]): void {
    for (const operation of operations) expect(this.replica.read(operation)).toBe(true);
  }

  withdraw(operation: Operation): void {
    expect(this.replica.withdraw(new Proposal(operation))).toBe(true);
  }

  /** What one turn asks, and whom. */
  requests(): { readonly to: ReplicaId; readonly message: ReadRequest }[] {
    if (!this.replica.hasReady()) return [];
    const { messages, reads } = this.replica.takeReady();
    expect(reads).toEqual([]);
    return messages.flatMap(({ to, message }) => (message.type === 'readRequest' ? [{ to, message }] : []));
  }

  /** The one request of a turn, whoever it goes to. */
  onlyRequest(): ReadRequest {
    const [first, ...others] = this.requests();
    if (first === undefined) throw new Error('nobody is asked');
    for (const { message } of others) expect(message).toEqual(first.message);
    return first.message;
  }

  /** A peer answers; without deps, that it knows of no write. */
  reply(
    from: ReplicaId,
    { sequence, keys }: ReadRequest,
    deps: readonly Deps[] = keys.map(() => this.none),
  ): void {
    this.replica.step(from, { type: 'readReply', sequence, deps });
  }

  /** What can be answered now. */
  answered(): readonly Operation[] {
    return this.replica.hasReady() ? this.replica.takeReady().reads : [];
  }

  tick(count: number): void {
    for (let tick = 0; tick < count; tick += 1) this.replica.tick();
  }

  /** What a slot of replica 2 does, a write of x unless told, becomes known here, or committed. */
  learn(status: 'preAccepted' | 'committed', slot = 1, operation = put('w', 'x')): void {
    const id = { replica: 2, slot };
    const command = commandOf(operation);
    const attributes = { seq: 1, deps: this.none };
    if (status === 'committed') this.replica.step(2, { type: 'commit', id, command, attributes });
    else this.replica.step(2, { type: 'preAccept', id, command, attributes, follower: 1, prompt: false });
    this.replica.takeReady();
  }

  get none(): Deps {
    return new Array<number>(this.replicas).fill(0);
  }

  /** Everything that the core may keep of reads. */
  kept(): Record<string, number> {
    const { reads, executor } = this.replica.state;
    return {
      wanted: reads.wanted.size,
      arrived: reads.arrived.size,
      rounds: reads.rounds.size,
      waiting: reads.nodes.size,
      blocked: executor.blocked,
      components: executor.components.size,
      parked: executor.parked.size,
      forest: executor.forest.nodes.size,
    };
  }
}

/** What `kept` says when no read is under way, and nothing else either. */
export const NOTHING = {
  wanted: 0,
  arrived: 0,
  rounds: 0,
  waiting: 0,
  blocked: 0,
  components: 0,
  parked: 0,
  forest: 0,
};
