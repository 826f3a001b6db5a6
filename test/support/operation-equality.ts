/**
 * When tests take two operations, or two commands, for equal. What a decoded operation says is not in fields that could be
 * compared: it is looked up in the operation's bytes, and so it is these that are compared. Of commands it is the operations.
 */
import type { ExpectStatic } from 'vitest';
import { Command } from '../../src/epaxos/index.ts';
import { asKvOperation } from '../../src/kv/index.ts';

/** An equality tester for expect: undefined, and so no opinion, about whatever is not two decoded operations. */
export function isEqualOperation(one: unknown, other: unknown): boolean | undefined {
  const [bytes, otherBytes] = [decodedBytes(one), decodedBytes(other)];
  return bytes && otherBytes && Buffer.compare(bytes, otherBytes) === 0;
}

/** The bytes of an operation that was decoded; what tests write down field by field is compared by its fields. */
function decodedBytes(value: unknown): Uint8Array | undefined {
  if (typeof value !== 'object' || value === null || Object.hasOwn(value, 'accesses')) return undefined;
  if (value instanceof Command || !('accesses' in value && 'bytes' in value && 'size' in value))
    return undefined;
  return asKvOperation(value as Parameters<typeof asKvOperation>[0]).bytes;
}

type EqualityTester = Parameters<ExpectStatic['addEqualityTesters']>[0][number];

/** The same for two commands. */
export const isEqualCommand: EqualityTester = function (one: unknown, other: unknown, testers) {
  if (!(one instanceof Command && other instanceof Command)) return undefined;
  return this.equals(one.operations, other.operations, testers);
};
