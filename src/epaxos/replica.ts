/**
 * One replica of EPaxos: turns operations, messages and ticks into `Ready` batches. Synchronous and
 * deterministic: the same inputs in the same order give the same outputs. Whoever runs it (the server's
 * loop, the simulator, the model checker) owns the sockets, the disk and the clock.
 */
import { assertNever } from '../util/assert.ts';
import { onAccept, onAcceptReply } from './agreement/accept.ts';
import { onCommit } from './agreement/commit.ts';
import { isPlausible, mayOpen, slotWindow } from './agreement/plausible.ts';
import {
  advancePreAccept,
  answerPreAccepts,
  onPreAccept,
  onPreAcceptReply,
  propose,
} from './agreement/pre-accept.ts';
import type { Proposal } from './agreement/proposal.ts';
import { Proposer } from './agreement/proposer.ts';
import { onPrepare, onPrepareReply } from './agreement/recovery.ts';
import { tickRound, widenWithout } from './agreement/repetition.ts';
import { mayComeFrom } from './agreement/senders.ts';
import { ReplicaState } from './agreement/state.ts';
import { advanceWaiting, onValidate, onValidateReply, onWaiting } from './agreement/validate.ts';
import { Dependencies } from './execution/dependencies.ts';
import {
  addRead,
  canStartReads,
  onReaderLost,
  onReadReply,
  onReadRequest,
  startReads,
  tickReads,
  withdrawRead,
} from './execution/read-barrier.ts';
import { Command } from './model/command.ts';
import { isCommitted } from './model/instance-space.ts';
import type { Message } from './model/messages.ts';
import type { Operation } from './model/operation.ts';
import type { ReplicaOptions } from './model/options.ts';
import type { Pruned, Ready } from './model/ready.ts';
import type { InstanceRecord, ReplicaId, Slot } from './model/types.ts';
import { advanceCatchUp, broadcastWatermarks, onFetch, onWatermarks } from './progress/catch-up.ts';
import { noteReachable, noteReceived, tickPeers } from './progress/peers.ts';
import { advancePruning, ownWatermarks } from './progress/pruning.ts';
import { onPeerFound, onPeerLost } from './progress/stalls.ts';
import { tickSuspicion } from './progress/suspicion.ts';

/** How far one row has come at this replica. */
export interface RowProgress {
  readonly replica: ReplicaId;
  /** Every slot up to this one is committed here. */
  readonly committed: Slot;
  readonly executed: Slot;
  /** The highest slot of which anything is known. */
  readonly highest: Slot;
  /** Every slot up to this one is forgotten here (R9.2). */
  readonly pruned: Slot;
}

export interface ReplicaStatus {
  readonly rows: readonly RowProgress[];
  /** Own instances that are not executed yet. */
  readonly openInstances: number;
  /** Operations that wait to be proposed. */
  readonly waitingOperations: number;
  /** Committed instances that wait for what they depend on. */
  readonly blockedInstances: number;
}

/** What a replica finds in its store when it starts. */
export interface StoredState {
  readonly records: Iterable<InstanceRecord>;
  /** What was forgotten before; no record at or below it is among `records`. Null for nothing. */
  readonly pruned: Pruned | null;
  /** The last slot of the own row that was reserved (R6.4); 0 for none. */
  readonly reserved: Slot;
}

export class Replica {
  readonly state: ReplicaState;
  readonly proposer: Proposer;
  private readonly dependencies: Dependencies;

  /** @throws AssertionError for an id or a cluster size that cannot be */
  constructor(options: ReplicaOptions) {
    this.state = new ReplicaState(options);
    this.dependencies = new Dependencies(this.state);
    this.proposer = new Proposer(this.state.limits, this.state.index);
  }

  /** What the store holds; to be called once, before anything else. */
  restore(stored: StoredState): void {
    const { state } = this;
    if (stored.pruned !== null) {
      state.space.startAfter(stored.pruned.pruned);
      state.index.floor = stored.pruned.floor;
    }
    for (const record of stored.records) state.restore(record);
    this.resume(stored.reserved);
    this.followUp();
    // Nothing counts as executed on disk before the next flush, and a sync after it: what a killed process wrote may
    // not be there yet, and the marks of no-ops that were found committed here are only now on their way.
    state.unflushed = true;
  }

  /**
   * The own row after a restart. A coordinator settles what it left open: going on at ballot 0 would bring commands to
   * life whose callers gave up long ago; recovery commits only what another replica knows too (R6.8).
   * R6.4: so it does with what was reserved, of which a crash may have taken the records. Those slots are not used again, and
   * whatever this replica contributes to from now on comes after them.
   */
  private resume(reserved: Slot): void {
    const { state } = this;
    const own = state.space.row(state.id);
    state.space.reserve({ replica: state.id, slot: reserved });
    // What lies farther on the store may have been told by a peer that was mistaken (R3.13): it was never proposed.
    const last = Math.max(reserved, Math.min(own.highest, own.committed + slotWindow(state.limits)));
    for (let slot = own.committed + 1; slot <= last; slot += 1) {
      const id = { replica: state.id, slot };
      if (!isCommitted(state.space.get(id))) state.leaveUnsettled(id);
    }
    state.reserved = reserved;
    state.nextSlot = Math.max(own.pruned, reserved) + 1;
    const { floor } = state.index;
    state.index.floor = floor.with(state.id - 1, Math.max(floor[state.id - 1] ?? 0, reserved));
  }

  /**
   * Takes an operation. It is proposed at the next `takeReady`, or held for one of its keys, or until more have
   * gathered (R7.7). False if too much is held already; then nothing was done.
   */
  propose(proposal: Proposal): boolean {
    return this.proposer.add(proposal);
  }

  /**
   * Takes an operation that reads one key; it is answered, without an instance, in `Ready.reads` (R8.1).
   * False if too many are under way; then nothing was done.
   */
  read(operation: Operation): boolean {
    return addRead(this.state, operation);
  }

  /**
   * Takes back an operation that was handed to {@link propose} or {@link read}. True: it never will be proposed, so it has no
   * effect. False: it is in an instance, and may take effect at any time. A read is always taken back.
   */
  withdraw(proposal: Proposal): boolean {
    return withdrawRead(this.state, proposal.operation) || this.proposer.withdraw(proposal);
  }

  /** A message from a peer has arrived. What it has no right to say (R3.11), or cannot know (R3.13), is ignored. */
  step(from: ReplicaId, message: Message): void {
    const { state } = this;
    if (!mayComeFrom(from, message, state.quorums.replicas)) return;
    if (!isPlausible(state, from, message)) {
      state.outbox.events.push({ type: 'disbelieved', from, message: message.type });
      return;
    }
    noteReceived(state, state.peer(from), message);
    if (isAboutPruned(state, message)) {
      // Old news, or somebody so far behind that only a snapshot helps: it will know by these.
      if (isRequest(message)) state.send(from, ownWatermarks(state));
      return;
    }
    this.handle(from, message);
    this.followUp();
  }

  /** A unit of time has passed. */
  tick(): void {
    const { state } = this;
    state.now += 1;
    for (const peer of tickPeers(state)) this.goOnWithout(peer.id);
    for (const round of [...state.rounds.values()]) tickRound(state, round);
    tickReads(state);
    tickSuspicion(state);
    advanceCatchUp(state);
    answerPreAccepts(state);
    this.proposer.tick();
    if (state.now % state.timing.flushTicks === 0) state.flush();
    if (state.now % state.timing.watermarkTicks === 0) broadcastWatermarks(state);
    this.followUp();
    advancePruning(state);
  }

  /** Whether a peer answers; to be told at every change. No peer is taken to be reachable at the start. */
  setReachable(id: ReplicaId, reachable: boolean): void {
    const peer = this.state.peer(id);
    if (peer.reachable === reachable) return;
    noteReachable(peer, reachable);
    if (reachable) return onPeerFound(this.state);
    onPeerLost(this.state, id);
    this.goOnWithout(id);
    this.followUp();
  }

  /** A measured round trip, so that the nearest follower can be designated (R4.1). */
  setRoundTrip(id: ReplicaId, milliseconds: number): void {
    this.state.peer(id).roundTripMs = milliseconds;
  }

  /** True if `takeReady` has something to give, or work left to do. */
  hasReady(): boolean {
    const { outbox, executor } = this.state;
    return (
      !outbox.isEmpty ||
      (this.proposer.hasWork && mayOpen(this.state)) ||
      canStartReads(this.state) ||
      executor.hasWork
    );
  }

  /**
   * True if nothing is under way here that time moves on. Ticks then do nothing but tell the peers how far this replica
   * is, have effects written, and forget; until something arrives it does not matter when they come.
   */
  isAtRest(): boolean {
    const { rounds, reads, progress, unanswered, executor, space } = this.state;
    const { lags, unsettled } = progress;
    const { open, waitingOperations } = this.proposer;
    const groups = [rounds, reads.wanted, lags, unanswered, unsettled, open];
    return (
      groups.every(({ size }) => size === 0) &&
      waitingOperations + executor.blocked === 0 &&
      space.rows.every(({ committed, highest }) => committed === highest)
    );
  }

  /** Proposes what can be proposed, executes a slice, and hands over what must be done. */
  takeReady(): Ready {
    const { state } = this;
    this.followUp();
    for (const batch of mayOpen(state) ? this.proposer.takeBatches() : []) {
      const command = new Command(batch.operations);
      state.index.expect(command, batch.touches);
      this.proposer.opened(propose(state, command), batch);
    }
    startReads(state);
    advanceCatchUp(state);
    state.execute(this.dependencies);
    this.followUp();
    return state.takeOutbox();
  }

  status(): ReplicaStatus {
    return {
      rows: this.state.space.rows.map(({ committed, executed, highest, pruned }, index) => ({
        replica: index + 1,
        committed,
        executed,
        highest,
        pruned,
      })),
      openInstances: this.proposer.open.size,
      waitingOperations: this.proposer.waitingOperations,
      blockedInstances: this.state.executor.blocked - this.state.reads.nodes.size,
    };
  }

  private handle(from: ReplicaId, message: Message): void {
    const { state } = this;
    switch (message.type) {
      case 'preAccept':
        return onPreAccept(state, from, message);
      case 'preAcceptReply':
        return onPreAcceptReply(state, from, message);
      case 'accept':
        return onAccept(state, from, message);
      case 'acceptReply':
        return onAcceptReply(state, from, message);
      case 'commit':
        return onCommit(state, from, message);
      case 'prepare':
        return onPrepare(state, from, message);
      case 'prepareReply':
        return onPrepareReply(state, from, message);
      case 'validate':
        return onValidate(state, from, message);
      case 'validateReply':
        return onValidateReply(state, from, message);
      case 'waiting':
        return onWaiting(state, from, message);
      case 'fetch':
        return onFetch(state, from, message);
      case 'watermarks':
        return onWatermarks(state, from, message);
      case 'readRequest':
        return onReadRequest(state, from, message);
      case 'readReply':
        return onReadReply(state, from, message);
      default:
        return assertNever(message, 'message');
    }
  }

  /** A peer is not counted on any more, or cannot be reached: what waits for it tries without. */
  private goOnWithout(id: ReplicaId): void {
    onReaderLost(this.state);
    for (const round of [...this.state.rounds.values()]) {
      if (round.type === 'preAccept') advancePreAccept(this.state, round);
      widenWithout(this.state, round, id);
    }
  }

  /**
   * What the commits and executions since the last call set off: done at the end of every input, and of the execution, and
   * nowhere else.
   */
  private followUp(): void {
    const { state } = this;
    const { commits, executed } = state.takeNews();
    for (const { id, noOp } of executed) {
      // R5.8: a no-op has no effect, so what it displaced can be proposed again, and never happens twice.
      if (this.proposer.closed(id, { again: noOp })) state.outbox.events.push({ type: 'reproposed', id });
    }
    if (commits > 0) advanceWaiting(state);
  }
}

function isAboutPruned(state: ReplicaState, message: Message): boolean {
  if (message.type === 'prepareReply') return state.space.isPruned(message.record.id);
  return 'id' in message && state.space.isPruned(message.id);
}

/** True for what a coordinator sends and awaits an answer to. */
function isRequest({ type }: Message): boolean {
  return type === 'preAccept' || type === 'accept' || type === 'prepare' || type === 'validate';
}
