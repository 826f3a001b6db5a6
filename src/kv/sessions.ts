/**
 * The answers of executed writes, by request id and key: what makes every request take effect once (R7.6).
 * They are part of the state machine's state: loaded from the store at start, stored with the effects.
 *
 * The key belongs to the name. Copies of one request touch the same key, so every replica executes them in
 * the same order. A client that uses one id for two keys has made two requests: they are not ordered with
 * each other, so if the one could be answered from the record of the other, replicas would diverge.
 */
import { assert } from '../util/assert.ts';
import type { OperationResult, RequestId } from './operation.ts';

/** A request, the key it wrote, and what executing it answered. */
export interface RecordedAnswer {
  readonly request: RequestId;
  /** The key's bytes as a binary string. */
  readonly key: string;
  readonly result: OperationResult;
}

/** The name of an answer as one binary string: client id (16 bytes), sequence (8, big-endian), key. */
export type AnswerId = string;

const CLIENT_CHARACTERS = 16;
const TWO_POW_32 = 2 ** 32;

/** The name of the answer to a request on a key. */
export function answerId(request: RequestId, key: string): AnswerId {
  const { client, sequence } = request;
  assert(client.length === CLIENT_CHARACTERS, `a client id has ${CLIENT_CHARACTERS} bytes`);
  return `${client}${word(Math.floor(sequence / TWO_POW_32))}${word(sequence % TWO_POW_32)}${key}`;
}

/** Four bytes, big-endian, as a binary string. */
function word(value: number): string {
  return String.fromCharCode(value >>> 24, (value >>> 16) & 0xff, (value >>> 8) & 0xff, value & 0xff);
}

/**
 * The recorded answers, in memory. Who runs the state machine drops old ones, once no copy of their
 * requests can be executed any more: then it does not matter that replicas drop them at different times.
 */
export class Sessions {
  readonly #results = new Map<AnswerId, OperationResult>();
  #valueBytes = 0;

  constructor(answers: Iterable<RecordedAnswer> = []) {
    this.record(answers);
  }

  /** How many answers are kept. */
  get size(): number {
    return this.#results.size;
  }

  /** Bytes of the previous values in the answers that are kept. */
  get valueBytes(): number {
    return this.#valueBytes;
  }

  /** The names of all answers that are kept. */
  ids(): Iterable<AnswerId> {
    return this.#results.keys();
  }

  /** What the request answered when it was executed on this key; undefined if it was not. */
  find(request: RequestId, key: string): OperationResult | undefined {
    return this.#results.get(answerId(request, key));
  }

  /**
   * Keeps answers. The first answer of a request stands; a later one is ignored.
   * @returns the names of those that are new
   */
  record(answers: Iterable<RecordedAnswer>): readonly AnswerId[] {
    const fresh: AnswerId[] = [];
    for (const { request, key, result } of answers) {
      const id = answerId(request, key);
      if (this.#results.has(id)) continue;
      this.#results.set(id, result);
      this.#valueBytes += result.value?.length ?? 0;
      fresh.push(id);
    }
    return fresh;
  }

  /** Drops answers; what is not there is ignored. */
  forget(ids: Iterable<AnswerId>): void {
    for (const id of ids) {
      this.#valueBytes -= this.#results.get(id)?.value?.length ?? 0;
      this.#results.delete(id);
    }
  }
}
