/** Draws from a seeded generator, and generators that do not disturb each other. */
import { assert } from '../../src/util/assert.ts';
import { Prng } from '../../src/util/prng.ts';

/** What a generator is for: each concern has its own, so that one more draw here shifts nothing there. */
export const Stream = {
  options: 1,
  network: 2,
  disk: 3,
  faults: 4,
  clients: 5,
  reachability: 6,
  replicas: 7,
  snapshots: 8,
  thrift: 9,
  reservation: 10,
  multiGets: 11,
  prompt: 12,
  gait: 13,
  effects: 14,
  full: 15,
  images: 16,
  fullFaults: 17,
  repeats: 18,
  wide: 19,
  outcasts: 20,
  backlog: 21,
  waitingBytes: 22,
  copyFaults: 23,
  farewells: 24,
  behind: 25,
};

/** The generator of one concern of the world with this seed. */
export function generator(seed: number, stream: number): Prng {
  const prng = new Prng(Math.imul(seed, 0x9e3779b1) ^ Math.imul(stream, 0x85ebca6b));
  prng.next(); // neighbouring seeds begin far apart
  return prng;
}

/** True with the given probability, 0 to 1. */
export function chance(prng: Prng, probability: number): boolean {
  return prng.next() < probability;
}

/** A number in [low, high). */
export function between(prng: Prng, low: number, high: number): number {
  return low + prng.next() * (high - low);
}

/** One of several; there must be at least one. */
export function pick<T>(prng: Prng, choices: readonly T[]): T {
  const choice = choices[Math.floor(prng.next() * choices.length)];
  assert(choice !== undefined, 'something to choose from');
  return choice;
}

/** Each of them with the given probability, in their order. */
export function subset<T>(prng: Prng, choices: readonly T[], probability: number): T[] {
  return choices.filter(() => chance(prng, probability));
}

/** `count` different ones, or all if there are not so many. */
export function sample<T>(prng: Prng, choices: readonly T[], count: number): T[] {
  const rest = [...choices];
  const taken: T[] = [];
  while (taken.length < count && rest.length > 0) {
    taken.push(...rest.splice(Math.floor(prng.next() * rest.length), 1));
  }
  return taken;
}
