/** Snapshots for peers: chunks, going on where a stream broke, and how many are open for how long. */
import { beforeEach, describe, expect, it } from 'vitest';
import { SnapshotServer } from '../../src/node/snapshot-server.ts';
import { createLogger } from '../../src/server/logger.ts';
import { MemoryStorage, type SnapshotView } from '../../src/storage/index.ts';
import type { SnapshotChunk } from '../../src/wire/index.ts';
import { collect, effectsOf, rowOf } from '../storage/samples.ts';
import { ManualClock } from './fakes.ts';

const logger = createLogger({ level: 'silent', cluster: 'test', replica: 1 });
const NEW = { id: '', after: new Uint8Array(0), offset: 0 };
const KEYS = ['a', 'b', 'c', 'd', 'e'];

let storage: MemoryStorage;
let open: SnapshotView[];
let clock: ManualClock;
let server: SnapshotServer;

beforeEach(async () => {
  storage = new MemoryStorage({ replicas: 3 });
  const rows = KEYS.map((key) => ({ key, row: rowOf('x'.repeat(100)) }));
  await storage.writeEffects(effectsOf({ rows }));
  open = [];
  const openSnapshot = () => {
    const view = storage.openSnapshot();
    open.push(view);
    const close = view.close.bind(view);
    view.close = async () => {
      open = open.filter((each) => each !== view);
      await close();
    };
    return view;
  };
  clock = new ManualClock();
  const limits = { chunkBytes: 250, open: 2, idleMs: 60_000 };
  server = new SnapshotServer({ storage: { openSnapshot }, clock, limits, logger });
});

function keysOf(chunks: readonly SnapshotChunk[]): string[] {
  return chunks.flatMap(({ entries }) =>
    entries.map(({ key }) => Buffer.from(key.subarray(2)).toString('utf8')),
  );
}

function begun(peer: number): AsyncIterator<SnapshotChunk> {
  return server.serve(peer, NEW)[Symbol.asyncIterator]();
}

describe('a snapshot', () => {
  it('comes in chunks of bounded size, the last of which says so', async () => {
    const chunks = await collect(server.serve(2, NEW));
    expect(keysOf(chunks)).toEqual(KEYS);
    expect(chunks.map(({ entries }) => entries.length)).toEqual([2, 2, 1]);
    expect(chunks.map(({ done }) => done)).toEqual([false, false, true]);
    expect(new Set(chunks.map(({ id }) => id)).size).toBe(1);
  });

  it('of an empty store is one empty chunk', async () => {
    storage = new MemoryStorage({ replicas: 3 });
    expect(await collect(server.serve(2, NEW))).toMatchObject([{ entries: [], done: true }]);
  });

  it('has an entry that is larger than a chunk in pieces, and goes on behind any byte of it', async () => {
    await storage.writeEffects(effectsOf({ rows: [{ key: 'b2', row: rowOf('x'.repeat(600)) }] }));
    const chunks = await collect(server.serve(2, NEW));
    const keys = [['a', 'b'], ['b2'], ['b2'], ['b2', 'c'], ['d', 'e']];
    expect(chunks.map((chunk) => keysOf([chunk]))).toEqual(keys);
    const pieces = chunks.slice(1, 4).map(({ entries }) => entries[0]?.value ?? new Uint8Array(0));
    const whole = Buffer.concat(pieces);
    expect(chunks.map(({ rest }) => rest)).toEqual([0, whole.length - 246, whole.length - 2 * 246, 0, 0]);
    const { id = '', entries = [] } = chunks[0] ?? {};
    const after = entries.at(-1)?.key ?? expect.fail('an entry');
    for (let offset = 1; offset <= whole.length; offset += 1) {
      const request = { id, after, offset };
      const rest = await collect(server.serve(2, request));
      const values = rest.flatMap((chunk) => chunk.entries.filter(({ key }) => key.length === 4));
      expect(Buffer.concat(values.map(({ value }) => value))).toEqual(whole.subarray(offset));
    }
    for (const beyond of [
      { id, after, offset: whole.length + 1 },
      { id, after: chunks.at(-1)?.entries.at(-1)?.key ?? after, offset: 1 },
    ]) {
      await expect(collect(server.serve(2, beyond))).rejects.toMatchObject({ code: 'invalidArgument' });
    }
  });

  it('is cut into chunks that are no larger than they may be, whatever is in it', async () => {
    const rows = [0, 1, 247, 248, 249, 250, 251, 2_000].map((length) => ({
      key: `${length}`,
      row: rowOf('x'.repeat(length)),
    }));
    await storage.writeEffects(effectsOf({ rows }));
    const chunks = await collect(server.serve(2, NEW));
    const sizeOf = ({ key, value }: { readonly key: Uint8Array; readonly value: Uint8Array }) =>
      key.length + value.length;
    for (const { entries } of chunks) {
      expect(entries.reduce((sum, entry) => sum + sizeOf(entry), 0)).toBeLessThanOrEqual(250);
    }
  });

  it('is gone on with behind any of its entries, as it was when it was begun', async () => {
    const chunks = await collect(server.serve(2, NEW));
    await storage.writeEffects(effectsOf({ rows: KEYS.map((key) => ({ key, row: null })) }));
    const id = chunks[0]?.id ?? '';
    for (const [index, { key }] of chunks.flatMap(({ entries }) => entries).entries()) {
      const rest = await collect(server.serve(2, { id, after: key, offset: 0 }));
      expect(keysOf(rest)).toEqual(KEYS.slice(index + 1));
      expect(rest[0]?.id).toBe(id);
    }
    expect(open).toHaveLength(1);
  });

  it('of another peer, or unknown, is begun anew with another id', async () => {
    const [first] = await collect(server.serve(2, NEW));
    const after = first?.entries.at(-1)?.key ?? new Uint8Array(0);
    for (const [peer, id] of [
      [3, first?.id ?? ''],
      [2, 'unknown'],
    ] as const) {
      const chunks = await collect(server.serve(peer, { id, after, offset: 0 }));
      expect(keysOf(chunks)).toEqual(KEYS);
      expect(chunks[0]?.id).not.toBe(id);
    }
  });
});

describe('open snapshots', () => {
  it('are closed a minute after they were read last', async () => {
    const reading = begun(2);
    const id = (await reading.next()).value?.id;
    clock.tickAfter(60_000);
    expect(open).toHaveLength(1);
    expect((await reading.next()).value?.id).toBe(id);
    await reading.return?.();
    clock.tickAfter(60_000);
    expect(open).toHaveLength(1);
    clock.tickAfter(1_000);
    expect(open).toHaveLength(0);
    expect(clock.periodsMs).toEqual([]); // nothing to look after
  });

  it('are closed also under a stream of which nothing is taken, so that it keeps no place for good', async () => {
    const standing = [begun(2), begun(3)];
    for (const each of standing) await each.next();
    clock.tickAfter(60_001);
    expect(open).toHaveLength(0);
    expect(keysOf(await collect(server.serve(4, NEW)))).toEqual(KEYS);
    for (const each of standing) {
      await expect(each.next()).rejects.toMatchObject({ code: 'overloaded' });
    }
  });

  it('count as read for as long as somebody is behind with the last chunk that was sent', async () => {
    const reading = begun(2);
    await reading.next();
    clock.tickAfter(50_000);
    await reading.return?.();
    clock.tickAfter(60_000);
    expect(open).toHaveLength(1);
    clock.tickAfter(1_000);
    expect(open).toHaveLength(0);
  });

  it('make room for another one of the same peer, and of others when there are too many', async () => {
    await collect(server.serve(2, NEW));
    await collect(server.serve(2, NEW));
    expect(open).toHaveLength(1);
    await collect(server.serve(3, NEW));
    expect(open).toHaveLength(2);
    await collect(server.serve(4, NEW));
    expect(open).toHaveLength(2);
  });

  it('that are read do not: who comes too many is refused', async () => {
    const readers = [begun(2), begun(3)];
    for (const reader of readers) await reader.next();
    await expect(begun(4).next()).rejects.toMatchObject({ code: 'overloaded' });
    await readers[0]?.return?.();
    expect((await begun(4).next()).done).toBe(false);
  });

  it('are all closed at the end', async () => {
    await collect(server.serve(2, NEW));
    await collect(server.serve(3, NEW));
    await server.close();
    await server.close();
    expect(open).toHaveLength(0);
    expect(clock.periodsMs).toEqual([]);
  });
});
