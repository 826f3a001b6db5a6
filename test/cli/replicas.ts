/** Replicas that a command talks to, and which answer as told; they end with the test. */
import { afterEach, vi } from 'vitest';
import { type Behaviour, FakeReplica } from '../client/fake-replica.ts';

const replicas: FakeReplica[] = [];
afterEach(() => {
  vi.unstubAllEnvs();
  for (const replica of replicas.splice(0)) replica.crash();
});

/** Starts them, and names them in the environment. */
export async function start(...behaviours: Partial<Behaviour>[]): Promise<readonly FakeReplica[]> {
  const started = await Promise.all(behaviours.map((behaviour) => FakeReplica.start(behaviour)));
  replicas.push(...started);
  vi.stubEnv('EPAXOS_ENDPOINTS', started.map(({ endpoint }) => endpoint).join(','));
  return started;
}

/** The keys that were written there, in order. */
export function keysOf(...written: readonly (FakeReplica | undefined)[]): string[] {
  return written.flatMap((replica) => (replica?.writes ?? []).map(({ key }) => Buffer.from(key).toString()));
}
