/** The loop: the order of effects, group commit, answers, failure, stopping. */
import { describe, expect, it } from 'vitest';
import { emptyRecord, type Message, type Ready } from '../../src/epaxos/index.ts';
import { KvError } from '../../src/errors.ts';
import { Sessions } from '../../src/kv/index.ts';
import { createLogger } from '../../src/server/logger.ts';
import { Node, type NodeOptions } from '../../src/server/node.ts';
import { bytesOf, get, put } from '../kv/operations.ts';
import { execution, FakeCore, FakeStorage, FakeTransport, ManualClock, NOTHING } from './fakes.ts';

const logger = createLogger({ level: 'silent', cluster: 'test', replica: 1 });
const LIMITS = { requests: 10, requestBytes: 1_000, messages: 10, messageBytes: 1_000 };
const TIMEOUT_MS = 1_000;
const fetch: Message = { type: 'fetch', ranges: [] };
const records = [emptyRecord({ replica: 1, slot: 1 })];
const messages = [{ to: 2, message: fetch }];

function setUp(overrides: Partial<NodeOptions> = {}) {
  const log: string[] = [];
  const core = new FakeCore();
  const storage = new FakeStorage(log);
  const transport = new FakeTransport(log);
  const clock = new ManualClock();
  const sessions = new Sessions();
  const node = new Node({
    id: 1,
    replicas: 3,
    core,
    storage,
    transport,
    sessions,
    clock,
    tickMs: 10,
    limits: LIMITS,
    logger,
    ...overrides,
  });
  node.start();
  /** Gives the core a batch and something to wake the loop with. */
  const perform = async (ready: Partial<Ready>) => {
    core.batches.push({ ...NOTHING, ...ready });
    transport.events?.onMessages(2, [fetch]);
    await clock.settle();
  };
  return { node, log, core, storage, transport, clock, sessions, perform };
}

describe('a turn', () => {
  it('writes records, then sends, then executes, then answers', async () => {
    const { node, log, clock, perform } = setUp();
    const operation = put('a', '1');
    const { result } = node.submit(operation, TIMEOUT_MS);
    void result.then(() => log.push('answered'));
    await clock.settle();
    await perform({ records, sync: true, messages, executions: [execution(1, operation)] });
    expect(log).toEqual([
      'write 1 synced',
      'written',
      'send fetch to 2',
      'effects of 1.1: 1 rows, 1 answers',
      'answered',
    ]);
  });

  it('sends nothing while the records are being written', async () => {
    const { log, storage, perform } = setUp();
    storage.hold();
    await perform({ records, sync: true, messages });
    expect(log).toEqual(['write 1 synced']);
    storage.release();
    await perform({});
    expect(log).toEqual(['write 1 synced', 'written', 'send fetch to 2']);
  });

  it('writes records unsynced where the core says so, and no batch where there are none', async () => {
    const { log, perform } = setUp();
    await perform({ records });
    await perform({ messages });
    expect(log).toEqual(['write 1', 'written', 'send fetch to 2']);
  });

  it('syncs what was written before where the core asks for it without a record', async () => {
    const { log, perform } = setUp();
    await perform({ sync: true, messages });
    expect(log).toEqual(['write 0 synced', 'written', 'send fetch to 2']);
  });

  it('drains in order: reachability, messages, operations, one tick', async () => {
    const { node, core, transport, clock } = setUp();
    await clock.settle();
    clock.tickAfter(10);
    clock.tickAfter(10);
    node.submit(put('a', '1'), TIMEOUT_MS).result.catch(() => {});
    transport.events?.onMessages(2, [fetch, fetch]);
    transport.events?.onReachable(3, true);
    await clock.settle();
    expect(core.inputs).toEqual(['reachable 3', 'step 2 fetch', 'step 2 fetch', 'propose a', 'tick']);
  });

  it('tells the core the measured round trips with each tick', async () => {
    const { core, transport, clock } = setUp();
    await clock.settle();
    transport.roundTripMs = 12;
    clock.tickAfter(10);
    await clock.settle();
    expect(core.inputs).toEqual(['round trip to 2: 12 ms', 'tick']);
  });

  it('leaves what arrives during a write to the next turn', async () => {
    const { node, core, storage, transport, clock, perform } = setUp();
    storage.hold();
    await perform({ records, sync: true });
    core.inputs.length = 0;
    node.submit(put('a', '1'), TIMEOUT_MS).result.catch(() => {});
    transport.events?.onMessages(2, [fetch]);
    clock.tickAfter(10);
    await clock.settle();
    expect(core.inputs).toEqual([]);
    storage.release();
    await clock.settle();
    expect(core.inputs).toEqual(['step 2 fetch', 'propose a', 'tick']);
  });

  it('goes on by itself while the core has work left, and sleeps when it has not', async () => {
    const { core, clock, log } = setUp();
    core.batches.push({ ...NOTHING, messages }, { ...NOTHING, messages }, { ...NOTHING, messages });
    await clock.settle();
    expect(log).toHaveLength(3);
    expect(clock.waiting).toBe(0);
  });

  it('lets other work run between two turns', async () => {
    const { core, clock, log } = setUp();
    core.batches.push({ ...NOTHING, messages }, { ...NOTHING, messages });
    clock.soon(() => log.push('other work'));
    await clock.settle();
    expect(log).toEqual(['send fetch to 2', 'other work', 'send fetch to 2']);
  });
});

describe('execution', () => {
  it('writes the effects of all instances of a turn in one batch, no-ops included', async () => {
    const { log, perform, storage, sessions } = setUp();
    await perform({
      executions: [
        execution(1, put('a', '1'), put('a', '2')),
        { id: { replica: 2, slot: 7 }, command: null },
        execution(2, put('b', '1')),
      ],
    });
    expect(log).toEqual(['effects of 1.1 2.7 1.2: 2 rows, 3 answers']);
    expect(storage.row('a')).toEqual({ value: bytesOf('2'), version: 2 });
    expect(sessions.size).toBe(3);
  });

  it('answers each call with its own result', async () => {
    const { node, clock, perform } = setUp();
    const operations = [put('a', '1'), get('a'), get('b')];
    const calls = operations.map((operation) => node.submit(operation, TIMEOUT_MS));
    await clock.settle();
    await perform({ executions: [execution(1, ...operations)] });
    expect(await Promise.all(calls.map(({ result }) => result))).toEqual([
      { version: 1, value: null, previousVersion: 0 },
      { version: 1, value: bytesOf('1'), previousVersion: 0 },
      { version: 0, value: null, previousVersion: 0 },
    ]);
  });

  it('answers a retry from an instance that another replica coordinated', async () => {
    const { node, core, clock, perform } = setUp();
    const operation = put('a', '1');
    const { result } = node.submit(operation, TIMEOUT_MS);
    await clock.settle();
    await perform({
      executions: [{ id: { replica: 2, slot: 1 }, command: { operations: [{ ...operation }] } }],
    });
    expect(await result).toMatchObject({ version: 1 });
    expect(core.inputs).toContain('withdraw a');
  });

  it('answers a write that was executed before from its record, without proposing it', async () => {
    const { node, core, clock, perform } = setUp();
    const operation = put('a', '1');
    await perform({ executions: [execution(1, operation)] });
    core.inputs.length = 0;
    expect(await node.submit(operation, TIMEOUT_MS).result).toMatchObject({ version: 1 });
    await clock.settle();
    expect(core.inputs).toEqual([]);
  });

  it('answers a retry that arrives while the first copy’s effects are being written', async () => {
    const { node, storage, clock, perform, core } = setUp();
    const operation = put('a', '1');
    storage.hold();
    await perform({ executions: [execution(1, operation)] });
    const { result } = node.submit({ ...operation }, TIMEOUT_MS);
    storage.release();
    await clock.settle();
    expect(await result).toMatchObject({ version: 1 });
    expect(core.proposed).toEqual([]);
  });
});

describe('requests', () => {
  it('are refused when the core’s queue is full', async () => {
    const { node, core, clock } = setUp();
    core.full = true;
    const { result } = node.submit(put('a', '1'), TIMEOUT_MS);
    await Promise.all([
      expect(result).rejects.toMatchObject({ code: 'overloaded', outcome: 'notApplied' }),
      clock.settle(),
    ]);
  });

  it('are refused when nothing is left of their time', () => {
    const { node } = setUp();
    expect(() => node.submit(put('a', '1'), 0)).toThrow(
      expect.objectContaining({ code: 'deadlineExceeded', outcome: 'notApplied' }),
    );
  });

  it('past their deadline are taken back from the inbox, and never proposed', async () => {
    const { node, core, storage, clock, perform } = setUp();
    storage.hold();
    await perform({ records });
    const { result } = node.submit(put('a', '1'), TIMEOUT_MS);
    const ended = expect(result).rejects.toMatchObject({ code: 'deadlineExceeded', outcome: 'notApplied' });
    clock.tickAfter(TIMEOUT_MS + 20);
    await ended;
    storage.release();
    await clock.settle();
    expect(core.inputs).not.toContain('propose a');
  });

  it('past their deadline are taken back from the core, or left unknown', async () => {
    const { node, core, transport, clock } = setUp();
    transport.events?.onReachable(2, true);
    const [held, open] = [put('held', '1'), put('open', '1')];
    core.inInstances.add(open);
    const calls = [held, open].map((operation) => node.submit(operation, TIMEOUT_MS));
    await clock.settle();
    const endings = Promise.allSettled(calls.map(({ result }) => result));
    clock.tickAfter(TIMEOUT_MS + 20);
    expect(await endings).toMatchObject([
      { reason: { code: 'deadlineExceeded', outcome: 'notApplied' } },
      { reason: { code: 'deadlineExceeded', outcome: 'unknown' } },
    ]);
  });

  it('under way without a majority end with noQuorum, unless it comes back in time', async () => {
    const { node, core, transport, clock } = setUp();
    const operation = put('a', '1');
    core.inInstances.add(operation);
    const { result } = node.submit(operation, TIMEOUT_MS);
    await clock.settle();
    const ended = expect(result).rejects.toMatchObject({ code: 'noQuorum', outcome: 'unknown' });
    clock.tickAfter(TIMEOUT_MS + 20);
    await ended;

    transport.events?.onReachable(2, true);
    const again = node.submit(operation, TIMEOUT_MS).result;
    clock.tickAfter(TIMEOUT_MS + 20);
    await expect(again).rejects.toMatchObject({ code: 'deadlineExceeded' });
  });
});

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
    const { result } = node.submit(operation, TIMEOUT_MS);
    const ended = expect(result).rejects.toMatchObject({ code: 'storageFailure', outcome: 'unknown' });
    await clock.settle();
    storage.error = new KvError('storageFailure', 'the disk is gone');
    await perform({ records, sync: true, messages, executions: [execution(1, operation)] });
    await ended;
    expect(await node.failed).toBe(storage.error);
    expect(log).toEqual(['write 1 synced']);
    expect(clock.timers).toBe(0);

    core.inputs.length = 0;
    await perform({ messages });
    expect(core.inputs).toEqual([]);
    expect(log).toEqual(['write 1 synced']);
    expect(() => node.submit(put('b', '1'), TIMEOUT_MS)).toThrow(
      expect.objectContaining({ code: 'internal', outcome: 'notApplied' }),
    );
    await node.stop(0);
  });

  it('of writing effects stops everything, and nobody is answered', async () => {
    const { node, storage, clock, perform, sessions } = setUp();
    const operation = put('a', '1');
    const { result } = node.submit(operation, TIMEOUT_MS);
    const ended = expect(result).rejects.toMatchObject({ code: 'storageFailure', outcome: 'unknown' });
    await clock.settle();
    storage.error = new KvError('storageFailure', 'the disk is full');
    await perform({ executions: [execution(1, operation)] });
    await ended;
    expect(await node.failed).toBe(storage.error);
    expect(sessions.size).toBe(0);
  });

  it('of an assertion in the core is fatal too', async () => {
    const { node, core, clock, perform } = setUp();
    const { result } = node.submit(put('a', '1'), TIMEOUT_MS);
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
    node.submit(operation, TIMEOUT_MS).result.catch(() => {});
    const others = node.submit(put('b', '1'), TIMEOUT_MS).result;
    others.catch(() => {});
    await clock.settle();
    storage.hold();
    await perform({ records, messages });
    const bug = new Error('withdraw met a bug');
    core.withdraw = () => {
      throw bug;
    };
    clock.tickAfter(TIMEOUT_MS + 20);
    expect(await node.failed).toBe(bug);
    await expect(others).rejects.toMatchObject({ code: 'internal', outcome: 'unknown' });
    storage.release();
    await clock.settle();
    expect(log).toEqual(['write 1', 'written']);
  });
});

describe('stopping', () => {
  it('is immediate when nobody waits, and takes no new requests', async () => {
    const { node, clock } = setUp();
    await clock.settle();
    await node.stop(5_000);
    await node.stop(5_000);
    expect(clock.timers).toBe(0);
    expect(() => node.submit(put('a', '1'), TIMEOUT_MS)).toThrow(
      expect.objectContaining({ code: 'shuttingDown', outcome: 'notApplied' }),
    );
  });

  it('waits for the requests that wait, and goes on working for them', async () => {
    const { node, log, clock, perform } = setUp();
    const operation = put('a', '1');
    const { result } = node.submit(operation, TIMEOUT_MS);
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

  it('ends what is left when the time is up', async () => {
    const { node, core, clock } = setUp();
    const [held, open] = [put('held', '1'), put('open', '1')];
    core.inInstances.add(open);
    const calls = [held, open].map((operation) => node.submit(operation, 60_000));
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
    node.submit(put('a', '1'), TIMEOUT_MS).result.catch(() => {});
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
      rows: [{ replica: 1, committed: 3, executed: 2, highest: 4 }],
      openInstances: 1,
      heldOperations: 2,
      blockedInstances: 3,
      paths: { fast: 2, slow: 1, recovered: 1 },
      peers: [{ id: 2, address: 'b:1', reachable: true, roundTripMs: null, dropped: 5 }],
      pendingRequests: 1,
    });
  });
});
