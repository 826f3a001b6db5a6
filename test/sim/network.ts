/** The simulated network: loses, duplicates, delays and reorders messages, and can be cut in one direction. */
import type { Envelope, Message, MessageType, ReplicaId } from '../../src/epaxos/index.ts';
import type { Prng } from '../../src/util/prng.ts';
import { between, chance } from './draw.ts';
import type { EventQueue } from './event-queue.ts';
import type { Statistics } from './statistics.ts';

export interface NetworkOptions {
  /** The shortest way, by link (from · 8 + to), in milliseconds. */
  readonly baseMs: readonly number[];
  /** On top of it, up to so many. */
  readonly jitterMs: number;
  readonly lossRate: number;
  readonly duplicateRate: number;
  /** How often a message takes the long way, and how many times longer that is at most. */
  readonly tailRate: number;
  readonly tailFactor: number;
  /** True: what one turn sends to one peer shares its fate, and arrives in the order it was sent, as in a stream. */
  readonly streams: boolean;
}

export type Deliver = (to: ReplicaId, from: ReplicaId, messages: readonly Message[]) => void;

interface Link {
  /** How many faults cut it now. */
  cuts: number;
  /** Added to every delay by a fault. */
  extraMs: number;
  /** When the last frame of the stream arrives. */
  lastMs: number;
}

export class Network {
  readonly #options: NetworkOptions;
  readonly #queue: EventQueue;
  readonly #prng: Prng;
  readonly #statistics: Statistics;
  readonly #deliver: Deliver;
  readonly #links: Link[] = [];
  /** By type: how many faults swallow such messages now. */
  readonly #muted = new Map<MessageType, number>();
  /** Added to the loss rate by a fault. */
  #extraLoss = 0;
  #healed = false;

  constructor(parts: {
    readonly options: NetworkOptions;
    readonly queue: EventQueue;
    readonly prng: Prng;
    readonly statistics: Statistics;
    readonly deliver: Deliver;
  }) {
    this.#options = parts.options;
    this.#queue = parts.queue;
    this.#prng = parts.prng;
    this.#statistics = parts.statistics;
    this.#deliver = parts.deliver;
    for (let link = 0; link < 64; link += 1) this.#links.push({ cuts: 0, extraMs: 0, lastMs: 0 });
  }

  send(from: ReplicaId, envelopes: readonly Envelope[]): void {
    if (!this.#options.streams) {
      for (const { to, message } of envelopes) this.#dispatch(from, to, [message]);
      return;
    }
    const frames = new Map<ReplicaId, Message[]>();
    for (const { to, message } of envelopes) {
      const frame = frames.get(to);
      if (frame === undefined) frames.set(to, [message]);
      else frame.push(message);
    }
    for (const [to, frame] of frames) this.#dispatch(from, to, frame);
  }

  /** Carries something that is not a message of the protocol: it arrives once, later, or never. */
  carry(from: ReplicaId, to: ReplicaId, arrive: () => void): void {
    const link = this.#link(from, to);
    if (link.cuts > 0 || this.#isLost()) return;
    this.#queue.after(this.#delayMs(link, from, to), arrive);
  }

  isOpen(from: ReplicaId, to: ReplicaId): boolean {
    return this.#link(from, to).cuts === 0;
  }

  /** A plausible measurement of the way to a peer and back. */
  roundTripMs(from: ReplicaId, to: ReplicaId): number {
    const base = (link: number) => this.#options.baseMs[link] ?? 0;
    return base(from * 8 + to) + base(to * 8 + from) + this.#options.jitterMs;
  }

  /** Cuts one direction of one link; the cuts of several faults add up. Returns the repair. */
  cut(from: ReplicaId, to: ReplicaId): () => void {
    const link = this.#link(from, to);
    link.cuts += 1;
    return once(() => {
      link.cuts -= 1;
    });
  }

  slow(from: ReplicaId, to: ReplicaId, extraMs: number): () => void {
    const link = this.#link(from, to);
    link.extraMs += extraMs;
    return once(() => {
      link.extraMs -= extraMs;
    });
  }

  /** Swallows every message of a type. */
  mute(type: MessageType): () => void {
    this.#muted.set(type, (this.#muted.get(type) ?? 0) + 1);
    return once(() => {
      this.#muted.set(type, (this.#muted.get(type) ?? 0) - 1);
    });
  }

  /** Loses more than usual. */
  disturb(extraLoss: number): () => void {
    this.#extraLoss += extraLoss;
    return once(() => {
      this.#extraLoss -= extraLoss;
    });
  }

  /** From now on nothing is lost, repeated or long under way. Faults must have been repaired by their owner. */
  heal(): void {
    this.#healed = true;
  }

  #dispatch(from: ReplicaId, to: ReplicaId, messages: readonly Message[]): void {
    const link = this.#link(from, to);
    this.#statistics.messages += messages.length;
    const kept = this.#muted.size === 0 ? messages : messages.filter(({ type }) => !this.#muted.get(type));
    const lost = link.cuts > 0 || this.#isLost();
    this.#statistics.messagesLost += messages.length - (lost ? 0 : kept.length);
    if (lost || kept.length === 0) return;
    this.#transmit(link, from, to, kept);
    const { duplicateRate } = this.#options;
    if (this.#healed || duplicateRate === 0 || !chance(this.#prng, duplicateRate)) return;
    this.#statistics.messagesDuplicated += kept.length;
    this.#transmit(link, from, to, kept);
  }

  #transmit(link: Link, from: ReplicaId, to: ReplicaId, messages: readonly Message[]): void {
    let delayMs = this.#delayMs(link, from, to);
    if (this.#options.streams) {
      link.lastMs = Math.max(link.lastMs, this.#queue.nowMs + delayMs);
      delayMs = link.lastMs - this.#queue.nowMs;
    }
    this.#queue.after(delayMs, () => this.#deliver(to, from, messages));
  }

  #isLost(): boolean {
    const loss = this.#healed ? 0 : this.#options.lossRate + this.#extraLoss;
    return loss > 0 && chance(this.#prng, loss);
  }

  #delayMs(link: Link, from: ReplicaId, to: ReplicaId): number {
    const { baseMs, jitterMs, tailRate, tailFactor } = this.#options;
    const delayMs = (baseMs[from * 8 + to] ?? 0) + between(this.#prng, 0, jitterMs) + link.extraMs;
    const isLong = !this.#healed && tailRate > 0 && chance(this.#prng, tailRate);
    return isLong ? delayMs * between(this.#prng, 1, tailFactor) : delayMs;
  }

  #link(from: ReplicaId, to: ReplicaId): Link {
    const link = this.#links[from * 8 + to];
    if (link === undefined) throw new RangeError(`no link from ${from} to ${to}`);
    return link;
  }
}

function once(action: () => void): () => void {
  let done = false;
  return () => {
    if (done) return;
    done = true;
    action();
  };
}
