/** The inbox: what it keeps, in which order, and what it drops. */

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Message } from '../../src/epaxos/index.ts';
import { Command } from '../../src/epaxos/index.ts';
import { Inbox } from '../../src/node/inbox.ts';
import { Request } from '../../src/node/pending.ts';
import { put } from '../kv/operations.ts';

const fetch: Message = { type: 'fetch', ranges: [] };

function queued(): Request {
  return new Request(put('a', '1'));
}

function commit(size: number): Message {
  const operation = { ...put('a', ''), size };
  return {
    type: 'commit',
    id: { replica: 1, slot: 1 },
    command: new Command([operation]),
    attributes: { seq: 1, deps: [0, 0, 0] },
  };
}

describe('Inbox', () => {
  it('hands out everything once', () => {
    const inbox = new Inbox({ messages: 10, messageBytes: 100 });
    expect(inbox.isEmpty).toBe(true);
    const request = queued();
    inbox.addRequest(request);
    inbox.addMessages(2, [fetch, commit(10)]);
    inbox.addReachable(3, true);
    inbox.addReachable(3, false);
    inbox.addTick();
    inbox.addTick();
    expect(inbox.isEmpty).toBe(false);

    const arrived = inbox.take();
    expect(arrived.requests).toEqual([request]);
    expect(arrived.messages.map(({ from, message }) => [from, message.type])).toEqual([
      [2, 'fetch'],
      [2, 'commit'],
    ]);
    expect([...arrived.reachable]).toEqual([[3, false]]);
    expect(arrived.ticked).toBe(true);
    expect(inbox.isEmpty).toBe(true);
    expect(inbox.take().ticked).toBe(false);
  });

  it('gives a request back only as long as it is here', () => {
    const inbox = new Inbox({ messages: 10, messageBytes: 100 });
    const request = queued();
    expect(inbox.removeRequest(request)).toBe(false);
    inbox.addRequest(request);
    expect(inbox.removeRequest(request)).toBe(true);
    expect(inbox.isEmpty).toBe(true);
    expect(inbox.removeRequest(request)).toBe(false);
    inbox.addRequest(request);
    expect(inbox.take().requests).toEqual([request]);
    expect(inbox.removeRequest(request)).toBe(false);
  });

  it('hands out the requests that were not taken back, in their order', () => {
    fc.assert(
      fc.property(fc.array(fc.boolean(), { maxLength: 40 }), fc.nat(), (stays, seed) => {
        const inbox = new Inbox({ messages: 10, messageBytes: 100 });
        const requests = stays.map(queued);
        for (const request of requests) inbox.addRequest(request);
        const leaving = requests.filter((_request, index) => !stays[index]);
        const first = leaving.length === 0 ? 0 : seed % leaving.length;
        for (const request of [...leaving.slice(first), ...leaving.slice(0, first)]) {
          expect(inbox.removeRequest(request)).toBe(true);
        }
        const staying = requests.filter((_request, index) => stays[index]);
        expect(inbox.isEmpty).toBe(staying.length === 0);
        expect(inbox.take().requests).toEqual(staying);
        expect(inbox.isEmpty).toBe(true);
      }),
    );
  });

  it('hands out once what was taken back and added again', () => {
    const inbox = new Inbox({ messages: 10, messageBytes: 100 });
    const requests = [queued(), queued(), queued()] as const;
    for (const request of requests) inbox.addRequest(request);
    expect(inbox.removeRequest(requests[0])).toBe(true);
    inbox.addRequest(requests[0]);
    expect(inbox.take().requests).toHaveLength(3);
    expect(inbox.isEmpty).toBe(true);
  });

  it('drops messages over the limit of their number', () => {
    const inbox = new Inbox({ messages: 2, messageBytes: 100 });
    inbox.addMessages(2, [fetch, fetch, fetch]);
    const { messages, dropped } = inbox.take();
    expect([messages.length, dropped]).toEqual([2, 1]);
    inbox.addMessages(2, [fetch]);
    const next = inbox.take();
    expect([next.messages.length, next.dropped]).toEqual([1, 0]);
  });

  it('drops messages over the limit of their bytes, and takes small ones still', () => {
    const inbox = new Inbox({ messages: 10, messageBytes: 100 });
    inbox.addMessages(2, [commit(60), commit(41), fetch, commit(40)]);
    const { messages, dropped } = inbox.take();
    expect(messages.map(({ message }) => message.type)).toEqual(['commit', 'fetch', 'commit']);
    expect(dropped).toBe(1);
    inbox.addMessages(2, [commit(100)]);
    expect(inbox.take().messages).toHaveLength(1);
  });

  it('counts the command inside a PrepareReply', () => {
    const inbox = new Inbox({ messages: 10, messageBytes: 100 });
    const record = {
      id: { replica: 1, slot: 1 },
      status: 1,
      ballot: 4,
      acceptedBallot: 0,
      command: new Command([{ ...put('a', ''), size: 101 }]),
      noOp: false,
      attributes: null,
      initial: null,
      follower: null,
    } as const;
    inbox.addMessages(2, [
      { type: 'prepareReply', ballot: 4, record },
      { type: 'prepareReply', ballot: 4, record: { ...record, command: null } },
    ]);
    expect(inbox.take().dropped).toBe(1);
  });
});
