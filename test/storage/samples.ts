/** Things to store, and how to read all of something. */
import { putOperation } from '../../src/codec/index.ts';
import { type InstanceId, type InstanceRecord, Status } from '../../src/epaxos/index.ts';
import type { Row } from '../../src/kv/index.ts';
import type { Effects } from '../../src/storage/index.ts';

/** N of every store of these tests. */
export const REPLICAS = 3;

export async function collect<T>(items: AsyncIterable<T>): Promise<T[]> {
  const result: T[] = [];
  for await (const item of items) result.push(item);
  return result;
}

/** A committed record with one put; `text` tells records of one instance apart. */
export function committedRecord(id: InstanceId, text = 'value'): InstanceRecord {
  const operation = putOperation({
    request: { client: 'c'.repeat(16), sequence: id.slot },
    key: Buffer.from('key'),
    value: Buffer.from(text),
    returnPrevious: false,
  });
  return {
    id,
    status: Status.committed,
    ballot: 0,
    acceptedBallot: 0,
    command: { operations: [operation] },
    noOp: false,
    attributes: { seq: 1, deps: [0, 0, 0] },
    initial: null,
    follower: null,
  };
}

export function effectsOf(some: Partial<Effects>): Effects {
  return { rows: [], answers: [], expired: [], executed: [], pruned: null, ...some };
}

export function rowOf(text: string, version = 1): Row {
  return { value: Buffer.from(text), version };
}
