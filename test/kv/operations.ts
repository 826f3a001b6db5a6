/** Short ways to write operations in tests; their bytes are of no meaning to the state machine. */
import type {
  AdvanceOperation,
  DeleteOperation,
  GetOperation,
  KvOperation,
  MultiGetOperation,
  OperationResult,
  PutOperation,
  RequestId,
  Row,
  Stamp,
  StampedRow,
} from '../../src/kv/index.ts';
import { KvState } from '../../src/kv/index.ts';

const BYTES = new Uint8Array(0);

let drawn = 0;

/** A request id that no other call returns. */
export function anyRequest(): RequestId {
  drawn += 1;
  return { client: 'any-client-of-16', sequence: drawn, generation: 1 };
}

export function bytesOf(text: string): Uint8Array {
  return new Uint8Array(Buffer.from(text, 'utf8'));
}

export interface WriteOptions {
  readonly request?: RequestId;
  readonly returnPrevious?: boolean;
  readonly unrecorded?: boolean;
}

export function put(key: string, value: string, options: WriteOptions = {}): PutOperation {
  const bytes = bytesOf(value);
  return {
    kind: 'put',
    request: options.request ?? anyRequest(),
    key,
    value: bytes,
    source: bytes,
    valueStart: 0,
    valueEnd: bytes.length,
    returnPrevious: options.returnPrevious ?? false,
    unrecorded: options.unrecorded ?? false,
    accesses: [{ key, writes: true }],
    bytes: BYTES,
    size: 0,
  };
}

export function get(key: string): GetOperation {
  return {
    kind: 'get',
    request: anyRequest(),
    key,
    accesses: [{ key, writes: false }],
    bytes: BYTES,
    size: 0,
  };
}

/** @param keys at least one */
export function multiGet(...keys: readonly string[]): MultiGetOperation {
  return {
    kind: 'multiGet',
    request: anyRequest(),
    key: keys[0] ?? '',
    keys,
    accesses: keys.map((key) => ({ key, writes: false })),
    bytes: BYTES,
    size: 0,
  };
}

export function del(key: string, options: WriteOptions = {}): DeleteOperation {
  return {
    kind: 'delete',
    request: options.request ?? anyRequest(),
    key,
    returnPrevious: options.returnPrevious ?? false,
    unrecorded: options.unrecorded ?? false,
    accesses: [{ key, writes: true }],
    bytes: BYTES,
    size: 0,
  };
}

/** The end of a generation. */
export function advance(generation: number): AdvanceOperation {
  return {
    kind: 'advance',
    request: { client: '\0'.repeat(16), sequence: generation, generation: 0 },
    key: '',
    generation,
    accesses: [{ key: '', writes: true }],
    bytes: BYTES,
    size: 0,
  };
}

let places = 0;

/** The place of an operation in the order where it does not matter; no other call returns it. */
export function anywhere(): Stamp {
  places += 1;
  return { epoch: 1, id: { replica: 1, slot: places }, place: 0 };
}

/** A state machine whose operations may be executed anywhere in the order. */
export class AnywhereState extends KvState {
  override apply(operation: KvOperation, at: Stamp = anywhere()): OperationResult {
    return super.apply(operation, at);
  }
}

/** What of a row is answered. */
export function withoutStamp({ value, version }: Row): Row {
  return { value, version };
}

/** A row as a store keeps it: what it says now, whatever it was looked up in. */
export function storedRow({ value, version, stamp }: StampedRow): StampedRow {
  return { value, version, stamp };
}

/** "put a=1", "get a", "multiGet a,b": for messages of failed properties. */
export function describeOperation(operation: KvOperation): string {
  const { client, sequence } = operation.request;
  const value = operation.kind === 'put' ? `=${Buffer.from(operation.value).toString('utf8')}` : '';
  const keys = operation.kind === 'multiGet' ? operation.keys.join() : operation.key;
  return `${operation.kind} ${keys}${value} (${client}/${sequence})`;
}
