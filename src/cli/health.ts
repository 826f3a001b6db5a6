/** Whether a replica serves: it is asked to read a key, which it can answer only together with a majority. */
import { connect, KvError } from '../client/index.ts';

/** Nobody need have written it: that it does not exist is an answer as well. */
const KEY = 'epaxos/health';

/** What became of the read at one endpoint. */
export interface HealthCheck {
  readonly endpoint: string;
  /** Connecting included. */
  readonly tookMs: number;
  /** Null: it is healthy. */
  readonly error: KvError | null;
}

/** Reads a key at every endpoint, at all of them at once; none stands in for another. */
export function checkHealth(endpoints: readonly string[], timeoutMs: number): Promise<HealthCheck[]> {
  return Promise.all(endpoints.map((endpoint) => checkOne(endpoint, timeoutMs)));
}

async function checkOne(endpoint: string, timeoutMs: number): Promise<HealthCheck> {
  // Whether it can be reached is the question: that is not tried again.
  const client = connect({ endpoints: endpoint, timeoutMs, retryForMs: 0 });
  const startedMs = performance.now();
  try {
    await client.get(KEY);
    return { endpoint, tookMs: performance.now() - startedMs, error: null };
  } catch (error) {
    if (!(error instanceof KvError)) throw error;
    return { endpoint, tookMs: performance.now() - startedMs, error };
  } finally {
    client.close();
  }
}
