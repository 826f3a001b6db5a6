/**
 * Every kind of operation there is: what a client's request, or a replica's own, becomes inside a command. A new kind is a
 * file beside this one and a line in each of the two lists here; the compiler then names every other place that must know it.
 */
import type { Operation } from '../../epaxos/index.ts';
import { assert } from '../../util/assert.ts';
import { ADVANCE, type AdvanceOperation } from './advance.ts';
import { DELETE, type DeleteOperation } from './delete.ts';
import { GET, type GetOperation } from './get.ts';
import { MULTI_GET, type MultiGetOperation } from './multi-get.ts';
import type { OperationKind } from './operation-kind.ts';
import { PUT, type PutOperation } from './put.ts';

export type KvOperation =
  | PutOperation
  | GetOperation
  | DeleteOperation
  | MultiGetOperation
  | AdvanceOperation;

/** The name of a kind. */
export type KindName = KvOperation['kind'];

type OperationOf<Name extends KindName> = Extract<KvOperation, { readonly kind: Name }>;

export const OPERATIONS = {
  put: PUT,
  get: GET,
  delete: DELETE,
  multiGet: MULTI_GET,
  advance: ADVANCE,
} satisfies { readonly [Name in KindName]: OperationKind<OperationOf<Name>> };

/** The names of the kinds that have such a line. */
type KindWith<Line> = { [Name in KindName]: (typeof OPERATIONS)[Name] extends Line ? Name : never }[KindName];

/** What changes nothing. */
export type ReadOperation = OperationOf<KindWith<{ role: 'read' }>>;

/** What a client asks for and may change rows. */
export type WriteOperation = OperationOf<KindWith<{ role: 'write' }>>;

/** The kinds that clients may ask for. */
export type ClientKind = (ReadOperation | WriteOperation)['kind'];

/** The line of an operation's kind. */
export function kindOf({ kind }: KvOperation): OperationKind<KvOperation> {
  return OPERATIONS[kind];
}

/** True for what a client asks for and may change rows. */
export function isWrite(operation: KvOperation): operation is WriteOperation {
  return OPERATIONS[operation.kind].role === 'write';
}

/** True for what changes nothing. */
export function isRead(operation: KvOperation): operation is ReadOperation {
  return OPERATIONS[operation.kind].role === 'read';
}

/** True for what only replicas may propose. */
export function isControl(operation: KvOperation): boolean {
  return OPERATIONS[operation.kind].role === 'control';
}

/** True for what reads a single key, and so needs no instance (R8.1). */
export function isReadOfOneKey({ kind }: KvOperation): boolean {
  return OPERATIONS[kind].role === 'read' && OPERATIONS[kind].touches === 'key';
}

/** True if the operation's answer is kept for whoever repeats the request (R7.6). */
export function isRecorded(operation: KvOperation): operation is WriteOperation {
  return isWrite(operation) && !operation.unrecorded;
}

/** True if executing it twice does no more than doing so once: it changes nothing, or is answered from its record (R7.6). */
export function isRepeatable(operation: KvOperation): boolean {
  return isRead(operation) || isRecorded(operation);
}

/** The core carries operations without looking inside; this gives them back their type. */
export function asKvOperation(operation: Operation): KvOperation {
  assert('kind' in operation && 'request' in operation, 'an operation of the key-value store');
  return operation as KvOperation;
}
