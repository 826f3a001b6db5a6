/**
 * One replica of a world: the production core, its disk, and what an observer remembers of it. It takes one input at a time
 * and makes the core's batch real at once.
 *
 * Why one input and one turn can be one step: what a batch says leaves only after its records are written, so nobody sees
 * anything between the two. A crash before the write is a crash before the input, with the message lost. A crash after the
 * write and before the messages leave is a crash after the turn, with those lost. What may leave before the write (R6.4)
 * has a step of its own: it leaves, and the replica dies. A crash between the records and the effects loses the end of what is not synced, and that is a crash of its own here. A turn that takes several inputs is
 * the same as one turn each, with fewer chances to lose something.
 */

import { advancePreAccept, answerPreAccepts, propose } from '../../src/epaxos/agreement/pre-accept.ts';
import { widen } from '../../src/epaxos/agreement/repetition.ts';
import {
  type Attributes,
  Command,
  type Envelope,
  formatInstance,
  type InstanceKey,
  type InstanceRecord,
  instanceKey,
  type Message,
  Proposal,
  type Ready,
  type Replica,
  type ReplicaId,
  Status,
} from '../../src/epaxos/index.ts';
import { recover } from '../support/recover.ts';
import { canonical, canonicalReplica } from './canonical.ts';
import { copyReplica, freeze } from './copy.ts';
import { Disk } from './disk.ts';
import type { Model } from './model.ts';
import { Violation } from './violation.ts';

/** Everything that can happen to a replica. Instances are named by their bit in the model. */
export type Input =
  | {
      readonly type: 'propose';
      /** The command's place in the world. */
      readonly command: number;
      /** N = 3: whom the coordinator finds nearest; null leaves it to the ring. */
      readonly follower: ReplicaId | null;
      /** The instances that are committed as commands somewhere at this moment, as a mask. */
      readonly before: number;
      /** The replica crashes while the record is being written, and restarts as after `crash`; null: it does not. */
      readonly dies: { readonly kept: number } | null;
    }
  | { readonly type: 'deliver'; readonly from: ReplicaId; readonly message: Message }
  /**
   * The coordinator loses patience: with those it has asked if others were left out, otherwise with the other follower if it
   * waits for that (R4.5), otherwise with the fast path.
   */
  | { readonly type: 'expire'; readonly bit: number }
  /** N = 3: the PreAccepts that waited for a tick are answered (R4.2). */
  | { readonly type: 'answer' }
  | { readonly type: 'recover'; readonly bit: number }
  /** Crash and restart; of what was not synced the first `kept` batches survive. */
  | { readonly type: 'crash'; readonly kept: number };

export interface CommittedValue {
  /** Null for the no-op. */
  readonly command: Command | null;
  readonly attributes: Attributes;
}

/** What an observer has seen of one replica. Nothing is ever taken back, by no crash. */
export interface History {
  /** By place in the world: a command that was submitted, and the instances committed before. */
  proposals: ReadonlyMap<number, number>;
  /** Mask of the instances that it opened. */
  opened: number;
  /** Two bits an instance: how often it began to recover it. */
  recoveries: number;
  crashes: number;
  /** Mask of the own instances that went slow. */
  slow: number;
  committed: ReadonlyMap<InstanceKey, CommittedValue>;
  /** Executed commands in order; one log more for each crash that took some back. */
  logs: readonly (readonly InstanceKey[])[];
}

export class Machine {
  readonly model: Model;
  readonly id: ReplicaId;
  replica: Replica;
  /** Null where no replica can crash. */
  disk: Disk | null;
  history: History;

  constructor(model: Model, id: ReplicaId) {
    this.model = model;
    this.id = id;
    this.replica = model.createReplica(id);
    this.disk = model.world.crashes > 0 ? new Disk() : null;
    this.#reserve();
    this.history = {
      proposals: new Map(),
      opened: 0,
      recoveries: 0,
      crashes: 0,
      slow: 0,
      committed: new Map(),
      logs: [[]],
    };
  }

  copy(): Machine {
    const copied = new Machine(this.model, this.id);
    copyReplica(copied.replica, this.replica);
    copied.disk = this.disk?.copy() ?? null;
    copied.history = { ...this.history };
    return copied;
  }

  /** Two machines of one replica with the same key behave alike, and an observer has seen the same of both. */
  key(): string {
    const { names } = this.model;
    const disk = this.disk === null ? '' : canonical(this.disk, names);
    return `${this.id}|${canonicalReplica(this.replica, names)}|${disk}|${canonical(this.history, names)}`;
  }

  /**
   * Takes one input and one turn.
   * @returns the messages that leave
   * @throws Violation, or whatever the core throws
   */
  apply(input: Input): Envelope[] {
    const { replica, history, model } = this;
    const { state } = replica;
    switch (input.type) {
      case 'propose':
        history.proposals = new Map(history.proposals).set(input.command, input.before);
        this.#propose(input.command, input.follower);
        if (input.dies !== null) return this.#dieWriting(input.dies.kept);
        break;
      case 'deliver':
        replica.step(input.from, input.message);
        break;
      case 'expire': {
        const round = state.rounds.get(keyOfBit(model, input.bit));
        if (round === undefined || !('widenAt' in round))
          throw new Error('only a PreAccept or Accept expires');
        if (round.widenAt !== null) {
          widen(state, round);
        } else if (round.type === 'preAccept') {
          // R4.5: the shorter of the two waits ends first.
          if (round.promptUntil !== null && round.promptUntil > state.now) round.promptUntil = state.now;
          else round.slowAt = state.now;
          advancePreAccept(state, round);
        }
        break;
      }
      case 'answer':
        answerPreAccepts(state);
        break;
      case 'recover': {
        const id = model.instances[input.bit];
        if (id === undefined) throw new Error(`no instance ${input.bit}`);
        history.recoveries += 1 << (2 * input.bit);
        recover(replica, id);
        break;
      }
      case 'crash':
        this.#restart(input.kept);
        break;
    }
    return this.#finishTurns();
  }

  #propose(command: number, follower: ReplicaId | null): void {
    const operation = this.model.operations[command];
    if (operation === undefined) throw new Error(`no command ${command}`);
    const { replica } = this;
    const peers = replica.state.peers.map(({ id }) => id);
    if (follower !== null)
      for (const peer of peers) replica.setRoundTrip(peer, peer === follower ? 1 : 1_000);
    if (this.model.world.queued) {
      if (!replica.propose(new Proposal(operation))) throw new Error('the operation was refused');
    } else {
      propose(replica.state, new Command([operation]));
    }
    for (const peer of peers) replica.setRoundTrip(peer, Number.POSITIVE_INFINITY);
  }

  /** R6.4: the first slots are reserved before anything is proposed, as in a cluster that has been up for a while. */
  #reserve(): void {
    if (this.model.world.reservedSlots === undefined) return;
    this.replica.state.outbox.sync = true;
    this.disk?.write(this.replica.takeReady(), { isSyncLate: false });
  }

  /** A turn that ends in a crash while its records are being written: of all it would send, only that which may leave early does. */
  #dieWriting(kept: number): Envelope[] {
    const ready = this.replica.takeReady();
    for (const { message } of ready.early) freeze(message);
    this.#observeEvents(ready);
    this.#restart(kept);
    return [...ready.early, ...this.#finishTurns()];
  }

  #restart(kept: number): void {
    const { disk, model, history } = this;
    if (disk === null) throw new Error('this world has no crashes');
    disk.crash(kept);
    history.crashes += 1;
    const current = history.logs.at(-1) ?? [];
    if (disk.log.length < current.length) history.logs = [...history.logs, disk.log];
    this.replica = model.createReplica(this.id);
    const records = disk.sorted();
    const { reserved } = disk;
    this.replica.restore({
      records: model.mutation?.restored?.(records, this.id) ?? records,
      pruned: null,
      reserved,
    });
    // What was reserved may be recovered like what was proposed, for others may have heard of it.
    for (const id of model.instances) {
      if (id.replica === this.id && id.slot <= reserved) history.opened |= 1 << model.bit(id);
    }
  }

  #finishTurns(): Envelope[] {
    const messages: Envelope[] = [];
    for (let turns = 0; turns === 0 || this.replica.hasReady(); turns += 1) {
      if (turns > 100) throw new Violation('assertion', `replica ${this.id} takes turns without end`);
      const ready = this.replica.takeReady();
      for (const record of ready.records) this.#observe(record);
      const leaving = [...ready.early, ...ready.messages];
      for (const { message } of leaving) freeze(message);
      this.#observeEvents(ready);
      this.#execute(ready);
      this.disk?.write(ready, { isSyncLate: this.model.mutation?.isSyncLate ?? false });
      messages.push(...leaving);
    }
    return messages;
  }

  #observe(record: InstanceRecord): void {
    const { id, status, noOp, command, attributes } = record;
    if (status < Status.committed || attributes === null) return;
    const { history } = this;
    const value = { command: noOp ? null : command, attributes };
    const earlier = history.committed.get(instanceKey(id));
    if (earlier === undefined) {
      history.committed = new Map(history.committed).set(instanceKey(id), value);
    } else if (canonical(earlier, this.model.names) !== canonical(value, this.model.names)) {
      throw new Violation(
        'agreement',
        `replica ${this.id} has committed ${formatInstance(id)} with two values`,
      );
    }
  }

  #observeEvents({ events, messages }: Ready): void {
    const { history, model } = this;
    for (const event of events) {
      if (event.type === 'proposed') history.opened |= 1 << model.bit(event.id);
      if (event.type === 'committed' && event.path === 'fast' && (history.slow >> model.bit(event.id)) & 1) {
        throw new Violation('fastAfterSlow', `${formatInstance(event.id)} went slow and was committed fast`);
      }
    }
    for (const { message } of messages) {
      if (message.type === 'accept' && message.ballot === 0) history.slow |= 1 << model.bit(message.id);
    }
  }

  #execute({ executions }: Ready): void {
    const { history } = this;
    const log = [...(history.logs.at(-1) ?? [])];
    for (const { id, command } of executions) {
      if (command === null) continue;
      if (log.includes(instanceKey(id))) {
        throw new Violation('executionOrder', `replica ${this.id} executed ${formatInstance(id)} twice`);
      }
      log.push(instanceKey(id));
    }
    if (executions.length > 0) history.logs = [...history.logs.slice(0, -1), log];
  }
}

function keyOfBit(model: Model, bit: number): InstanceKey {
  const id = model.instances[bit];
  if (id === undefined) throw new Error(`no instance ${bit}`);
  return instanceKey(id);
}
