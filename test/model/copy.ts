/**
 * Copies a replica, so that one state can be continued in many ways. What the core never changes once it is
 * made (records, attributes, commands, operations) is shared, and frozen on the way: should the core ever write to
 * one, it fails there and then. All else is copied, whatever fields the core has today.
 */
import { Command, type Replica } from '../../src/epaxos/index.ts';

/** Fields that hold immutable values. */
const SHARED_FIELDS: ReadonlySet<string> = new Set([
  'attributes',
  'command',
  'deps',
  'floor',
  'id',
  'initial',
  'limits',
  'operation',
  'operations',
  'quorums',
  'timing',
]);

/** Maps whose values are immutable: records, attributes of replies. */
const SHARED_VALUES: ReadonlySet<string> = new Set(['records', 'replies']);

type Fields = Record<string, unknown>;
type Memo = Map<object, object>;

/**
 * Makes `target` equal to `source`.
 * @param target new, made by the same constructor with the same options: it keeps its own closures
 */
export function copyReplica(target: Replica, source: Replica): Replica {
  graft(target, source, new Map());
  return target;
}

/** Keeps the objects and functions that the target's constructor made, and takes over what they hold. */
function graft(target: object, source: object, memo: Memo): void {
  memo.set(source, target);
  for (const [name, value] of Object.entries(source)) {
    if (typeof value === 'function') continue;
    const own: unknown = (target as Fields)[name];
    if (isObject(value) && isObject(own) && isRoom(value) && !SHARED_FIELDS.has(name)) {
      if (!memo.has(value)) graft(own, value, memo);
    } else {
      (target as Fields)[name] = copy(value, name, memo);
    }
  }
}

function copy(value: unknown, name: string, memo: Memo): unknown {
  if (!isObject(value)) return value;
  if (SHARED_FIELDS.has(name)) return freeze(value);
  const known = memo.get(value);
  if (known !== undefined) return known;
  if (Array.isArray(value)) {
    const copied: unknown[] = [];
    memo.set(value, copied);
    for (const element of value) copied.push(copy(element, '', memo));
    return copied;
  }
  if (value instanceof Map) {
    const isShared = SHARED_VALUES.has(name);
    const copied = new Map<unknown, unknown>();
    memo.set(value, copied);
    for (const [key, element] of value) copied.set(key, isShared ? freeze(element) : copy(element, '', memo));
    return copied;
  }
  if (value instanceof Set) {
    // Elements are numbers, or operations, which are immutable.
    const copied = new Set<unknown>(value);
    memo.set(value, copied);
    return copied;
  }
  const copied = Object.create(Object.getPrototypeOf(value)) as Fields;
  memo.set(value, copied);
  for (const [field, element] of Object.entries(value)) copied[field] = copy(element, field, memo);
  return copied;
}

/** Freezes a value and all that it holds. Bytes cannot be frozen, and nobody writes to them. */
export function freeze<T>(value: T): T {
  if (!isObject(value) || ArrayBuffer.isView(value) || Object.isFrozen(value)) return value;
  Object.freeze(value);
  if (value instanceof Command) freeze(value.operations);
  for (const element of Object.values(value)) freeze(element);
  return value;
}

function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null;
}

/** True for what is neither a collection nor a plain value of one field: an object with a class. */
function isRoom(value: object): boolean {
  const prototype: unknown = Object.getPrototypeOf(value);
  return (
    prototype !== Object.prototype && !Array.isArray(value) && !(value instanceof Map || value instanceof Set)
  );
}
