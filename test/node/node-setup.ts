/** A loop whose core, store, transport and clock are driven by hand. */
import { emptyRecord, type Message, type Ready } from '../../src/epaxos/index.ts';
import { Sessions } from '../../src/kv/index.ts';
import { Node } from '../../src/node/node.ts';
import type { NodeOptions } from '../../src/node/node-options.ts';
import { createLogger } from '../../src/server/logger.ts';
import { FakeCore, FakeStorage, FakeTransport, failing, ManualClock, NOTHING } from './fakes.ts';

const logger = createLogger({ level: 'silent', cluster: 'test', replica: 1 });
const LIMITS = { requests: 10, requestBytes: 1_000, messages: 10, messageBytes: 1_000 };
export const TIMEOUT_MS = 1_000;
export const fetch: Message = { type: 'fetch', ranges: [] };
export const records = [emptyRecord({ replica: 1, slot: 1 })];
export const messages = [{ to: 2, message: fetch }];

export function setUp(overrides: Partial<NodeOptions> = {}) {
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
    restore: () => Promise.reject(new Error('nothing is restored here')),
    serveSnapshot: () => failing(new Error('nobody asks for a snapshot here')),
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
