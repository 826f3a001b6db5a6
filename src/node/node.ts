/**
 * The loop: it makes the protocol core's batches real, in the order that keeps them safe (protocol.md
 * section 6). One turn: drain what arrived; take the core's Ready; write its records; then send its
 * messages; then execute; then answer the clients. What arrives during a turn waits for the next one:
 * that is the group commit.
 */
import type { Ready, ReplicaId } from '../epaxos/index.ts';
import { KvError, type Outcome } from '../errors.ts';
import { isReadOfOneKey, type KvOperation, type OperationResult, type ReadOperation } from '../kv/index.ts';
import { createDeferred } from '../util/deferred.ts';
import { Advancer } from './advancer.ts';
import { Applier } from './applier.ts';
import { logEvent } from './event-log.ts';
import { Inbox } from './inbox.ts';
import { InstanceLatencyCounters } from './instance-latencies.ts';
import { PathCounters } from './metrics.ts';
import type { Core, NodeOptions, NodeStatus, Restored } from './node-options.ts';
import { type Call, PendingRequests, type Request, type Waiter } from './pending.ts';
import { Pulse } from './pulse.ts';
import { Reachability } from './reachability.ts';
import { RecordWriter } from './record-writer.ts';
import { checkName } from './request-name.ts';
import { SnapshotFetcher } from './snapshot-fetcher.ts';
import { Ticker } from './ticker.ts';

type State = 'running' | 'stopping' | 'stopped' | 'failed';

export class Node {
  readonly #options: NodeOptions;
  readonly #inbox: Inbox;
  readonly #pending: PendingRequests;
  readonly #paths: PathCounters;
  readonly #latencies: InstanceLatencyCounters;
  readonly #reachability: Reachability;
  readonly #failure = createDeferred<Error>();
  readonly #stopped = createDeferred<void>();
  readonly #fetcher: SnapshotFetcher;
  readonly #pulse: Pulse;
  readonly #ticker: Ticker;
  readonly #records: RecordWriter;
  readonly #advancer: Advancer;
  #core: Core;
  #applier: Applier;
  #state: State = 'running';
  #isInstalling = false;
  #turn: 'idle' | 'scheduled' | 'running' = 'idle';
  #drainUntilMs = 0;

  constructor(options: NodeOptions) {
    const { storage, transport, clock, logger } = options;
    this.#options = options;
    this.#core = options.core;
    this.#applier = new Applier(options);
    this.#fetcher = new SnapshotFetcher({
      staging: storage.staging,
      transport,
      clock,
      logger,
      onComplete: () => this.#wake(),
      onFailure: (error) => this.fail(error),
    });
    this.#records = new RecordWriter(storage);
    this.#advancer = new Advancer(options);
    this.#inbox = new Inbox(options.limits);
    this.#paths = new PathCounters(options.id);
    this.#latencies = new InstanceLatencyCounters(options);
    this.#reachability = new Reachability(options);
    this.#pending = new PendingRequests({
      limits: options.limits,
      nowMs: options.clock.nowMs(),
      propose: (request) => {
        this.#inbox.addRequest(request);
        this.#wake();
      },
      withdraw: (request) => this.#withdraw(request),
      hasQuorum: () => this.hasQuorum(),
    });
    this.#pulse = new Pulse(options.clock.nowMs());
    this.#ticker = new Ticker({ ...options, onBeat: () => this.#onBeat() });
  }

  /** Resolves with the reason if the node fails; then it does nothing any more, and the process must end. */
  get failed(): Promise<Error> {
    return this.#failure.promise;
  }

  /** Whether a majority of replicas, this one included, can be reached now. */
  hasQuorum(): boolean {
    return this.#reachability.hasQuorum;
  }

  /** The present generation of request ids (R7.12), ≥ 1, as far as is executed. After a start it may be behind for a while. */
  get generation(): number {
    return this.#applier.sessions.generation;
  }

  /** Starts the transport and the ticks. Called once. */
  start(): void {
    const { transport, serveSnapshot } = this.#options;
    transport.start({
      onMessages: (from, messages) => {
        this.#inbox.addMessages(from, messages);
        this.#wake();
      },
      onReachable: (peer, reachable) => this.#onReachable(peer, reachable),
      onDisowned: (error) => this.fail(error),
      serveSnapshot,
    });
    this.#ticker.start();
    this.#wake();
  }

  /**
   * Takes a client's operation; it is answered after it was executed (R7.5), or fails at the deadline.
   * A write that was executed before is answered from its record (R7.6).
   * @param timeoutMs how long the caller waits, from now
   * @param waiter is told how it ends, possibly before this returns
   * @returns what {@link cancel} takes; null if it was answered at once
   * @throws KvError with the outcome notApplied if it is not taken, and then the waiter hears nothing:
   * shuttingDown, deadlineExceeded (nothing is left of the time), overloaded (also after the process stood
   * still), invalidArgument (see PendingRequests; also for an id without a generation, and for what is not for
   * clients), internal (the node has failed)
   */
  submit(operation: KvOperation, timeoutMs: number, waiter: Waiter): Call | null {
    this.#checkRunning();
    checkName(operation, this.generation);
    const nowMs = this.#options.clock.nowMs();
    if (this.#pulse.stoodStill(nowMs)) {
      throw new KvError('overloaded', 'the replica stood still and may answer late; ask again', {
        outcome: 'notApplied',
      });
    }
    const recorded = this.#applier.find(operation);
    if (recorded !== undefined) {
      waiter.answered(recorded);
      return null;
    }
    if (timeoutMs <= 0) {
      throw new KvError('deadlineExceeded', 'the deadline had passed when the request arrived', {
        outcome: 'notApplied',
      });
    }
    this.#applier.admit(operation);
    return this.#pending.add(operation, nowMs + timeoutMs, waiter);
  }

  /** The caller no longer waits: its waiter hears `cancelled`. Nothing happens if the call has ended. */
  cancel(call: Call): void {
    this.#pending.cancel(call);
  }

  /**
   * Answers a read from the table as it is, which may be behind what other replicas have answered (R8.4).
   * @throws KvError with the outcome notApplied: shuttingDown; overloaded while the table is being replaced by
   * a snapshot; limitExceeded (see KvState.read); internal (the node has failed)
   */
  readStale(operation: ReadOperation): OperationResult {
    this.#checkRunning();
    if (this.#isInstalling) {
      throw new KvError('overloaded', 'the replica is catching up; ask another one, or try again', {
        outcome: 'notApplied',
      });
    }
    return this.#applier.read(operation);
  }

  #checkRunning(): void {
    if (this.#state === 'failed') {
      throw new KvError('internal', 'the replica has failed; ask another one', { outcome: 'notApplied' });
    }
    if (this.#state !== 'running') throw shuttingDown('notApplied');
  }

  status(): NodeStatus {
    return {
      ...this.#core.status(),
      generation: this.generation,
      paths: this.#paths.counts(),
      latencies: this.#latencies.counts(),
      peers: this.#options.transport.peers(),
      pendingRequests: this.#pending.size,
      snapshot: this.#fetcher.progress,
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
    this.#reachability.set(peer, reachable);
    this.#inbox.addReachable(peer, reachable);
    this.#wake();
  }

  #onBeat(): void {
    const nowMs = this.#options.clock.nowMs();
    if (this.#pulse.beat(nowMs)) {
      this.#options.logger.warn('the process stood still: the connections to it are closed');
      this.#options.onStoodStill?.();
      this.#ticker.rouse();
    }
    // Deadlines pass also while a slow disk holds up the turn.
    this.#pending.expire(nowMs);
    this.#inbox.addTick();
    this.#wake();
    this.#stopIfDrained();
  }

  /** The one call of the core that may come between turns, and during one: it touches nothing a Ready speaks of. */
  #withdraw(request: Request): boolean {
    try {
      return this.#inbox.removeRequest(request) || this.#core.withdraw(request);
    } catch (error) {
      this.fail(error);
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
    try {
      if (this.#fetcher.isComplete) await this.#install();
      if (!this.#isActive()) return;
      const { ticked } = this.#drain();
      if (this.#core.hasReady()) await this.#perform(this.#core.takeReady());
      if (!this.#isActive()) return;
      if (ticked) await this.#records.flush();
      if (this.#applier.hasOldAnswers) await this.#applier.removeOldAnswers();
      this.#turn = 'idle';
      const isQuiet = this.#pending.size === 0 && this.#records.isEmpty && this.#core.isAtRest();
      this.#ticker.turned({ ticked, isQuiet });
      if (!this.#inbox.isEmpty || this.#hasWork()) this.#wake();
      this.#stopIfDrained();
    } catch (error) {
      this.fail(error);
    }
  }

  #hasWork(): boolean {
    return this.#core.hasReady() || this.#applier.hasOldAnswers || this.#fetcher.isComplete;
  }

  /** Between two turns: the snapshot that was copied takes the place of the state, and a new core begins from it. */
  async #install(): Promise<void> {
    const { storage, restore, logger } = this.#options;
    logger.info({ ...this.#fetcher.progress }, 'putting the snapshot of a peer in place');
    this.#isInstalling = true;
    await this.#writeAll();
    const installed = await storage.staging.install();
    this.#isInstalling = false;
    if (installed) {
      const restored = await restore();
      this.#beginAnew(restored);
      logger.info(this.#core.status(), 'going on from the snapshot of a peer');
    } else {
      logger.warn('the snapshot of a peer lacks what was executed here; another one is needed');
    }
    this.#fetcher.finished({ installed });
  }

  /** What is waited for is for the new core. What the old one had proposed is settled by recovery, maybe as a no-op. */
  #beginAnew({ core, sessions }: Restored): void {
    const before = this.#core;
    this.#core = core;
    this.#applier = new Applier({ storage: this.#options.storage, sessions });
    this.#latencies.forgetOpen();
    for (const peer of this.#reachability.peers) core.setReachable(peer, true);
    for (const request of this.#pending.requests()) {
      const isTakenBack = this.#inbox.removeRequest(request) || before.withdraw(request);
      request.mayBeApplied ||= !isTakenBack;
      const recorded = this.#applier.find(request.operation);
      if (recorded !== undefined) this.#pending.answer(request.operation, recorded);
      else if (request.mayBeProposed) this.#inbox.addRequest(request);
    }
  }

  /** Takes what has arrived. */
  #drain(): { readonly ticked: boolean } {
    const core = this.#core;
    const { clock, logger } = this.#options;
    // First, for this process may have been paused: a request past its deadline is never proposed (R7.6).
    this.#pending.expire(clock.nowMs());
    const arrived = this.#inbox.take();
    // What was slept through comes before what ended the sleep; the tick of now comes after it.
    for (let slept = 1; arrived.ticked && slept < this.#ticker.ticks; slept += 1) core.tick();
    for (const [peer, reachable] of arrived.reachable) core.setReachable(peer, reachable);
    for (const { from, message } of arrived.messages) core.step(from, message);
    for (const request of arrived.requests) {
      const { operation } = request;
      const isTaken = isReadOfOneKey(operation) ? core.read(operation) : core.propose(request);
      if (!isTaken) {
        this.#pending.fail(
          operation,
          new KvError('overloaded', 'too many requests wait to be proposed at this replica; try again', {
            outcome: request.outcomeTakenBack,
          }),
        );
      }
    }
    const { ticked, dropped } = arrived;
    if (ticked) this.#tick(this.#ticker.ticks);
    if (dropped > 0) logger.warn({ dropped }, 'messages of peers dropped: more waited than the limit allows');
    return { ticked };
  }

  #tick(ticks: number): void {
    for (const { id, roundTripMs } of this.#options.transport.peers()) {
      if (roundTripMs !== null) this.#core.setRoundTrip(id, roundTripMs);
    }
    this.#core.tick();
    this.#fetcher.tick();
    if (this.#state !== 'running') return;
    const { sessions } = this.#applier;
    this.#advancer.tick(ticks, { core: this.#core, sessions, reachable: this.#reachability.peers });
  }

  /** The order of the steps is the contract of {@link Ready}. */
  async #perform(ready: Ready): Promise<void> {
    const { transport } = this.#options;
    this.#latencies.proposed(ready.events);
    const written = this.#records.write(ready);
    if (ready.early.length > 0) transport.send(ready.early);
    if (written !== null) {
      await written;
      if (this.#state === 'failed') return;
    }
    this.#latencies.committed(ready.events);
    if (ready.messages.length > 0) transport.send(ready.messages);
    this.#applier.execute(ready, this.#pending);
    this.#latencies.executed(ready.executions);
    if (ready.flush || ready.pruned !== null) {
      await this.#records.flush(); // before the marks that speak of them
      await this.#applier.write(ready);
    }
    if (ready.snapshotFrom !== null) this.#fetcher.wanted(ready.snapshotFrom);
    this.#paths.count(ready.events);
    for (const event of ready.events) logEvent(this.#options.logger, event);
  }

  /** Writes what lies in memory only. */
  async #writeAll(): Promise<void> {
    await this.#records.flush();
    await this.#applier.flush();
  }

  #stopIfDrained(): void {
    if (this.#state !== 'stopping' || this.#turn === 'running') return;
    if (this.#pending.size > 0 && this.#options.clock.nowMs() < this.#drainUntilMs) return;
    this.#state = 'stopped';
    this.#ticker.stop();
    this.#pending.failAll(shuttingDown);
    this.#fetcher.stop();
    // So that nothing needs to be executed again at the next start. Nothing is lost without it (R7.4).
    this.#writeAll()
      .catch((error: unknown) => this.#options.logger.error({ err: error }, 'effects could not be written'))
      .finally(() => this.#stopped.resolve());
  }

  /** The end: a store that is damaged or cannot be written to, or a bug. Nothing may happen after it. */
  fail(reason: unknown): void {
    if (this.#state === 'failed') return;
    const error = reason instanceof Error ? reason : new Error(String(reason));
    this.#state = 'failed';
    this.#ticker.stop();
    this.#options.logger.fatal({ err: error }, 'the replica cannot go on');
    const code = error instanceof KvError ? error.code : 'internal';
    this.#pending.abandon(
      (outcome) => new KvError(code, `the replica failed: ${error.message}`, { outcome, cause: error }),
    );
    this.#failure.resolve(error);
    this.#fetcher.stop();
    this.#stopped.resolve();
  }
}

function shuttingDown(outcome: Outcome): KvError {
  return new KvError('shuttingDown', 'the replica is stopping; ask another one', { outcome });
}
