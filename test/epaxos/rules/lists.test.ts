/** R3.14: who has more to say than a list holds sends several messages. */
import { describe, expect, test } from 'vitest';
import { MAX_LISTED, type Message, Replica } from '../../../src/epaxos/index.ts';
import { sendFetch } from '../../../src/epaxos/progress/fetching.ts';
import { get } from '../../support/core-operations.ts';

function replicaWith(limits: Readonly<Record<string, number>> = {}): Replica {
  const replica = new Replica({ id: 1, replicas: 3, seed: 1, limits });
  for (const peer of [2, 3]) replica.setReachable(peer, true);
  return replica;
}

function sentTo(replica: Replica, to: number): Message[] {
  return replica
    .takeReady()
    .messages.filter((envelope) => envelope.to === to)
    .map(({ message }) => message);
}

describe('a list that would be too long', () => {
  test('ranges of a Fetch: each is asked for once, in several', () => {
    const replica = replicaWith();
    const missing = Array.from({ length: 2 * MAX_LISTED + 1 }, (_, index) => ({
      replica: 2,
      slot: 2 * index + 1,
    }));
    sendFetch(replica.state, 2, missing);
    const ranges = sentTo(replica, 2).map((message) => (message.type === 'fetch' ? message.ranges : []));
    expect(ranges.map(({ length }) => length)).toEqual([MAX_LISTED, MAX_LISTED, 1]);
    expect(ranges.flat().map(({ from, to }) => [from, to])).toEqual(missing.map(({ slot }) => [slot, slot]));
  });

  test('keys of a read: each is read once, in several rounds', () => {
    const replica = replicaWith({ operationsPerInstance: 1_000_000 });
    const keys = Array.from({ length: MAX_LISTED + 5 }, (_, index) => `k${index}`);
    for (const key of keys) expect(replica.read(get(key, key))).toBe(true);
    const asked: (readonly string[])[] = [];
    while (replica.hasReady()) {
      for (const { message } of replica.takeReady().messages) {
        if (message.type !== 'readRequest') continue;
        asked.push(message.keys);
      }
    }
    expect(asked.map(({ length }) => length)).toEqual([MAX_LISTED, 5]);
    expect(asked.flat()).toEqual(keys);
  });
});
