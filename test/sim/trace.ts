/** The ordered log of everything that happens in a world: always as a hash, on request as lines of text. */
import { formatInstance, type Message, type ReplicaId } from '../../src/epaxos/index.ts';

const codes = new Map<string, number>();

/** A number for a type of message, the same in every process. */
function codeOf(type: Message['type']): number {
  let code = codes.get(type);
  if (code === undefined) {
    code = 0;
    for (let index = 0; index < type.length; index += 1) {
      code = (Math.imul(code, 31) + type.charCodeAt(index)) & 0xffff;
    }
    codes.set(type, code);
  }
  return code;
}

/** Takes a line of the trace. */
export type Printer = (line: string) => void;

export class Trace {
  /** The line printer; null if only the hash is wanted. */
  readonly printer: Printer | null;
  #low = 0x811c9dc5;
  #high = 0x9747b28c;

  constructor(printer: Printer | null = null) {
    this.printer = printer;
  }

  /** A stable hash over all events so far and their order, 16 hexadecimal digits. */
  get hash(): string {
    const hex = (part: number) => (part >>> 0).toString(16).padStart(8, '0');
    return hex(this.#high) + hex(this.#low);
  }

  /**
   * One event: what it is, when and where it happens, and any numbers and words that tell it from others.
   * @param where a replica, or 0
   */
  note(nowMs: number, where: ReplicaId | 0, what: string, ...details: readonly (number | string)[]): void {
    this.#mixText(what);
    this.#mix(Math.round(nowMs * 1000));
    this.#mix(where);
    for (const detail of details) {
      if (typeof detail === 'string') this.#mixText(detail);
      else this.#mix(detail);
    }
    this.printer?.(`${stamp(nowMs)} ${where === 0 ? 'world' : `r${where}`} ${what} ${details.join(' ')}`);
  }

  /** A message arrives. */
  delivered(
    nowMs: number,
    { from, to }: { readonly from: ReplicaId; readonly to: ReplicaId },
    message: Message,
  ): void {
    this.#mix(Math.round(nowMs * 1000));
    this.#mix((from * 8 + to) * 0x10000 + codeOf(message.type));
    const id = idOf(message);
    if (id !== null) this.#mix(id.slot * 8 + id.replica);
    if ('ballot' in message) this.#mix(message.ballot);
    if ('sequence' in message) this.#mix(message.sequence);
    if ('attributes' in message) {
      this.#mix(message.attributes.seq);
      for (const slot of message.attributes.deps) this.#mix(slot);
    }
    this.printer?.(`${stamp(nowMs)} ${from}→${to} ${describe(message)}`);
  }

  #mix(value: number): void {
    const low = value | 0;
    const high = Math.floor(value / 2 ** 32) | 0;
    this.#low = Math.imul(this.#low ^ low, 0x01000193);
    this.#low ^= this.#low >>> 15;
    this.#high = Math.imul(this.#high ^ (low + high + this.#low), 0x5bd1e995);
    this.#high ^= this.#high >>> 13;
  }

  #mixText(text: string): void {
    for (let index = 0; index < text.length; index += 1) this.#mix(text.charCodeAt(index));
  }
}

function stamp(nowMs: number): string {
  return nowMs.toFixed(3).padStart(10);
}

function idOf(message: Message) {
  if (message.type === 'prepareReply') return message.record.id;
  return 'id' in message ? message.id : null;
}

/** A message in one line, without the bytes of its command. */
export function describe(message: Message): string {
  const id = idOf(message);
  const parts: string[] = [message.type];
  if (id !== null) parts.push(formatInstance(id));
  if ('ballot' in message) parts.push(`ballot=${message.ballot}`);
  if ('sequence' in message) parts.push(`round=${message.sequence}`);
  if (message.type === 'readReply') parts.push(...message.deps.map((deps) => `deps=${deps.join()}`));
  if ('promised' in message) parts.push(`promised=${message.promised}`);
  if ('command' in message) parts.push(message.command === null ? 'no-op' : 'command');
  if ('follower' in message && message.follower !== null) parts.push(`follower=${message.follower}`);
  if ('attributes' in message) {
    parts.push(`seq=${message.attributes.seq} deps=${message.attributes.deps.join(',')}`);
  }
  if (message.type === 'prepareReply') {
    const { record } = message;
    parts.push(`status=${record.status} promise=${record.ballot} accepted=${record.acceptedBallot}`);
    if (record.noOp) parts.push('no-op');
    parts.push(`deps=${record.attributes?.deps.join(',')} initial=${record.initial?.deps.join(',')}`);
  }
  if (message.type === 'validateReply') {
    parts.push(
      ...message.contradictions.map((each) => `${formatInstance(each.id)}${each.committed ? '!' : '?'}`),
    );
    if (message.more) parts.push('and more');
  }
  if (message.type === 'waiting') parts.push(`matching=${message.matching}`);
  if (message.type === 'fetch') {
    parts.push(...message.ranges.map((range) => `${range.replica}.${range.from}-${range.to}`));
  }
  if (message.type === 'watermarks') {
    const { committed, executed, pruned } = message;
    parts.push(`committed=${committed.join()} executed=${executed.join()} pruned=${pruned.join()}`);
  }
  return parts.join(' ');
}
