/** The loop: reachability, failure, stopping, and what it tells of itself. */
import { describe, expect, it } from 'vitest';
import { KvError } from '../../src/errors.ts';
import { put } from '../kv/operations.ts';
import { execution } from './fakes.ts';
import { messages, records, setUp, TIMEOUT_MS } from './node-setup.ts';
import { submit } from './promised.ts';

describe('reachability', () => {
  it('tells when a majority comes into reach and goes', () => {
    const changes: boolean[] = [];
    const { node, transport } = setUp({ replicas: 5, onQuorum: (reachable) => changes.push(reachable) });
    const { events } = transport;
    expect(node.hasQuorum()).toBe(false);
    events?.onReachable(2, true);
    events?.onReachable(2, true);
    expect(changes).toEqual([]);
    events?.onReachable(3, true);
    events?.onReachable(4, true);
    expect(changes).toEqual([true]);
    events?.onReachable(2, false);
    events?.onReachable(3, false);
    expect(changes).toEqual([true, false]);
    expect(node.hasQuorum()).toBe(false);
  });
});

describe('failure', () => {
  it('of a write stops everything: nothing is sent or executed, and clients learn that they cannot know', async () => {
    const { node, log, core, storage, clock, perform } = setUp();
    const operation = put('a', '1');
    const { result } = submit(node, operation, TIMEOUT_MS);
    const ended = expect(result).rejects.toMatchObject({ code: 'storageFailure', outcome: 'unknown' });
    await clock.settle();
    storage.error = new KvError('storageFailure', 'the disk is gone');
    await perform({ records, sync: true, messages, executions: [execution(1, operation)] });
    await ended;
    expect(await node.failed).toBe(storage.error);
    expect(log).toEqual(['write 1 synced']);
    expect(clock.periodsMs).toEqual([]);

    core.inputs.length = 0;
    await perform({ messages });
    expect(core.inputs).toEqual([]);
    expect(log).toEqual(['write 1 synced']);
    expect(() => submit(node, put('b', '1'), TIMEOUT_MS)).toThrow(
      expect.objectContaining({ code: 'internal', outcome: 'notApplied' }),
    );
    await node.stop(0);
  });

  it('of writing effects stops everything', async () => {
    const { node, storage, clock, perform } = setUp();
    const operation = put('a', '1');
    const { result } = submit(node, put('b', '1'), TIMEOUT_MS);
    const ended = expect(result).rejects.toMatchObject({ code: 'storageFailure', outcome: 'unknown' });
    await clock.settle();
    storage.error = new KvError('storageFailure', 'the disk is full');
    await perform({ executions: [execution(1, operation)], flush: true });
    await ended;
    expect(await node.failed).toBe(storage.error);
  });

  it('of an assertion in the core is fatal too', async () => {
    const { node, core, clock, perform } = setUp();
    const { result } = submit(node, put('a', '1'), TIMEOUT_MS);
    const ended = expect(result).rejects.toMatchObject({ code: 'internal', outcome: 'unknown' });
    await clock.settle();
    core.stepError = new Error('two different commits');
    await perform({ messages });
    await ended;
    expect(await node.failed).toBe(core.stepError);
  });

  it('during a write keeps what follows the write from happening', async () => {
    const { node, log, core, storage, clock, perform } = setUp();
    const operation = put('a', '1');
    submit(node, operation, TIMEOUT_MS).result.catch(() => {});
    const others = submit(node, put('b', '1'), TIMEOUT_MS).result;
    others.catch(() => {});
    await clock.settle();
    storage.hold();
    await perform({ records, sync: true, messages });
    const bug = new Error('withdraw met a bug');
    core.withdraw = () => {
      throw bug;
    };
    clock.tickAfter(TIMEOUT_MS + 20);
    expect(await node.failed).toBe(bug);
    await expect(others).rejects.toMatchObject({ code: 'internal', outcome: 'unknown' });
    storage.release();
    await clock.settle();
    expect(log).toEqual(['write 1 synced', 'written']);
  });
});

describe('stopping', () => {
  it('is immediate when nobody waits, and takes no new requests', async () => {
    const { node, clock } = setUp();
    await clock.settle();
    await node.stop(5_000);
    await node.stop(5_000);
    expect(clock.periodsMs).toEqual([]);
    expect(() => submit(node, put('a', '1'), TIMEOUT_MS)).toThrow(
      expect.objectContaining({ code: 'shuttingDown', outcome: 'notApplied' }),
    );
  });

  it('waits for the requests that wait, and goes on working for them', async () => {
    const { node, log, clock, perform } = setUp();
    const operation = put('a', '1');
    const { result } = submit(node, operation, TIMEOUT_MS);
    await clock.settle();
    const stopped = node.stop(5_000).then(() => log.push('stopped'));
    clock.tickAfter(10);
    await clock.settle();
    expect(log).toEqual([]);
    await perform({ executions: [execution(1, operation)] });
    expect(await result).toMatchObject({ version: 1 });
    await stopped;
    expect(log).toEqual(['effects of 1.1: 1 rows, 1 answers', 'stopped']);
  });

  it('writes the records that wait for a later batch', async () => {
    const { node, log, perform } = setUp();
    await perform({ records });
    await node.stop(5_000);
    expect(log).toEqual(['write 1', 'written']);
  });

  it('ends what is left when the time is up', async () => {
    const { node, core, clock } = setUp();
    const [held, open] = [put('held', '1'), put('open', '1')];
    core.inInstances.add(open);
    const calls = [held, open].map((operation) => submit(node, operation, 60_000));
    const endings = Promise.allSettled(calls.map(({ result }) => result));
    await clock.settle();
    const stopped = node.stop(5_000);
    clock.tickAfter(5_000);
    await clock.settle();
    await stopped;
    expect(await endings).toMatchObject([
      { reason: { code: 'shuttingDown', outcome: 'notApplied' } },
      { reason: { code: 'shuttingDown', outcome: 'unknown' } },
    ]);
  });

  it('lets the turn that is under way finish first', async () => {
    const { node, log, storage, clock, perform } = setUp();
    storage.hold();
    await perform({ records, sync: true, messages });
    const stopped = node.stop(0).then(() => log.push('stopped'));
    clock.tickAfter(10);
    await clock.settle();
    expect(log).toEqual(['write 1 synced']);
    storage.release();
    await stopped;
    expect(log).toEqual(['write 1 synced', 'written', 'send fetch to 2', 'stopped']);
  });
});

describe('status', () => {
  it('joins what the core, the transport and the counters know', async () => {
    const { node, perform } = setUp();
    submit(node, put('a', '1'), TIMEOUT_MS).result.catch(() => {});
    const own = { replica: 1, slot: 1 };
    const other = { replica: 2, slot: 1 };
    await perform({
      events: [
        { type: 'committed', id: own, path: 'fast' },
        { type: 'committed', id: own, path: 'fast' },
        { type: 'committed', id: own, path: 'slow' },
        { type: 'committed', id: other, path: 'recovery' },
        { type: 'committed', id: other, path: 'learned' },
        { type: 'recoveryStarted', id: other, ballot: 4 },
      ],
    });
    expect(node.status()).toEqual({
      rows: [{ replica: 1, committed: 3, executed: 2, highest: 4, pruned: 1 }],
      openInstances: 1,
      waitingOperations: 2,
      blockedInstances: 3,
      paths: { fast: 2, slow: 1, recovered: 1 },
      latencies: { operations: 0, commit: [], execute: [], executionDelay: [] },
      peers: [{ id: 2, address: 'b:1', reachable: true, roundTripMs: null, dropped: 5, violations: 0 }],
      pendingRequests: 1,
      generation: 1,
      snapshot: null,
    });
  });
});
