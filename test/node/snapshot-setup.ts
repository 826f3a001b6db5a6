/** A loop of which a test gives the core, and the one that follows it once a snapshot is put in place. */
import { vi } from 'vitest';
import type { Message, Ready } from '../../src/epaxos/index.ts';
import { Sessions } from '../../src/kv/index.ts';
import { Node } from '../../src/node/node.ts';
import type { Restored } from '../../src/node/node-options.ts';
import { createLogger } from '../../src/server/logger.ts';
import type { SnapshotChunk } from '../../src/wire/index.ts';
import { FakeCore, FakeStorage, FakeTransport, failing, ManualClock, NOTHING } from './fakes.ts';

export const logger = createLogger({ level: 'silent', cluster: 'test', replica: 1 });
export const fetch: Message = { type: 'fetch', ranges: [] };
export const LIMITS = { requests: 10, requestBytes: 1_000, messages: 10, messageBytes: 1_000 };

export function chunk(id: string, last: string, done = false): SnapshotChunk {
  const pruned = { pruned: [1, 1, 1], floor: [0, 0, 0] };
  return { id, pruned, entries: [{ key: Buffer.from(last), value: Buffer.alloc(0) }], rest: 0, done };
}

/** What an earlier process has copied, all of it. */
export const COPIED = {
  source: 3,
  id: 's',
  last: Buffer.from('z'),
  part: null,
  entries: 9,
  bytes: 9,
  complete: true,
};

export async function* stream(...steps: readonly (SnapshotChunk | Error)[]): AsyncIterable<SnapshotChunk> {
  for (const step of steps) {
    if (step instanceof Error) throw step;
    yield step;
  }
}

export function setUp() {
  const log: string[] = [];
  const core = new FakeCore();
  const next = new FakeCore();
  const nextSessions = new Sessions();
  const storage = new FakeStorage(log);
  const transport = new FakeTransport(log);
  const clock = new ManualClock();
  const restore = vi.fn(async (): Promise<Restored> => {
    log.push('restored');
    return { core: next, sessions: nextSessions };
  });
  const node = new Node({
    id: 1,
    replicas: 3,
    core,
    sessions: new Sessions(),
    storage,
    transport,
    restore,
    serveSnapshot: () => failing(new Error('nobody asks')),
    clock,
    tickMs: 10,
    limits: LIMITS,
    logger,
  });
  node.start();
  const perform = async (ready: Partial<Ready>, at = core) => {
    at.batches.push({ ...NOTHING, ...ready });
    transport.events?.onMessages(2, [fetch]);
    await clock.settle();
  };
  const wanted = (source = 2, at = core) => perform({ snapshotFrom: source }, at);
  return { node, log, core, next, nextSessions, storage, transport, clock, restore, perform, wanted };
}
