/**
 * The baseline: Multi-Paxos with a leader that never changes, in the same loop as EPaxos. Only what an undisturbed
 * run needs: the leader holds the promises of all from the start.
 *
 * A write: the leader puts it into the next slot of its log, sends it to all while it syncs it, each syncs it and
 * accepts; with a majority's accepts (its own included) it is committed, executed in the order of the log and answered.
 *
 * A read: the leader asks all whether it still leads, and answers from its table after a majority (itself included) has said
 * so, without a place in the log. It sees all that was committed when it arrived. With a lease the leader need not ask.
 */

import { quorumsOf } from '../../src/epaxos/index.ts';
import type { KvOperation } from '../../src/kv/index.ts';
import type { SiteCount } from './regions.ts';
import type { Outgoing, Program, Request, Turn } from './site.ts';
import { Table } from './table.ts';

export type PaxosMessage =
  | { readonly type: 'accept'; readonly slot: number; readonly operation: KvOperation }
  | { readonly type: 'accepted'; readonly slot: number }
  /** Every slot up to this one is committed. */
  | { readonly type: 'committed'; readonly upTo: number }
  | { readonly type: 'confirm'; readonly round: number }
  | { readonly type: 'confirmed'; readonly round: number };

interface Entry {
  readonly operation: KvOperation;
  /** Of the client that waits, at the leader. */
  readonly request: Request | null;
  readonly accepted: Set<number>;
}

interface ReadRound {
  readonly requests: readonly Request[];
  /** What was committed when the round began is executed before any of its reads. */
  readonly confirmed: Set<number>;
}

export interface PaxosOptions {
  readonly sites: SiteCount;
  /** Indices of regions. */
  readonly at: number;
  readonly leader: number;
  readonly lease: boolean;
}

export class PaxosProgram implements Program<PaxosMessage> {
  readonly table = new Table();
  readonly #options: PaxosOptions;
  readonly #majority: number;
  readonly #log = new Map<number, Entry>();
  #lastSlot = 0;
  #committed = 0;
  #executed = 0;
  #told = 0;
  readonly #rounds = new Map<number, ReadRound>();
  #lastRound = 0;
  #arrivedReads: Request[] = [];
  #sync = false;
  #messages: Outgoing<PaxosMessage>[] = [];
  /** What is done after this turn's write and messages. */
  #effects: (() => void)[] = [];

  constructor(options: PaxosOptions) {
    this.#options = options;
    this.#majority = quorumsOf(options.sites).majority;
  }

  /** At the leader only. */
  submit(request: Request): void {
    if (request.operation.kind === 'get') {
      this.#arrivedReads.push(request);
      return;
    }
    this.#lastSlot += 1;
    const { operation } = request;
    this.#store(this.#lastSlot, { operation, request, accepted: new Set([this.#options.at]) });
    this.#broadcast({ type: 'accept', slot: this.#lastSlot, operation });
  }

  receive(from: number, message: PaxosMessage): void {
    switch (message.type) {
      case 'accept':
        this.#store(message.slot, { operation: message.operation, request: null, accepted: new Set() });
        this.#messages.push({ to: from, message: { type: 'accepted', slot: message.slot } });
        return;
      case 'accepted':
        this.#log.get(message.slot)?.accepted.add(from);
        this.#commit();
        return;
      case 'committed':
        this.#committed = message.upTo;
        return;
      case 'confirm':
        this.#messages.push({ to: from, message: { type: 'confirmed', round: message.round } });
        return;
      case 'confirmed':
        this.#confirm(from, message.round);
        return;
    }
  }

  /** The others are told what is committed, so that they execute it too. */
  tick(): void {
    if (this.#options.at !== this.#options.leader || this.#told === this.#committed) return;
    this.#told = this.#committed;
    this.#broadcast({ type: 'committed', upTo: this.#committed });
  }

  takeTurn(): Turn<PaxosMessage> | null {
    this.#startReads();
    const [sync, messages, effects] = [this.#sync, this.#messages, this.#effects];
    if (!sync && messages.length + effects.length === 0 && this.#executed === this.#committed) return null;
    this.#sync = false;
    this.#messages = [];
    this.#effects = [];
    const committed = this.#committed;
    const finish = () => {
      this.#execute(committed);
      for (const effect of effects) effect();
    };
    const isEarly = ({ message }: Outgoing<PaxosMessage>) => message.type === 'accept';
    return {
      early: messages.filter(isEarly),
      sync,
      messages: messages.filter((each) => !isEarly(each)),
      finish,
    };
  }

  #store(slot: number, entry: Entry): void {
    this.#log.set(slot, entry);
    this.#sync = true;
  }

  #broadcast(message: PaxosMessage): void {
    for (let to = 0; to < this.#options.sites; to += 1) {
      if (to !== this.#options.at) this.#messages.push({ to, message });
    }
  }

  /** In the order of the log: a slot is committed when it and all before it have a majority. */
  #commit(): void {
    for (;;) {
      const entry = this.#log.get(this.#committed + 1);
      if (entry === undefined || entry.accepted.size < this.#majority) return;
      this.#committed += 1;
    }
  }

  #execute(upTo: number): void {
    while (this.#executed < upTo) {
      const entry = this.#log.get(this.#executed + 1);
      if (entry === undefined) return; // told of it before it arrived
      this.#executed += 1;
      this.#log.delete(this.#executed);
      const [result] = this.table.apply([entry.operation]);
      entry.request?.onCommitted();
      if (result !== undefined) entry.request?.onAnswered(result);
    }
  }

  /** All that arrived in a turn share a round. */
  #startReads(): void {
    if (this.#arrivedReads.length === 0) return;
    const requests = this.#arrivedReads;
    this.#arrivedReads = [];
    if (this.#options.lease) {
      this.#effects.push(() => this.#answerReads(requests));
      return;
    }
    this.#lastRound += 1;
    this.#rounds.set(this.#lastRound, { requests, confirmed: new Set([this.#options.at]) });
    this.#broadcast({ type: 'confirm', round: this.#lastRound });
  }

  #confirm(from: number, number: number): void {
    const round = this.#rounds.get(number);
    round?.confirmed.add(from);
    if (round === undefined || round.confirmed.size < this.#majority) return;
    this.#rounds.delete(number);
    this.#effects.push(() => this.#answerReads(round.requests));
  }

  #answerReads(requests: readonly Request[]): void {
    for (const { operation, onAnswered } of requests) {
      const [result] = this.table.apply([operation]);
      if (result !== undefined) onAnswered(result);
    }
  }
}
