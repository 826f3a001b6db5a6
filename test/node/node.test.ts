/** The loop: the order of effects, group commit, answers. */

import { describe, expect, it } from 'vitest';
import { Command, emptyRecord } from '../../src/epaxos/index.ts';
import { bytesOf, get, put } from '../kv/operations.ts';
import { execution, NOTHING } from './fakes.ts';
import { fetch, messages, records, setUp, TIMEOUT_MS } from './node-setup.ts';
import { submit } from './promised.ts';

describe('a turn', () => {
  it('writes records, then sends, then executes and answers, then writes the effects', async () => {
    const { node, log, storage, clock, perform } = setUp();
    const operation = put('a', '1');
    const { result } = submit(node, operation, TIMEOUT_MS);
    void result.then(() => log.push('answered'));
    await clock.settle();
    storage.hold();
    await perform({ records, sync: true, messages, executions: [execution(1, operation)], flush: true });
    expect(log).toEqual(['write 1 synced']);
    storage.release();
    storage.hold();
    await result;
    await clock.settle();
    expect(log).toEqual([
      'write 1 synced',
      'written',
      'send fetch to 2',
      'answered',
      'effects of 1.1: 1 rows, 1 answers',
    ]);
    storage.release();
  });

  it('sends what may leave early while the records are being written', async () => {
    const { log, storage, perform } = setUp();
    storage.hold();
    await perform({ records, sync: true, early: messages });
    expect(log).toEqual(['write 1 synced', 'send fetch to 2']);
    storage.release();
  });

  it('writes which slots are reserved with the records', async () => {
    const { storage, perform } = setUp();
    await perform({ records, sync: true, reserved: 32 });
    expect(storage.reserved()).toBe(32);
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

  it('keeps records that need no sync for the next tick', async () => {
    const { log, clock, perform } = setUp();
    await perform({ records, messages });
    expect(log).toEqual(['send fetch to 2']);
    clock.tickAfter(10);
    await clock.settle();
    expect(log).toEqual(['send fetch to 2', 'write 1', 'written']);
    clock.tickAfter(10);
    await clock.settle();
    expect(log).toHaveLength(3);
  });

  it('writes them with the next batch that is synced, the newest of each instance', async () => {
    const { log, perform } = setUp();
    const other = emptyRecord({ replica: 2, slot: 1 });
    await perform({ records: [...records, other] });
    await perform({ records, sync: true });
    expect(log).toEqual(['write 2 synced', 'written']);
  });

  it('writes them before the effects that speak of them', async () => {
    const { log, perform } = setUp();
    const executions = [execution(1, put('a', '1'))];
    await perform({ records, executions, flush: true });
    expect(log).toEqual(['write 1', 'written', 'effects of 1.1: 1 rows, 1 answers']);
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
    submit(node, put('a', '1'), TIMEOUT_MS).result.catch(() => {});
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
    submit(node, put('a', '1'), TIMEOUT_MS).result.catch(() => {});
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
  it('writes effects when they are due, all that were executed since, no-ops included, in one batch', async () => {
    const { log, perform, storage, sessions } = setUp();
    await perform({
      executions: [
        execution(1, put('a', '1'), put('a', '2')),
        { id: { replica: 2, slot: 7 }, command: null },
      ],
    });
    expect(log).toEqual([]);
    await perform({ executions: [execution(2, put('b', '1'))], flush: true });
    expect(log).toEqual(['effects of 1.1 2.7 1.2: 2 rows, 3 answers']);
    const stamp = { epoch: 1, id: { replica: 1, slot: 1 }, place: 1 };
    expect(storage.row('a')).toEqual({ value: bytesOf('2'), version: 2, stamp });
    expect(sessions.size).toBe(3);
  });

  it('answers each call with its own result', async () => {
    const { node, clock, perform } = setUp();
    const operations = [put('a', '1'), get('a'), get('b')];
    const calls = operations.map((operation) => submit(node, operation, TIMEOUT_MS));
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
    const { result } = submit(node, operation, TIMEOUT_MS);
    await clock.settle();
    await perform({
      executions: [{ id: { replica: 2, slot: 1 }, command: new Command([{ ...operation }]) }],
    });
    expect(await result).toMatchObject({ version: 1 });
    expect(core.inputs).toContain('withdraw a');
  });

  it('answers a write that was executed before from its record, without proposing it', async () => {
    const { node, core, clock, perform } = setUp();
    const operation = put('a', '1');
    await perform({ executions: [execution(1, operation)] });
    core.inputs.length = 0;
    expect(await submit(node, operation, TIMEOUT_MS).result).toMatchObject({ version: 1 });
    await clock.settle();
    expect(core.inputs).toEqual([]);
  });

  it('answers a retry that arrives while the first copy’s effects are being written', async () => {
    const { node, storage, clock, perform, core } = setUp();
    const operation = put('a', '1');
    storage.hold();
    await perform({ executions: [execution(1, operation)] });
    const { result } = submit(node, { ...operation }, TIMEOUT_MS);
    storage.release();
    await clock.settle();
    expect(await result).toMatchObject({ version: 1 });
    expect(core.proposed).toEqual([]);
  });
});

describe('requests', () => {
  it.each([put('a', '1'), get('a')])('are refused when the core takes no more ($kind)', async (operation) => {
    const { node, core, clock } = setUp();
    core.full = true;
    const { result } = submit(node, operation, TIMEOUT_MS);
    await Promise.all([
      expect(result).rejects.toMatchObject({ code: 'overloaded', outcome: 'notApplied' }),
      clock.settle(),
    ]);
  });

  it('are refused when nothing is left of their time', () => {
    const { node } = setUp();
    expect(() => submit(node, put('a', '1'), 0)).toThrow(
      expect.objectContaining({ code: 'deadlineExceeded', outcome: 'notApplied' }),
    );
  });

  it('past their deadline are taken back from the inbox, and never proposed', async () => {
    const { node, core, storage, clock, perform } = setUp();
    storage.hold();
    await perform({ records });
    const { result } = submit(node, put('a', '1'), TIMEOUT_MS);
    const ended = expect(result).rejects.toMatchObject({ code: 'noQuorum', outcome: 'notApplied' });
    clock.tickAfter(TIMEOUT_MS + 20);
    await ended;
    storage.release();
    await clock.settle();
    expect(core.inputs).not.toContain('propose a');
  });

  it.each([
    ['a moment', 1],
    ['a bucket of deadlines', 10],
    ['long', 5_000],
  ])(
    'whose deadline passes while the process stands still, for %s, are never proposed',
    async (_, lateMs) => {
      const { node, core, clock } = setUp();
      const { result } = submit(node, put('a', '1'), TIMEOUT_MS);
      const ended = expect(result).rejects.toMatchObject({ code: 'noQuorum', outcome: 'notApplied' });
      clock.pass(TIMEOUT_MS - 1 + lateMs); // no timer fires: the turn is what comes first
      await clock.settle();
      await ended;
      expect(core.inputs).not.toContain('propose a');
    },
  );

  it('are proposed up to their deadline', async () => {
    const { node, core, clock } = setUp();
    submit(node, put('a', '1'), TIMEOUT_MS).result.catch(() => undefined);
    clock.pass(TIMEOUT_MS - 1);
    await clock.settle();
    expect(core.inputs).toContain('propose a');
  });

  it('past their deadline are taken back from the core, or left unknown', async () => {
    const { node, core, transport, clock } = setUp();
    transport.events?.onReachable(2, true);
    const [held, open] = [put('held', '1'), put('open', '1')];
    core.inInstances.add(open);
    const calls = [held, open].map((operation) => submit(node, operation, TIMEOUT_MS));
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
    const { result } = submit(node, operation, TIMEOUT_MS);
    await clock.settle();
    const ended = expect(result).rejects.toMatchObject({ code: 'noQuorum', outcome: 'unknown' });
    clock.tickAfter(TIMEOUT_MS + 20);
    await ended;

    transport.events?.onReachable(2, true);
    const again = submit(node, operation, TIMEOUT_MS).result;
    clock.tickAfter(TIMEOUT_MS + 20);
    await expect(again).rejects.toMatchObject({ code: 'deadlineExceeded' });
  });
});
