/** What the tests of the client library share: clients and replicas that end with the test, and errors. */
import { afterEach } from 'vitest';
import { type ConnectOptions, connect, type KvClient } from '../../src/client/index.ts';

export { failureOf } from '../support/failure-of.ts';

import { type Behaviour, FakeReplica, SilentListener } from './fake-replica.ts';

const cleanups: (() => void)[] = [];
afterEach(() => {
  for (const cleanup of cleanups.splice(0).reverse()) cleanup();
});

/** A replica that ends with the test. */
export async function replica(behaviour: Partial<Behaviour> = {}, port = 0): Promise<FakeReplica> {
  const started = await FakeReplica.start(behaviour, port);
  cleanups.push(() => started.crash());
  return started;
}

/** The same for one that never says a word. */
export async function silentListener(): Promise<SilentListener> {
  const started = await SilentListener.start();
  cleanups.push(() => started.stop());
  return started;
}

/** A client that allows much time, unless told otherwise, and ends with the test. */
export function client(endpoints: readonly string[], options: Partial<ConnectOptions> = {}): KvClient {
  const created = connect({ endpoints, timeoutMs: 30_000, ...options });
  cleanups.push(() => created.close());
  return created;
}
