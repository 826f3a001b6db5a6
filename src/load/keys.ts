/** Which key each operation is about: the keys of a load, and how they are drawn. */
import { assert } from '../util/assert.ts';
import { Prng } from '../util/prng.ts';
import { Zipf } from './zipf.ts';

/** Every key of every load begins with this, and nothing else is ever written. */
export const KEY_PREFIX = 'bench/';
/** Keys up to this number are made once and kept. */
const KEPT_KEYS = 65_536;
const DIGITS = 10;

export type KeyOptions = {
  /** How many keys there are, all clients together: at least 1; for `hot` at least one more than clients. */
  readonly keys: number;
} & (
  | { readonly distribution: 'uniform' }
  /** Key 0 is the one that comes most often. `exponent`: above 0, below 1. */
  | { readonly distribution: 'zipf'; readonly exponent: number }
  /** With the probability `conflict`, 0 to 1, key 0, which all clients share; otherwise one of the client's own. */
  | { readonly distribution: 'hot'; readonly conflict: number }
);

/** The key with a number: 16 bytes. */
export function keyAt(number: number): Uint8Array {
  return Buffer.from(KEY_PREFIX + String(number).padStart(DIGITS, '0'), 'latin1');
}

/** Draws the keys of one client. The same seed gives the same keys. */
export class KeySource {
  readonly #number: (random: Prng) => number;
  readonly #random: Prng;
  readonly #kept: Uint8Array[] = [];

  /** @param options of the whole load @param client which of its clients, from 0 */
  constructor(options: {
    readonly keys: KeyOptions;
    readonly seed: number;
    readonly client: number;
    readonly clients: number;
  }) {
    const { keys, seed, client, clients } = options;
    assert(keys.keys >= (keys.distribution === 'hot' ? clients + 1 : 1), 'there are keys for every client');
    // Far apart: generators whose seeds are neighbours would be as well, but nothing says so.
    this.#random = new Prng(seed + Math.imul(client + 1, 0x9e3779b1));
    this.#number = numbersOf(keys, { client, clients });
  }

  next(): Uint8Array {
    const number = this.#number(this.#random);
    if (number >= KEPT_KEYS) return keyAt(number);
    let key = this.#kept[number];
    if (key === undefined) {
      key = keyAt(number);
      this.#kept[number] = key;
    }
    return key;
  }
}

function numbersOf(
  options: KeyOptions,
  { client, clients }: { readonly client: number; readonly clients: number },
): (random: Prng) => number {
  switch (options.distribution) {
    case 'uniform': {
      const last = options.keys - 1;
      return (random) => random.integer(0, last);
    }
    case 'zipf': {
      const zipf = new Zipf({ count: options.keys, exponent: options.exponent });
      return (random) => zipf.draw(random) - 1;
    }
    case 'hot': {
      const { conflict } = options;
      const own = Math.floor((options.keys - 1) / clients);
      const [first, last] = [1 + client * own, (client + 1) * own];
      return (random) => (random.next() < conflict ? 0 : random.integer(first, last));
    }
  }
}
