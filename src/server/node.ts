/**
 * The loop: it makes the protocol core's batches real, in the order that keeps them safe (protocol.md
 * section 6). One turn: drain what arrived; take the core's Ready; write its records; then send its
 * messages; then execute; then answer the clients. What arrives during a turn waits for the next one:
 * that is the group commit.
 */
import { quorumsOf, type Ready, type Replica, type ReplicaId, type ReplicaStatus } from '../epaxos/index.ts';
import { KvError, type Outcome } from '../errors.ts';
import {
  applyOperations,
  asKvOperation,
  type KvOperation,
  type OperationResult,
  type Sessions,
  type StateView,
} from '../kv/index.ts';
import type { Storage } from '../storage/index.ts';
import type { PeerStatus, Transport } from '../transport/index.ts';
import { createDeferred } from '../util/deferred.ts';
import type { Clock } from './clock.ts';
import { Inbox, type InboxLimits } from './inbox.ts';
import type { Logger } from './logger.ts';
import { PathCounters, type PathCounts } from './metrics.ts';
import { type Call, type PendingLimits, PendingRequests } from './pending.ts';

/** What the loop drives; restored before it is handed over. */
export type Core = Pick<
  Replica,
  | 'propose'
  | 'read'
  | 'withdraw'
  | 'step'
  | 'tick'
  | 'setReachable'
  | 'setRoundTrip'
  | 'hasReady'
  | 'takeReady'
  | 'status'
>;

export interface NodeOptions {
  readonly id: ReplicaId;
  /** N. */
  readonly replicas: number;
  readonly core: Core;
  readonly storage: Storage;
  readonly transport: Transport;
  /** The answers that the store holds; the node adds to them. */
  readonly sessions: Sessions;
  readonly clock: Clock;
  /** The period of the core's ticks, in milliseconds; deadlines are checked at the same time. */
  readonly tickMs: number;
  readonly limits: PendingLimits & InboxLimits;
  readonly logger: Logger;
  /** Called when a majority of replicas comes into reach or goes out of it; out of reach at the start. */
  readonly onQuorum?: (reachable: boolean) => void;
}

/** How a replica is doing, as it sees it. */
export interface NodeStatus extends ReplicaStatus {
  readonly paths: PathCounts;
  readonly peers: readonly PeerStatus[];
  /** Calls of clients that wait for their answer. */
  readonly pendingRequests: number;
}

type State = 'running' | 'stopping' | 'stopped' | 'failed';

export class Node {
  readonly #options: NodeOptions;
  readonly #inbox: Inbox;
  readonly #pending: PendingRequests;
  readonly #paths: PathCounters;
  readonly #reachable = new Set<ReplicaId>();
  readonly #majority: number;
  readonly #failure = createDeferred<Error>();
  readonly #stopped = createDeferred<void>();
  #state: State = 'running';
  #stopTicking: () => void = () => {};
  #turn: 'idle' | 'scheduled' | 'running' = 'idle';
  #drainUntilMs = 0;
  #droppedLogged = 0;

  constructor(options: NodeOptions) {
    this.#options = options;
    this.#inbox = new Inbox(options.limits);
    this.#paths = new PathCounters(options.id);
    this.#majority = quorumsOf(options.replicas).majority;
    this.#pending = new PendingRequests({
      limits: options.limits,
      nowMs: options.clock.nowMs(),
      withdraw: (operation) => this.#withdraw(operation),
      hasQuorum: () => this.hasQuorum(),
    });
  }

  /** Resolves with the reason if the node fails; then it does nothing any more, and the process must end. */
  get failed(): Promise<Error> {
    return this.#failure.promise;
  }

  /** Whether a majority of replicas, this one included, can be reached now. */
  hasQuorum(): boolean {
    return this.#reachable.size + 1 >= this.#majority;
  }

  /** Starts the transport and the ticks. Called once. */
  start(): void {
    const { clock, tickMs, transport } = this.#options;
    transport.start({
      onMessages: (from, messages) => {
        this.#inbox.addMessages(from, messages);
        this.#wake();
      },
      onReachable: (peer, reachable) => this.#onReachable(peer, reachable),
    });
    this.#stopTicking = clock.every(tickMs, () => this.#onTick());
    this.#wake();
  }

  /**
   * Takes a client's operation; it is answered after it was executed (R7.5), or fails at the deadline.
   * A write that was executed before is answered from its record (R7.6).
   * @param timeoutMs how long the caller waits, from now
   * @throws KvError with the outcome notApplied if it is not taken: shuttingDown, deadlineExceeded (nothing
   * is left of the time), overloaded, invalidArgument (see PendingRequests), internal (the node has failed)
   */
  submit(operation: KvOperation, timeoutMs: number): Call {
    if (this.#state === 'failed') {
      throw new KvError('internal', 'the replica has failed; ask another one', { outcome: 'notApplied' });
    }
    if (this.#state !== 'running') throw shuttingDown('notApplied');
    const recorded = operation.kind === 'get' ? undefined : this.#options.sessions.find(operation.request);
    if (recorded !== undefined) return { result: Promise.resolve(recorded), cancel: () => {} };
    if (timeoutMs <= 0) {
      throw new KvError('deadlineExceeded', 'the deadline had passed when the request arrived', {
        outcome: 'notApplied',
      });
    }
    const { call, isNew } = this.#pending.add(operation, this.#options.clock.nowMs() + timeoutMs);
    if (isNew) {
      this.#inbox.addOperation(operation);
      this.#wake();
    }
    return call;
  }

  status(): NodeStatus {
    return {
      ...this.#options.core.status(),
      paths: this.#paths.counts(),
      peers: this.#options.transport.peers(),
      pendingRequests: this.#pending.size,
    };
  }

  /**
   * Takes no new requests, waits up to `drainMs` for those that wait, ends the others with shuttingDown,
   * and stops after the turn that is under way. The ports stay open: they are their owner's.
   */
  stop(drainMs: number): Promise<void> {
    if (this.#state === 'running') {
      this.#state = 'stopping';
      this.#drainUntilMs = this.#options.clock.nowMs() + drainMs;
      this.#stopIfDrained();
    }
    return this.#stopped.promise;
  }

  #onReachable(peer: ReplicaId, reachable: boolean): void {
    const before = this.hasQuorum();
    if (reachable) this.#reachable.add(peer);
    else this.#reachable.delete(peer);
    const after = this.hasQuorum();
    this.#options.logger.info({ peer, reachable }, 'peer changed');
    if (before !== after) {
      if (after) this.#options.logger.info('a majority of replicas is reachable');
      else this.#options.logger.warn('a majority of replicas is not reachable: nothing can be committed');
      this.#options.onQuorum?.(after);
    }
    this.#inbox.addReachable(peer, reachable);
    this.#wake();
  }

  #onTick(): void {
    // Deadlines pass also while a slow disk holds up the turn.
    this.#pending.expire(this.#options.clock.nowMs());
    this.#inbox.addTick();
    this.#wake();
    this.#stopIfDrained();
  }

  /** The one call of the core that may come between turns, and during one: it touches nothing a Ready speaks of. */
  #withdraw(operation: KvOperation): boolean {
    try {
      return this.#inbox.removeOperation(operation) || this.#options.core.withdraw(operation);
    } catch (error) {
      this.#fail(error);
      return false;
    }
  }

  #wake(): void {
    if (this.#turn !== 'idle' || !this.#isActive()) return;
    this.#turn = 'scheduled';
    this.#options.clock.soon(() => void this.#runTurn());
  }

  #isActive(): boolean {
    return this.#state === 'running' || this.#state === 'stopping';
  }

  async #runTurn(): Promise<void> {
    if (!this.#isActive()) return;
    this.#turn = 'running';
    const { core } = this.#options;
    try {
      this.#drain();
      if (core.hasReady()) await this.#perform(core.takeReady());
      this.#turn = 'idle';
      if (!this.#inbox.isEmpty || core.hasReady()) this.#wake();
      this.#stopIfDrained();
    } catch (error) {
      this.#fail(error);
    }
  }

  #drain(): void {
    const { core } = this.#options;
    const arrived = this.#inbox.take();
    for (const [peer, reachable] of arrived.reachable) core.setReachable(peer, reachable);
    for (const { from, message } of arrived.messages) core.step(from, message);
    for (const operation of arrived.operations) {
      const isTaken = operation.kind === 'get' ? core.read(operation) : core.propose(operation);
      if (!isTaken) {
        this.#pending.fail(
          operation,
          new KvError('overloaded', 'too many requests wait to be proposed at this replica; try again', {
            outcome: 'notApplied',
          }),
        );
      }
    }
    if (arrived.ticked) this.#tick();
    this.#logDropped();
  }

  #tick(): void {
    const { core, transport } = this.#options;
    for (const { id, roundTripMs } of transport.peers()) {
      if (roundTripMs !== null) core.setRoundTrip(id, roundTripMs);
    }
    core.tick();
  }

  /** The order of the steps is the contract of {@link Ready}. */
  async #perform(ready: Ready): Promise<void> {
    const { storage, transport } = this.#options;
    if (ready.records.length > 0 || ready.sync) {
      await storage.writeRecords(ready.records, { sync: ready.sync });
      if (this.#state === 'failed') return;
    }
    if (ready.messages.length > 0) transport.send(ready.messages);
    if (ready.executions.length > 0) await this.#execute(ready);
    if (ready.reads.length > 0) this.#answerReads(ready);
    this.#paths.count(ready.events);
    for (const event of ready.events) {
      if (event.type === 'recoveryStarted') this.#options.logger.debug(event, 'recovery started');
    }
  }

  async #execute({ executions }: Ready): Promise<void> {
    const { storage, sessions } = this.#options;
    const operations = executions.flatMap(({ command }) => command?.operations.map(asKvOperation) ?? []);
    const { results, rows, answers } = applyOperations(this.#view(), operations);
    await storage.writeEffects({ rows, answers, executed: executions.map(({ id }) => id) });
    sessions.record(answers);
    this.#answer(operations, results);
  }

  /** R8.1: what the reads waited for is executed, so the table has it. */
  #answerReads({ reads }: Ready): void {
    const operations = reads.map(asKvOperation);
    const { results } = applyOperations(this.#view(), operations);
    this.#answer(operations, results);
  }

  #view(): StateView {
    const { storage, sessions } = this.#options;
    return { row: (key) => storage.row(key), sessions };
  }

  #answer(operations: readonly KvOperation[], results: readonly OperationResult[]): void {
    results.forEach((result, index) => {
      const operation = operations[index];
      if (operation !== undefined) this.#pending.answer(operation, result);
    });
  }

  #logDropped(): void {
    const { dropped } = this.#inbox;
    if (dropped === this.#droppedLogged) return;
    this.#options.logger.warn({ dropped }, 'messages of peers dropped: more waited than the limit allows');
    this.#droppedLogged = dropped;
  }

  #stopIfDrained(): void {
    if (this.#state !== 'stopping' || this.#turn === 'running') return;
    if (this.#pending.size > 0 && this.#options.clock.nowMs() < this.#drainUntilMs) return;
    this.#state = 'stopped';
    this.#stopTicking();
    this.#pending.failAll(shuttingDown);
    this.#stopped.resolve();
  }

  /** The end: a store that cannot be written to, or a bug. Nothing may happen after it. */
  #fail(reason: unknown): void {
    if (this.#state === 'failed') return;
    const error = reason instanceof Error ? reason : new Error(String(reason));
    this.#state = 'failed';
    this.#stopTicking();
    this.#options.logger.fatal({ err: error }, 'the replica cannot go on');
    const code = error instanceof KvError ? error.code : 'internal';
    this.#pending.abandon(
      new KvError(code, `the replica failed: ${error.message}`, { outcome: 'unknown', cause: error }),
    );
    this.#failure.resolve(error);
    this.#stopped.resolve();
  }
}

function shuttingDown(outcome: Outcome): KvError {
  return new KvError('shuttingDown', 'the replica is stopping; ask another one', { outcome });
}
