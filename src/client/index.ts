/** The client library of the key-value store: what `import … from 'epaxos-kv'` gives. */
import type { ConnectOptions } from './connect-options.ts';
import { KvClient } from './kv-client.ts';

export type { ErrorCode, Outcome } from '../errors.ts';
export { KvError } from '../errors.ts';
export { LIMITS, MAX_REQUEST_MS } from '../kv/index.ts';
export type { CallOptions, ConnectOptions, ReadOptions, WriteOptions } from './connect-options.ts';
export { parseEndpoints } from './endpoint-list.ts';
export type { Bytes, DeleteResult, PutResult, ReplicaReport, ReplicaStatus } from './entry.ts';
export { Entry } from './entry.ts';
export type { KvClient } from './kv-client.ts';

/**
 * A client of the cluster at the given endpoints; connections are made by the first call. From then on it keeps the
 * process alive until it is closed.
 * @throws KvError `invalidArgument` for an unusable list of endpoints or time
 */
export function connect(options: ConnectOptions): KvClient {
  return new KvClient(options);
}
