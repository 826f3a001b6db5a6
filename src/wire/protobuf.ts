/**
 * Protobuf's encoding by hand, for the few messages that are read and written for every single operation: a
 * reader over one buffer, and what a writer needs to fill a buffer of the right size. It makes no objects of
 * its own. Fields are told apart by their tag: the field's number and its kind.
 */
import type { KvError } from '../errors.ts';
import { asBuffer } from '../util/as-buffer.ts';
import { malformed } from './check.ts';

/** The longest that a varint may be. */
export const VARINT_BYTES = 10;
const TWO_POW_31 = 2 ** 31;
/** How deep groups of unknown fields may be nested. Nobody sends any. */
const GROUP_DEPTH = 32;

/** Texts that {@link WireReader.recurringText} has seen, by their first byte. Longer ones are not kept. */
const recurring: string[] = Array.from({ length: 256 }, () => '');
const RECURRING_BYTES = 32;

/** The tag of a field that holds an integer or a boolean. */
export function integerTag(field: number): number {
  return field << 3;
}

/** The tag of a field that holds bytes, a string or a message. */
export function bytesTag(field: number): number {
  return (field << 3) | 2;
}

/** A part of some bytes. */
export interface Extent {
  readonly start: number;
  /** Behind its last byte. */
  readonly end: number;
}

/** Reads one message, field by field. Every method throws KvError invalidArgument where the bytes end too early. */
export class WireReader {
  readonly #bytes: Buffer;
  readonly #what: string;
  #position: number;
  #end: number;

  /**
   * @param bytes they are not changed while views of them are in use
   * @param what the name of the message, for errors
   * @param extent where the message is in them; all of them if it is absent
   */
  constructor(bytes: Uint8Array, what: string, extent: Extent = { start: 0, end: bytes.length }) {
    this.#bytes = asBuffer(bytes);
    this.#what = what;
    this.#position = extent.start;
    this.#end = extent.end;
  }

  /** True at the end of the message (see {@link enter}). */
  get isDone(): boolean {
    return this.#position >= this.#end;
  }

  /** An integer; one of 2^53 and more comes out as some number that is not a safe integer. */
  varint(): number {
    const position = this.#position;
    if (position < this.#end) {
      const byte = this.#bytes[position] as number;
      if (byte < 0x80) {
        this.#position = position + 1;
        return byte;
      }
    }
    return this.#longVarint();
  }

  bool(): boolean {
    return this.varint() !== 0;
  }

  /** A view. */
  bytes(): Buffer {
    const end = this.#endOfField();
    const bytes = this.#bytes.subarray(this.#position, end);
    this.#position = end;
    return bytes;
  }

  /** Where bytes are, in those that were given to the constructor. */
  extent(): Extent {
    const end = this.#endOfField();
    const start = this.#position;
    this.#position = end;
    return { start, end };
  }

  /** Text: bytes as a binary string, or UTF-8. */
  text(encoding: 'latin1' | 'utf8'): string {
    const end = this.#endOfField();
    const text = this.#bytes.toString(encoding, this.#position, end);
    this.#position = end;
    return text;
  }

  /**
   * Bytes as a binary string, for what is nearly always one of a few (the id of a client): as a rule the very
   * string that was made the last time, which is quicker to get and quicker to compare.
   */
  recurringText(): string {
    const end = this.#endOfField();
    const start = this.#position;
    const place = start < end ? (this.#bytes[start] as number) : 0;
    const known = recurring[place] as string;
    if (equals(known, this.#bytes, start, end)) {
      this.#position = end;
      return known;
    }
    const text = this.#bytes.toString('latin1', start, end);
    if (text.length <= RECURRING_BYTES) recurring[place] = text;
    this.#position = end;
    return text;
  }

  /** Begins to read the message inside this field. @returns what {@link leave} wants back at its end */
  enter(): number {
    const outer = this.#end;
    this.#end = this.#endOfField();
    return outer;
  }

  leave(outer: number): void {
    this.#end = outer;
  }

  /** Passes over a field that is not known. */
  skip(tag: number, depth = 0): void {
    switch (tag & 7) {
      case 0:
        this.varint();
        return;
      case 1:
        this.#pass(8);
        return;
      case 2:
        this.#position = this.#endOfField();
        return;
      case 3:
        if (depth >= GROUP_DEPTH) throw this.#malformed('groups are nested too deeply');
        for (let inner = this.varint(); (inner & 7) !== 4; inner = this.varint()) this.skip(inner, depth + 1);
        return;
      case 5:
        this.#pass(4);
        return;
      default:
        throw this.#malformed(`a field has the unknown kind ${tag & 7}`);
    }
  }

  #malformed(reason: string): KvError {
    return malformed(`malformed ${this.#what}: ${reason}`);
  }

  #pass(length: number): void {
    if (this.#position + length > this.#end) throw this.#malformed('a field is cut off');
    this.#position += length;
  }

  #endOfField(): number {
    const length = this.varint();
    const end = this.#position + length;
    if (end > this.#end) throw this.#malformed('a field is cut off');
    return end;
  }

  #longVarint(): number {
    let value = 0;
    let factor = 1;
    for (let index = 0; index < VARINT_BYTES; index++) {
      if (this.#position >= this.#end) throw this.#malformed('an integer is cut off');
      const byte = this.#bytes[this.#position] as number;
      this.#position += 1;
      value += (byte & 0x7f) * factor;
      if (byte < 0x80) return value;
      factor *= 0x80;
    }
    throw this.#malformed('an integer is too long');
  }
}

/** Bytes of a varint. @param value a safe integer ≥ 0 */
export function varintLength(value: number): number {
  let length = 1;
  for (let rest = value; rest >= 0x80; rest = Math.floor(rest / 0x80)) length += 1;
  return length;
}

/** Bytes of a field with its length and its tag, which has one byte. @param length of its content */
export function fieldLength(length: number): number {
  return 1 + varintLength(length) + length;
}

/** @param value a safe integer ≥ 0 @returns the position after it */
export function writeVarint(target: Uint8Array, position: number, value: number): number {
  let at = position;
  let rest = value;
  for (; rest >= TWO_POW_31; rest = Math.floor(rest / 0x80)) target[at++] = (rest % 0x80) | 0x80;
  for (; rest >= 0x80; rest >>>= 7) target[at++] = (rest & 0x7f) | 0x80;
  target[at++] = rest;
  return at;
}

/** Writes tag and integer. @param value a safe integer ≥ 0 @returns the position after them */
export function writeInteger(target: Uint8Array, position: number, tag: number, value: number): number {
  target[position] = tag;
  return writeVarint(target, position + 1, value);
}

/** Writes tag, length and bytes. @returns the position after them */
export function writeBytes(target: Uint8Array, position: number, tag: number, bytes: Uint8Array): number {
  target[position] = tag;
  const at = writeVarint(target, position + 1, bytes.length);
  target.set(bytes, at);
  return at + bytes.length;
}

function equals(text: string, bytes: Buffer, start: number, end: number): boolean {
  if (text.length !== end - start) return false;
  for (let index = 0; index < text.length; index++) {
    if (text.charCodeAt(index) !== bytes[start + index]) return false;
  }
  return true;
}
