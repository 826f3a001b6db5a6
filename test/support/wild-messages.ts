/**
 * What a peer may say that is mistaken in every way but three. Of what is committed it tells no second value, and it
 * vouches for nothing that others are about to decide: against those lies a protocol for crashes has no means. And what
 * others work with it does not make wait for slots that are not there: they are settled, but that takes long.
 */
import fc from 'fast-check';
import { Command, type InstanceId, type Message, type MessageType } from '../../src/epaxos/index.ts';
import { Prng } from '../../src/util/prng.ts';
import { advanceOperation, decodeFrame, encodeMessage, frameName, ROUTES } from '../../src/wire/index.ts';
import { messagesOf } from '../wire/client/arbitraries.ts';
import { deleteOperation, getOperation, multiGetOperation, putOperation } from './kv-operations.ts';
import { DAMAGES, damaged } from './schema-fuzz.ts';
import { LIMITS, renumber } from './wild-numbers.ts';

type PreAccept = Extract<Message, { readonly type: 'preAccept' }>;

const REPLICAS = 3;
/** The peer that says it. */
const SELF = 3;
/** Beyond it no row is in the time of a test: what names such slots is not believed (R3.13). */
const NEVER = 2 ** 22;
/** So many are drawn at once. */
const BATCH = 200;

/** A frame, and what is to become of it. */
export interface WildFrame {
  readonly type: MessageType;
  readonly frame: Buffer;
  /** Whether a replica can read it; one that it cannot read makes it hang up. */
  readonly isReadable: boolean;
}

export interface WildMessagesOptions {
  readonly seed: number;
  /** Keys that others work with: nothing is written to them. */
  readonly keys: readonly string[];
  /** By row, the slots up to which all was committed before it began. */
  readonly committed: readonly number[];
}

export class WildMessages {
  readonly #options: WildMessagesOptions;
  readonly #random: Prng;
  readonly #samples = new Map<MessageType, Message[]>();
  /** The highest slot of its own row that it has named. */
  #named: number;
  /** Keys of commands whose place in the order it has told. */
  readonly #ordered = new Set<string>();
  #commands = 0;
  /** Whether what is drawn may interfere with what others do. */
  #isAmidst = false;
  /** Frames that would have been one of the three lies. */
  withheld = 0;

  constructor(options: WildMessagesOptions) {
    this.#options = options;
    this.#random = new Prng(options.seed);
    this.#named = options.committed[SELF - 1] ?? 0;
  }

  next(type: MessageType): WildFrame {
    this.#isAmidst = false;
    return this.#next(type, () => renumber(this.#draw(type), '', (field) => this.#number(field)) as Message);
  }

  /** A PreAccept of what reads others' keys, or touches everything: in the next own slot. */
  nextAmidst(): WildFrame {
    this.#isAmidst = true;
    return this.#next('preAccept', () => this.#amidst());
  }

  #next(type: MessageType, draw: () => Message): WildFrame {
    for (;;) {
      const frame = this.#frame(type, draw());
      if (frame === null) continue;
      let messages: readonly Message[];
      try {
        messages = decodeFrame(frame, ROUTES[type], { replicas: REPLICAS });
      } catch {
        return { type, frame, isReadable: false };
      }
      if (messages.every((message) => this.#maySay(message))) return { type, frame, isReadable: true };
      this.withheld += 1;
    }
  }

  /** Half of the frames are messages with other numbers, the others damaged encodings of such. Null: it cannot be encoded. */
  #frame(type: MessageType, message: Message): Buffer | null {
    let frame: Buffer;
    try {
      frame = encodeMessage(this.#fitted(message));
    } catch {
      return null;
    }
    if (this.#random.integer(0, 1) === 0) return frame;
    const damage = DAMAGES[this.#random.integer(0, 1) === 0 ? 0 : this.#random.integer(1, 4)] ?? 'flip';
    return damaged(frame, { name: frameName(ROUTES[type]), damage, random: this.#random });
  }

  #draw(type: MessageType): Message {
    let samples = this.#samples.get(type) ?? [];
    if (samples.length === 0) {
      const seed = this.#random.integer(0, 2 ** 30);
      samples = fc.sample(messagesOf(REPLICAS)[type], { numRuns: BATCH, seed });
      this.#samples.set(type, samples);
    }
    return samples.pop() as Message;
  }

  /** A limit, what was drawn, or what is near to what the replicas work on. */
  #number(field: string): number | null {
    const how = this.#random.integer(0, 4);
    if (how === 0) return LIMITS[this.#random.integer(0, LIMITS.length - 1)] ?? 0;
    if (how === 1) return null;
    if (field === 'replica') return this.#random.integer(1, REPLICAS);
    if (/ballot|promised/i.test(field)) return this.#random.integer(0, 12);
    const row = this.#random.integer(0, REPLICAS - 1);
    const committed = this.#options.committed[row] ?? 0;
    const from = row === SELF - 1 ? this.#random.integer(committed, this.#named) : committed;
    return Math.max(0, from + this.#random.integer(-100, 100));
  }

  /** A command of its own where an order is told; a slot of its own for a Commit. */
  #fitted(message: Message): Message {
    switch (message.type) {
      case 'validate':
        return { ...message, command: this.#command() };
      case 'accept':
        return message.command instanceof Command ? { ...message, command: this.#command() } : message;
      case 'commit': {
        const command = message.command instanceof Command ? this.#command() : message.command;
        if (this.#random.integer(0, 3) === 0) return { ...message, command };
        const { seq, deps } = message.attributes;
        const id = { replica: SELF, slot: this.#named + 1 };
        const own = Math.min(deps[SELF - 1] ?? 0, this.#named);
        return { ...message, id, command, attributes: { seq, deps: [...deps.slice(0, SELF - 1), own] } };
      }
      default:
        return message;
    }
  }

  /** Of one to three operations, on keys that nothing else names. */
  #command(): Command {
    return new Command(
      Array.from({ length: this.#random.integer(1, 3) }, () => {
        this.#commands += 1;
        const request = this.#request();
        const key = Buffer.from(`of the false peer: ${this.#commands}`);
        const fields = { request, key, value: Buffer.from('x'), returnPrevious: false };
        const kind = this.#random.integer(0, 3);
        if (kind === 0) return deleteOperation(fields);
        if (kind === 1) return getOperation(fields);
        return kind === 2 ? multiGetOperation({ request, keys: [key] }) : putOperation(fields);
      }),
    );
  }

  #amidst(): Message {
    const { keys, committed } = this.#options;
    const key = Buffer.from(keys[this.#random.integer(0, keys.length - 1)] ?? 'k');
    const reading = getOperation({ request: this.#request(), key });
    const operation = this.#random.integer(0, 9) === 0 ? advanceOperation(2 ** 40) : reading;
    const deps = committed.map((slot) => Math.max(0, slot + this.#random.integer(-100, 10)));
    return {
      type: 'preAccept',
      id: { replica: SELF, slot: this.#named + 1 },
      command: new Command([operation]),
      attributes: { seq: this.#number('seq') ?? 7, deps: deps.with(SELF - 1, this.#named) },
      follower: this.#random.integer(1, 2),
      prompt: this.#random.integer(0, 1) === 0,
    };
  }

  #request() {
    return { client: 'f'.repeat(16), sequence: this.#random.integer(1, 2 ** 30), generation: 1 };
  }

  #maySay(message: Message): boolean {
    if (!this.#isHonest(message)) return false;
    for (const slot of ownSlots(message)) if (slot < NEVER) this.#named = Math.max(this.#named, slot);
    return true;
  }

  #isHonest(message: Message): boolean {
    switch (message.type) {
      case 'commit': {
        const { id } = message;
        if (id.slot >= NEVER) return true;
        return id.replica === SELF && id.slot > this.#named && this.#tellsOrder(message.command);
      }
      case 'preAccept':
        return this.#mayInterfere(message);
      case 'accept':
      case 'validate':
        return this.#tellsOrder(message.command);
      case 'preAcceptReply':
        return !this.#mayCount(message.id, 0);
      case 'acceptReply':
      case 'validateReply':
        return !this.#mayCount(message.id, message.ballot);
      case 'prepareReply':
        return !this.#mayCount(message.record.id, message.ballot);
      case 'readReply':
        return message.sequence === 0 || message.sequence > 2 ** 30;
      default:
        return true;
    }
  }

  /** It writes nothing of others, and does not make them wait for long. */
  #mayInterfere({ id, command, attributes: { deps } }: PreAccept): boolean {
    const touched = accessesOf(command).filter(({ key }) => key === '' || this.#isForeign(key));
    if (touched.length === 0 || id.slot >= NEVER) return true;
    if (touched.some(({ key, writes }) => writes && key !== '')) return false;
    if (!this.#isAmidst || id.slot > this.#named + 1) return false;
    const { committed } = this.#options;
    return deps.every((dep, row) => row === SELF - 1 || dep <= (committed[row] ?? 0) + 10);
  }

  /** Whether the place of the command in the order matters to nothing else. */
  #tellsOrder(command: Command | 'sent' | null): boolean {
    const keys = accessesOf(command).map(({ key }) => key);
    if (keys.some((key) => key === '' || this.#isForeign(key) || this.#ordered.has(key))) return false;
    for (const key of keys) this.#ordered.add(key);
    return true;
  }

  #isForeign(key: string): boolean {
    return this.#options.keys.includes(key);
  }

  /** Whether somebody else may be asking about the instance with this ballot, now or later. */
  #mayCount({ replica, slot }: InstanceId, ballot: number): boolean {
    if (slot >= NEVER || slot <= (this.#options.committed[replica - 1] ?? 0)) return false;
    const owner = ballot < REPLICAS ? replica : ballot % REPLICAS || REPLICAS;
    return owner !== SELF && ballot < 2 ** 39;
  }
}

function accessesOf(command: Command | 'sent' | null) {
  return command instanceof Command ? command.operations.flatMap(({ accesses }) => accesses) : [];
}

/** Slots of its own row that a message names. */
function ownSlots(message: Message): number[] {
  const slots = (value: unknown, field: string): number[] => {
    if (value === null || typeof value !== 'object' || field === 'command') return [];
    if (Array.isArray(value) && typeof value[0] === 'number') return [value[SELF - 1] ?? 0];
    if ('replica' in value && 'slot' in value) return value.replica === SELF ? [value.slot as number] : [];
    return Object.entries(value).flatMap(([name, each]) => slots(each, name));
  };
  return slots(message, '');
}
