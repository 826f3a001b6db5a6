/** The inbox: what it keeps, in which order, and what it drops. */
import { describe, expect, it } from 'vitest';
import type { Message } from '../../src/epaxos/index.ts';
import { Inbox } from '../../src/server/inbox.ts';
import { put } from '../kv/operations.ts';

const fetch: Message = { type: 'fetch', ranges: [] };

function commit(bytes: number): Message {
  const operation = { ...put('a', ''), bytes: new Uint8Array(bytes) };
  return {
    type: 'commit',
    id: { replica: 1, slot: 1 },
    command: { operations: [operation] },
    attributes: { seq: 1, deps: [0, 0, 0] },
  };
}

describe('Inbox', () => {
  it('hands out everything once', () => {
    const inbox = new Inbox({ messages: 10, messageBytes: 100 });
    expect(inbox.isEmpty).toBe(true);
    const operation = put('a', '1');
    inbox.addOperation(operation);
    inbox.addMessages(2, [fetch, commit(10)]);
    inbox.addReachable(3, true);
    inbox.addReachable(3, false);
    inbox.addTick();
    inbox.addTick();
    expect(inbox.isEmpty).toBe(false);

    const arrived = inbox.take();
    expect([...arrived.operations]).toEqual([operation]);
    expect(arrived.messages.map(({ from, message }) => [from, message.type])).toEqual([
      [2, 'fetch'],
      [2, 'commit'],
    ]);
    expect([...arrived.reachable]).toEqual([[3, false]]);
    expect(arrived.ticked).toBe(true);
    expect(inbox.isEmpty).toBe(true);
    expect(inbox.take().ticked).toBe(false);
  });

  it('gives an operation back only as long as it is here', () => {
    const inbox = new Inbox({ messages: 10, messageBytes: 100 });
    const operation = put('a', '1');
    inbox.addOperation(operation);
    expect(inbox.removeOperation(operation)).toBe(true);
    expect(inbox.removeOperation(operation)).toBe(false);
    inbox.addOperation(operation);
    inbox.take();
    expect(inbox.removeOperation(operation)).toBe(false);
  });

  it('drops messages over the limit of their number', () => {
    const inbox = new Inbox({ messages: 2, messageBytes: 100 });
    inbox.addMessages(2, [fetch, fetch, fetch]);
    expect(inbox.dropped).toBe(1);
    expect(inbox.take().messages).toHaveLength(2);
    inbox.addMessages(2, [fetch]);
    expect(inbox.take().messages).toHaveLength(1);
  });

  it('drops messages over the limit of their bytes, and takes small ones still', () => {
    const inbox = new Inbox({ messages: 10, messageBytes: 100 });
    inbox.addMessages(2, [commit(60), commit(41), fetch, commit(40)]);
    expect(inbox.dropped).toBe(1);
    expect(inbox.take().messages.map(({ message }) => message.type)).toEqual(['commit', 'fetch', 'commit']);
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
      command: { operations: [{ ...put('a', ''), bytes: new Uint8Array(101) }] },
      noOp: false,
      attributes: null,
      initial: null,
      follower: null,
    } as const;
    inbox.addMessages(2, [
      { type: 'prepareReply', ballot: 4, record },
      { type: 'prepareReply', ballot: 4, record: { ...record, command: null } },
    ]);
    expect(inbox.dropped).toBe(1);
  });
});
