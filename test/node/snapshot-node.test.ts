/** The loop of a replica that is too far behind: it copies a snapshot, puts it in place, and goes on from it. */

import { describe, expect, it } from 'vitest';
import { Command } from '../../src/epaxos/index.ts';
import { KvError } from '../../src/errors.ts';
import { Sessions } from '../../src/kv/index.ts';
import type { SnapshotChunk } from '../../src/wire/index.ts';
import { get, put } from '../kv/operations.ts';
import { committedRecord } from '../storage/samples.ts';
import { execution, NOTHING } from './fakes.ts';
import { submit } from './promised.ts';
import { COPIED, chunk, fetch, setUp, stream } from './snapshot-setup.ts';

describe('a replica that is too far behind', () => {
  it('copies the snapshot, puts it in place between two turns, and goes on with a new core', async () => {
    const { node, log, core, next, transport, perform, wanted } = setUp();
    transport.chunks.push(stream(chunk('s', 'a'), chunk('s', 'b', true)));
    await wanted();
    expect(log).toEqual(['fetch snapshot anew from 2', 'snapshot installed', 'restored']);
    expect(node.status().snapshot).toBeNull();
    core.inputs.length = 0;
    await perform({}, next);
    expect(core.inputs).toEqual([]);
    expect(next.inputs).toContain('step 2 fetch');
  });

  it('tells how far it has come, and works on meanwhile', async () => {
    const { node, log, core, transport, wanted, perform } = setUp();
    let arrive = (_: SnapshotChunk) => {};
    const later = new Promise<SnapshotChunk>((resolve) => {
      arrive = resolve;
    });
    transport.chunks.push(
      (async function* () {
        yield chunk('s', 'a');
        yield await later;
      })(),
    );
    await wanted();
    expect(node.status().snapshot).toEqual({ source: 2, entries: 1, bytes: 1 });
    await wanted(3); // named again: one at a time
    await perform({ sync: true });
    expect(core.inputs.filter((input) => input === 'step 2 fetch')).toHaveLength(3);
    expect(log).toEqual(['fetch snapshot anew from 2', 'write 0 synced', 'written']);
    arrive(chunk('s', 'b', true));
    await perform({});
    expect(log).toContain('snapshot installed');
  });

  it('answers no stale read while the table is being replaced', async () => {
    const { node, storage, transport, wanted } = setUp();
    const install = storage.staging.install.bind(storage.staging);
    let refusal: unknown = null;
    storage.staging.install = async () => {
      try {
        node.readStale(get('a'));
      } catch (error) {
        refusal = error;
      }
      return await install();
    };
    transport.chunks.push(stream(chunk('s', 'a', true)));
    await wanted();
    expect(refusal).toMatchObject({ code: 'overloaded', outcome: 'notApplied' });
    expect(node.readStale(get('a'))).toMatchObject({ version: 0 });
  });

  it('tells the new core which peers are reachable', async () => {
    const { next, transport, wanted } = setUp();
    transport.events?.onReachable(2, true);
    transport.events?.onReachable(3, true);
    transport.events?.onReachable(3, false);
    transport.chunks.push(stream(chunk('s', 'a', true)));
    await wanted();
    expect(next.inputs).toContain('reachable 2');
    expect(next.inputs).not.toContain('reachable 3');
  });

  it('proposes again what is waited for, but for what was proposed and cannot be repeated', async () => {
    const { node, core, next, transport, clock, wanted } = setUp();
    const [held, read, open] = [put('held', '1'), get('read'), put('open', '1')];
    const once = put('once', '1', { unrecorded: true });
    for (const each of [open, once]) core.inInstances.add(each);
    const calls = [held, read, open, once].map((operation) => submit(node, operation, 1_000).result);
    await clock.settle();
    transport.chunks.push(stream(chunk('s', 'a', true)));
    await wanted();
    expect(next.inputs).toEqual(expect.arrayContaining(['propose held', 'read read', 'propose open']));
    expect(next.inputs).not.toContain('propose once');
    // Each still waits for its answer, whoever brings it.
    next.batches.push({
      ...NOTHING,
      executions: [{ id: { replica: 1, slot: 9 }, command: new Command([once, open, held]) }],
      reads: [read],
    });
    transport.events?.onMessages(2, [fetch]);
    await clock.settle();
    expect((await Promise.all(calls)).map(({ version }) => version)).toEqual([1, 0, 1, 1]);
  });

  it('says of one that was proposed before, and comes too late, that another copy may have been applied', async () => {
    const { node, core, next, nextSessions, transport, clock, wanted } = setUp();
    const [held, open] = [put('held', '1'), put('open', '1')];
    core.inInstances.add(open);
    const calls = [held, open].map((operation) => submit(node, operation, 1_000).result);
    await clock.settle();
    transport.chunks.push(stream(chunk('s', 'a', true)));
    await wanted();
    for (const generation of [1, 2]) nextSessions.advance(generation);
    const executions = [{ id: { replica: 1, slot: 9 }, command: new Command([open, held]) }];
    next.batches.push({ ...NOTHING, executions });
    transport.events?.onMessages(2, [fetch]);
    const ends = Promise.allSettled(calls);
    await clock.settle();
    expect(await ends).toMatchObject([
      { reason: { code: 'requestTooOld', outcome: 'unknown' } },
      { reason: { code: 'connectionLost', outcome: 'unknown' } },
    ]);
  });

  it('answers from the snapshot what was executed in it', async () => {
    const { node, core, next, nextSessions, transport, clock, wanted } = setUp();
    const operation = put('a', '1');
    core.inInstances.add(operation);
    const { result } = submit(node, operation, 1_000);
    await clock.settle();
    const answer = { version: 7, value: null, previousVersion: 0 };
    nextSessions.record({ request: operation.request, key: 'a', result: answer });
    transport.chunks.push(stream(chunk('s', 'a', true)));
    await wanted();
    expect(await result).toEqual(answer);
    expect(await submit(node, operation, 1_000).result).toEqual(answer); // and a retry, too
    expect(next.proposed).toEqual([]);
  });

  it('counts no latency of what the old core had proposed: it is not executed here', async () => {
    const { node, next, transport, perform, wanted } = setUp();
    const id = { replica: 1, slot: 1 };
    await perform({ events: [{ type: 'proposed', id, operations: 1 }] });
    transport.chunks.push(stream(chunk('s', 'a', true)));
    await wanted();
    await perform({ events: [{ type: 'committed', id, path: 'recovery' }] }, next);
    expect(node.status().latencies).toMatchObject({ operations: 1, commit: [] });
  });

  it('does not count a wait as over because of it', async () => {
    const { node, core, transport, clock, wanted } = setUp();
    const operation = put('a', '1');
    core.inInstances.add(operation);
    const { result } = submit(node, operation, 1_000);
    await clock.settle();
    transport.chunks.push(stream(chunk('s', 'a', true)));
    await wanted();
    const ended = expect(result).rejects.toMatchObject({ outcome: 'unknown' });
    clock.tickAfter(1_020); // the new core takes it back, and the old one had proposed it
    await ended;
  });

  it.each<[how: string, end: (parts: ReturnType<typeof setUp>) => unknown]>([
    ['refused', ({ next }) => Object.assign(next, { full: true })],
    ['ended by stopping', ({ node }) => node.stop(0)],
  ])('does not say that what the old core had proposed was not applied when it is %s', async (_, end) => {
    const parts = setUp();
    const { node, core, transport, clock, wanted, perform, next } = parts;
    const operation = put('a', '1');
    core.inInstances.add(operation);
    const { result } = submit(node, operation, 1_000);
    const ended = expect(result).rejects.toMatchObject({ outcome: 'unknown' });
    await clock.settle();
    parts.restore.mockImplementationOnce(async () => {
      void end(parts);
      return { core: next, sessions: new Sessions() };
    });
    transport.chunks.push(stream(chunk('s', 'a', true)));
    await wanted();
    await perform({}, next);
    await ended;
  });
});

describe('a snapshot that does not arrive', () => {
  it('is gone on with after a while, where it was', async () => {
    const { log, transport, clock, wanted } = setUp();
    const broken = new KvError('connectionLost', 'the stream broke');
    transport.chunks.push(stream(chunk('s', 'a'), broken), stream(chunk('s', 'b', true)));
    await wanted();
    await wanted();
    expect(log).toEqual(['fetch snapshot anew from 2']); // not at once
    clock.tickAfter(600);
    await wanted(3);
    expect(log).toEqual([
      'fetch snapshot anew from 2',
      'fetch snapshot s from 2 after a',
      'snapshot installed',
      'restored',
    ]);
  });

  it('is gone on with within an entry of which only the beginning is here', async () => {
    const { log, storage, wanted } = setUp();
    const [staging, last] = [storage.staging, Buffer.from('z')];
    const part = { key: Buffer.from('zz'), bytes: 5, rest: 6 };
    staging.staged = { source: 3, id: 's', last, part, entries: 9, bytes: 9, complete: false };
    await wanted(2);
    expect(log).toEqual(['fetch snapshot s from 3 after z + 5']);
  });

  it('is had from another peer when the first gives nothing', async () => {
    const { log, transport, clock, wanted } = setUp();
    transport.chunks.push(stream(chunk('s', 'a'), new KvError('connectionLost', 'the stream broke')));
    await wanted(2);
    for (let attempt = 0; attempt < 4; attempt += 1) {
      clock.tickAfter(15_000);
      await wanted(3);
    }
    const resumed = 'fetch snapshot s from 2 after a';
    expect(log.slice(1)).toEqual([
      resumed,
      resumed,
      'fetch snapshot anew from 3',
      'fetch snapshot anew from 3',
    ]);
  });

  it('is had from whoever could give it, each in its turn, whoever says so first', async () => {
    const { log, transport, clock, wanted } = setUp();
    const refused = new KvError('overloaded', '2 snapshots are being sent already; try again later');
    transport.chunks.push(...Array.from({ length: 6 }, () => stream(refused)));
    for (let attempt = 0; attempt < 6; attempt += 1) {
      for (const source of [2, 3, 4]) await wanted(source);
      clock.tickAfter(15_000);
    }
    expect(log).toEqual([2, 3, 4, 2, 3, 4].map((source) => `fetch snapshot anew from ${source}`));
  });

  it('is had from another peer when the first loses it each time, and begins another one', async () => {
    const { log, transport, clock, wanted } = setUp();
    const broken = new KvError('connectionLost', 'the stream broke');
    transport.chunks.push(...['s', 't', 'u', 'v'].map((id) => stream(chunk(id, 'a'), broken)));
    await wanted(2);
    for (let attempt = 0; attempt < 3; attempt += 1) {
      clock.tickAfter(15_000);
      await wanted(3);
    }
    expect(log.map((line) => line.replace(/ snapshot .* from (\d).*/, ' $1'))).toEqual(
      [2, 2, 2, 3].map((source) => `fetch ${source}`),
    );
  });

  it('is gone on with from the same peer for as long as that gives something, however often it breaks', async () => {
    const { log, transport, clock, wanted } = setUp();
    const keys = ['a', 'b', 'c', 'd', 'e'];
    const broken = new KvError('connectionLost', 'the stream broke');
    transport.chunks.push(...keys.map((key) => stream(chunk('s', key), broken)));
    await wanted(2);
    for (const _key of keys) {
      clock.tickAfter(1_000);
      await wanted(3);
    }
    expect(log).toEqual([
      'fetch snapshot anew from 2',
      ...keys.map((key) => `fetch snapshot s from 2 after ${key}`),
    ]);
  });

  it('because it ends too early is asked for again', async () => {
    const { log, transport, clock, wanted } = setUp();
    transport.chunks.push(stream(chunk('s', 'a')));
    await wanted();
    clock.tickAfter(15_000);
    await wanted();
    expect(log).toEqual(['fetch snapshot anew from 2', 'fetch snapshot s from 2 after a']);
  });

  it('because a chunk is malformed is dropped, and begun anew', async () => {
    const { node, log, storage, transport, clock, wanted } = setUp();
    transport.chunks.push(stream(chunk('s', 'a', true)));
    storage.staging.error = new KvError('invalidArgument', 'nonsense');
    await wanted();
    expect(log).toEqual(['fetch snapshot anew from 2', 'staging cleared']);
    clock.tickAfter(15_000);
    await wanted();
    expect(log.at(-1)).toBe('fetch snapshot anew from 2');
    expect(node.status().snapshot).toBeNull();
  });

  it('because the disk fails ends the replica', async () => {
    const { node, storage, transport, wanted } = setUp();
    transport.chunks.push(stream(chunk('s', 'a', true)));
    const broken = new KvError('storageFailure', 'the disk is gone');
    storage.staging.error = broken;
    await wanted();
    expect(await node.failed).toBe(broken);
  });
});

describe('a complete snapshot', () => {
  it('that an earlier process has staged is installed without copying it again', async () => {
    const { log, storage, wanted } = setUp();
    storage.staging.staged = COPIED;
    await wanted(2);
    expect(log).toEqual(['snapshot installed', 'restored']);
  });

  it('is put in place when all that was executed here is in the store, which decides whether it fits', async () => {
    const { log, transport, perform, wanted } = setUp();
    const record = committedRecord({ replica: 1, slot: 1 });
    await perform({ records: [record], executions: [execution(1, put('a', '1'))] });
    expect(log).toEqual([]);
    transport.chunks.push(stream(chunk('s', 'a', true)));
    await wanted();
    expect(log).toEqual([
      'fetch snapshot anew from 2',
      'write 1',
      'written',
      'effects of 1.1: 1 rows, 1 answers',
      'snapshot installed',
      'restored',
    ]);
  });

  it('that does not fit changes nothing, and another one is asked for later', async () => {
    const { log, core, storage, transport, clock, wanted, restore } = setUp();
    storage.staging.fits = false;
    transport.chunks.push(stream(chunk('s', 'a', true)));
    await wanted();
    expect(restore).not.toHaveBeenCalled();
    await wanted();
    expect(log).toEqual(['fetch snapshot anew from 2', 'snapshot installed']); // not at once
    core.inputs.length = 0;
    clock.tickAfter(15_000);
    await wanted();
    expect(core.inputs).toContain('tick');
    expect(log).toEqual(['fetch snapshot anew from 2', 'snapshot installed', 'fetch snapshot anew from 2']);
  });

  it('that cannot be read back ends the replica', async () => {
    const { node, transport, restore, wanted } = setUp();
    const damaged = new KvError('storageFailure', 'damaged');
    restore.mockRejectedValueOnce(damaged);
    transport.chunks.push(stream(chunk('s', 'a', true)));
    await wanted();
    expect(await node.failed).toBe(damaged);
  });
});

describe('a replica that is stopped or has failed', () => {
  it('takes nothing more of a snapshot, and waits for none', async () => {
    const { node, storage, transport, clock, wanted } = setUp();
    let arrive = (_: SnapshotChunk) => {};
    const later = new Promise<SnapshotChunk>((resolve) => {
      arrive = resolve;
    });
    transport.chunks.push(
      (async function* () {
        yield await later;
      })(),
    );
    await wanted();
    await node.stop(0);
    arrive(chunk('s', 'a', true));
    await clock.settle();
    expect(storage.staging.staged).toBeNull();
  });
});

describe('a replica whose peers know it with another store', () => {
  it('does not go on', async () => {
    const { node, transport, core, perform } = setUp();
    const error = new KvError('dataDirectoryMismatch', 'replica 1 has run before');
    transport.events?.onDisowned(error);
    expect(await node.failed).toBe(error);
    core.inputs.length = 0;
    await perform({});
    expect(core.inputs).toEqual([]);
  });
});
