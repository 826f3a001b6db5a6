/**
 * Every state that one replica can be in, numbered, with the messages it has sent; and where each input leads from it,
 * computed by the production core once and remembered.
 *
 * A replica is deterministic: where it goes depends on its own state and the input alone. So the world's state is one
 * number for each replica, and most steps of the search are a look into a table: the core runs some hundred thousand
 * times where the search takes hundreds of millions of steps.
 */
import type { Envelope, Message, ReplicaId } from '../../src/epaxos/index.ts';
import { canonical } from './canonical.ts';
import { type Input, Machine } from './machine.ts';
import type { Model } from './model.ts';
import { type Move, moveCode, type Summary, summarize } from './moves.ts';
import type { Facts } from './properties.ts';

/** A message that was sent to one replica at some time. */
export interface Mail {
  readonly from: ReplicaId;
  readonly message: Message;
}

export interface LocalState {
  readonly machine: Machine;
  readonly summary: Summary;
  /** By receiver: the messages sent so far, as ascending numbers in that receiver's mail. */
  readonly sent: readonly Int32Array[];
  /** Where a message leads, by its number: the state's number + 1, or 0 for not computed yet. */
  readonly next: number[];
  /** Where moves lead, by their codes. */
  readonly moves: Map<number, { readonly input: Move; readonly next: number }>;
  /** The number of what properties speak of. */
  readonly facts: number;
}

export class LocalStates {
  readonly model: Model;
  readonly states: LocalState[] = [];
  readonly facts: Facts[] = [];
  /** How often the core took an input. */
  steps = 0;
  #spare: { readonly of: number; readonly machine: Machine } | null = null;
  /** By receiver. */
  readonly #mail: Mail[][];
  readonly #mailNumbers: Map<string, number>[];
  readonly #numbers = new Map<string, number>();
  readonly #factNumbers = new Map<string, number>();

  constructor(model: Model) {
    this.model = model;
    this.#mail = Array.from({ length: model.world.replicas + 1 }, () => []);
    this.#mailNumbers = this.#mail.map(() => new Map());
  }

  /** The number of a replica's first state. */
  start(id: ReplicaId): number {
    const nothing = this.#mail.map(() => new Int32Array());
    return this.#intern(new Machine(this.model, id), nothing);
  }

  state(number: number): LocalState {
    const state = this.states[number];
    if (state === undefined) throw new RangeError(`no local state ${number}`);
    return state;
  }

  mail(to: ReplicaId, number: number): Mail {
    const mail = this.#mail[to]?.[number];
    if (mail === undefined) throw new RangeError(`no message ${number} to replica ${to}`);
    return mail;
  }

  /** Where a message leads. */
  deliver(from: number, mail: number): number {
    const state = this.state(from);
    const known = state.next[mail];
    if (known !== undefined && known !== 0) return known - 1;
    const next = this.#step(from, { type: 'deliver', ...this.mail(state.machine.id, mail) });
    while (state.next.length <= mail) state.next.push(0);
    state.next[mail] = next + 1;
    return next;
  }

  /** Where anything else leads. */
  move(from: number, input: Move): number {
    const { moves } = this.state(from);
    const code = moveCode(input);
    const known = moves.get(code);
    if (known !== undefined) return known.next;
    const next = this.#step(from, input);
    moves.set(code, { input, next });
    return next;
  }

  /** A move that leads from one state to another and was tried; null for none. */
  moveBetween(from: number, after: number): Move | null {
    for (const { input, next } of this.state(from).moves.values()) if (next === after) return input;
    return null;
  }

  #step(from: number, input: Input): number {
    const state = this.state(from);
    const machine = this.#takeCopy(from);
    const messages = machine.apply(input);
    this.steps += 1;
    const after = this.#intern(machine, this.#send(machine.id, state.sent, messages));
    if (after === from) this.#spare = { of: from, machine };
    return after;
  }

  /** An input that changed nothing leaves its copy for the next one. */
  #takeCopy(of: number): Machine {
    const spare = this.#spare;
    this.#spare = null;
    return spare?.of === of ? spare.machine : this.state(of).machine.copy();
  }

  #send(from: ReplicaId, sent: readonly Int32Array[], envelopes: readonly Envelope[]): readonly Int32Array[] {
    if (envelopes.length === 0) return sent;
    const all = sent.map((numbers) => new Set(numbers));
    for (const { to, message } of envelopes) all[to]?.add(this.#number(to, { from, message }));
    return all.map((numbers) => Int32Array.from(numbers).sort());
  }

  #number(to: ReplicaId, mail: Mail): number {
    const list = this.#mail[to];
    const numbers = this.#mailNumbers[to];
    if (list === undefined || numbers === undefined) throw new RangeError(`no replica ${to}`);
    const key = `${mail.from}>${canonical(mail.message, this.model.names)}`;
    let number = numbers.get(key);
    if (number === undefined) {
      number = list.push(mail) - 1;
      numbers.set(key, number);
    }
    return number;
  }

  #intern(machine: Machine, sent: readonly Int32Array[]): number {
    const key = `${machine.key()}#${sent.map((numbers) => numbers.join()).join('/')}`;
    const known = this.#numbers.get(key);
    if (known !== undefined) return known;
    const number =
      this.states.push({
        machine,
        summary: summarize(machine),
        sent,
        next: [],
        moves: new Map(),
        facts: this.#factNumber(machine.history),
      }) - 1;
    this.#numbers.set(key, number);
    return number;
  }

  #factNumber({ committed, logs, proposals }: Facts): number {
    const key = canonical([committed, logs, proposals], this.model.names);
    let number = this.#factNumbers.get(key);
    if (number === undefined) {
      number = this.facts.push({ committed, logs, proposals }) - 1;
      this.#factNumbers.set(key, number);
    }
    return number;
  }
}
