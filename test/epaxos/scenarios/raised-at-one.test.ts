/** R3.13: numbers that a faulty peer has raised at one replica alone do not lock that one and the others out from each other. */
import { expect, test } from 'vitest';
import { type Message, Proposal, Replica, type ReplicaId } from '../../../src/epaxos/index.ts';
import { commandOf, get, instance, put } from '../../support/core-operations.ts';

const STEP = 2 ** 40;
const FAULTY = 3;
const PATIENCE = 20_000;

/** Replicas 1 and 2 of three, which hear each other. The third one says what the test says. */
class Pair {
  readonly replicas = [1, 2].map((id) => {
    const replica = new Replica({ id, replicas: 3, seed: id });
    for (const peer of [1, 2, 3]) if (peer !== id) replica.setReachable(peer, true);
    return replica;
  });

  lie(to: ReplicaId, message: Message): void {
    this.#replica(to).step(FAULTY, message);
  }

  propose(at: ReplicaId, label: string, key: string): void {
    this.#replica(at).propose(new Proposal(put(label, key)));
  }

  /** Runs until nothing of anybody's own is open, and `isDone`. */
  run(isDone: () => boolean): boolean {
    for (let tick = 0; tick < PATIENCE; tick += 1) {
      this.#deliver();
      if (this.replicas.every((replica) => replica.status().openInstances === 0) && isDone()) return true;
      for (const replica of this.replicas) replica.tick();
    }
    return false;
  }

  committed(row: ReplicaId): number[] {
    return this.replicas.map((replica) => replica.status().rows[row - 1]?.committed ?? 0);
  }

  #deliver(): void {
    for (let isQuiet = false; !isQuiet; ) {
      isQuiet = true;
      for (const [index, replica] of this.replicas.entries()) {
        while (replica.hasReady()) {
          isQuiet = false;
          for (const { to, message } of replica.takeReady().messages) {
            if (to !== FAULTY) this.#replica(to).step(index + 1, message);
          }
        }
      }
    }
  }

  #replica(id: ReplicaId): Replica {
    const replica = this.replicas[id - 1];
    if (replica === undefined) throw new Error(`no replica ${id}`);
    return replica;
  }
}

function preAccept(slot: number, seq: number): Message {
  const id = instance(`3.${slot}`);
  const attributes = { seq, deps: [0, 0, slot - 1] };
  return { type: 'preAccept', id, command: commandOf(get('r', 'x')), attributes, follower: 2, prompt: false };
}

test('a seq, by two PreAccepts: both go on writing the key', () => {
  const pair = new Pair();
  pair.lie(2, preAccept(1, STEP));
  pair.lie(2, preAccept(2, 2 * STEP));
  pair.propose(1, 'a', 'x');
  pair.propose(2, 'b', 'x');
  expect(pair.run(() => true)).toBe(true);
});

test('a seq, by a PreAccept and an Accept of one instance: both go on writing the key', () => {
  const pair = new Pair();
  const told = preAccept(1, STEP);
  if (told.type !== 'preAccept') throw new Error('no PreAccept');
  const { id, command } = told;
  pair.lie(2, told);
  pair.lie(2, { type: 'accept', id, command, ballot: 0, attributes: { seq: 2 * STEP, deps: [0, 0, 0] } });
  pair.propose(1, 'a', 'x');
  pair.propose(2, 'b', 'x');
  expect(pair.run(() => true)).toBe(true);
});

test('the ballot of a slot that the replica comes to use, by two Prepares: its row goes on', () => {
  const pair = new Pair();
  const id = instance('2.1');
  for (const ballot of [3 + 3, STEP + 2, 2 * STEP + 1].map((each) => each - (each % 3))) {
    pair.lie(2, { type: 'prepare', id, ballot });
  }
  expect(pair.replicas[1]?.state.space.row(2).records.get(1)?.ballot).toBeGreaterThan(STEP);
  pair.propose(2, 'b', 'x');
  expect(pair.run(() => pair.committed(2).every((slot) => slot >= 2))).toBe(true);
});

test('the ballot of a slot that the other one recovers: it is settled', () => {
  const pair = new Pair();
  pair.lie(1, preAccept(1, 1));
  const id = instance('3.1');
  for (const ballot of [3 + 3, STEP + 2, 2 * STEP + 1].map((each) => each - (each % 3))) {
    pair.lie(2, { type: 'prepare', id, ballot });
  }
  expect(pair.replicas[1]?.state.space.row(3).records.get(1)?.ballot).toBeGreaterThan(STEP);
  expect(pair.run(() => pair.committed(3).every((slot) => slot >= 1))).toBe(true);
});
