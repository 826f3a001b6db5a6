/** What an instance carries. */
import { assert } from '../../util/assert.ts';
import { type Access, EVERYTHING, type Operation } from './operation.ts';

/** Reads a command's operations from its bytes. */
export type OperationReader = (bytes: Uint8Array) => readonly Operation[];

/**
 * A batch of at least one operation. They run in this order, one after another. One that is wide is alone (R7.9). A command
 * never changes; what is made of it is made once, when somebody asks for it, and kept with it until it is let go of.
 */
export class Command {
  #operations: readonly Operation[] | null;
  #accesses: readonly Access[] | null = null;
  #bytes: Uint8Array | null = null;
  /** Null if it was not read from bytes. */
  #read: OperationReader | null = null;
  /** Where it is had from again; null unless it was let go of. */
  #stored: (() => Command) | null = null;
  #size: number | null = null;

  constructor(operations: readonly Operation[]) {
    this.#operations = operations;
  }

  /** The command that is in `bytes`, which it keeps. @throws what `read` throws */
  static of(bytes: Uint8Array, read: OperationReader): Command {
    const command = new Command(read(bytes));
    command.#bytes = bytes;
    command.#read = read;
    return command;
  }

  get operations(): readonly Operation[] {
    if (this.#operations !== null) return this.#operations;
    if (this.#stored !== null) return this.#stored().operations;
    assert(this.#bytes !== null && this.#read !== null, 'operations were let go of that can be read again');
    this.#operations = this.#read(this.#bytes);
    return this.#operations;
  }

  /** Every key that it touches, once each, or everything; what any of its operations writes is written. */
  get accesses(): readonly Access[] {
    const { operations } = this;
    const [first] = operations;
    if (first !== undefined && operations.length === 1 && first.accesses.length === 1) return first.accesses;
    this.#accesses ??= merged(operations);
    return this.#accesses;
  }

  /** Bytes of its operations. */
  get size(): number {
    if (this.#size !== null) return this.#size;
    let bytes = 0;
    for (const operation of this.operations) bytes += operation.size;
    this.#size = bytes;
    return bytes;
  }

  /** The command as bytes. They are shared and must not be changed. @param encode makes them, once */
  bytes(encode: (operations: readonly Operation[]) => Uint8Array): Uint8Array {
    if (this.#stored !== null) return this.#stored().bytes(encode);
    this.#bytes ??= encode(this.operations);
    return this.#bytes;
  }

  /**
   * The operations are not needed for now. If they were read from bytes, they are read again when somebody asks for them:
   * most of what is executed is kept for a while, for peers that may need its bytes, and never asked.
   */
  letGoOfOperations(): void {
    if (this.#read !== null) this.#operations = null;
  }

  /**
   * Nothing but its size is kept here any more: it is stored, and had from there whenever somebody asks for more.
   * @param stored the same command; what it throws is thrown to whoever asks
   */
  letGo(stored: () => Command): void {
    this.#size = this.size;
    this.#operations = null;
    this.#accesses = null;
    this.#bytes = null;
    this.#read = null;
    this.#stored = stored;
  }
}

function merged(operations: readonly Operation[]): readonly Access[] {
  const byKey = new Map<string, Access>();
  for (const operation of operations) {
    for (const access of operation.accesses) {
      if (access.writes || !byKey.has(access.key)) byKey.set(access.key, access);
    }
  }
  // Whoever touches everything touches its other keys with it.
  const writes = operations.some(({ accesses }) => accesses.some((each) => each.writes));
  return byKey.has(EVERYTHING) ? [{ key: EVERYTHING, writes }] : [...byKey.values()];
}
