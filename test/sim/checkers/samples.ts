/** What the tests of the checkers show them: commands, records, and the check that refuses. */

import {
  Command,
  emptyRecord,
  type InstanceRecord,
  type Operation,
  Status,
} from '../../../src/epaxos/index.ts';
import type { KvOperation } from '../../../src/kv/index.ts';
import { getOperation, putOperation } from '../../support/kv-operations.ts';
import { WIDE_KEY, widened } from '../wide.ts';
import { type Check, Violation } from './violation.ts';

const CLIENT = 'client'.padEnd(16);

export function put(key: string, sequence: number, unrecorded = false): Command {
  const request = { client: CLIENT, sequence, generation: 1 };
  const value = Buffer.from(`value ${sequence}`);
  const fields = { request, key: Buffer.from(key), value, returnPrevious: false, unrecorded };
  return new Command([putOperation(fields)]);
}

export function get(key: string, sequence: number): Command {
  const request = { client: CLIENT, sequence, generation: 1 };
  return new Command([getOperation({ request, key: Buffer.from(key) })]);
}

export const writeAll: Command = new Command(put(WIDE_KEY, 3).operations.map(asWide));
export const readAll: Command = new Command(get(WIDE_KEY, 4).operations.map(asWide));

function asWide(operation: Operation): Operation {
  return widened(operation as KvOperation);
}

export const ID = { replica: 1, slot: 1 };

export function record(fields: Partial<InstanceRecord> = {}): InstanceRecord {
  const command = put('k', 1);
  const attributes = { seq: 1, deps: [0, 0, 0] };
  return {
    ...emptyRecord(ID),
    status: Status.preAccepted,
    command,
    attributes,
    initial: attributes,
    ...fields,
  };
}

export const COMMITTED = { status: Status.committed } as const;
export const NO_OP = { noOp: true, attributes: { seq: 0, deps: [0, 0, 0] } } as const;

/** The check that refuses; null if none does. */
export function refusal(action: () => void): Check | null {
  try {
    action();
    return null;
  } catch (error) {
    if (error instanceof Violation) return error.check;
    throw error;
  }
}
