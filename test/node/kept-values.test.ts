/** Previous values in recorded answers: how much of them a replica keeps in memory. */
import { expect, it } from 'vitest';
import { LIMITS, Sessions } from '../../src/kv/index.ts';
import { DEFAULT_ANSWER_EXPIRY } from '../../src/node/answer-expiry.ts';
import { Applier, KEPT_VALUE_BYTES } from '../../src/node/applier.ts';
import { MemoryStorage } from '../../src/storage/index.ts';
import { putOperation } from '../support/kv-operations.ts';

const client = 'c'.repeat(16);
const value = new Uint8Array(LIMITS.valueBytes); // one array for all: only its length counts here

function put(options: { readonly sequence: number; readonly returnPrevious: boolean }) {
  const { sequence, returnPrevious } = options;
  return putOperation({
    request: { client, sequence },
    key: Buffer.from('k'),
    value: Buffer.from('v'),
    returnPrevious,
  });
}

it('beyond the limit a write that asks for the previous value is refused, and no other', () => {
  const sessions = new Sessions();
  const machine = new Applier({
    storage: new MemoryStorage({ replicas: 3 }),
    sessions,
    peers: [2, 3],
    expiry: DEFAULT_ANSWER_EXPIRY,
    nowMs: 0,
  });
  const asking = put({ sequence: 1_000_000, returnPrevious: true });
  const count = KEPT_VALUE_BYTES / value.length;
  const pages = Array.from({ length: count }, (_, index) => {
    machine.admit(asking);
    const request = { client, sequence: index + 1 };
    return sessions.record({ request, key: 'k', result: { version: 2, value, previousVersion: 1 } });
  });
  expect(() => machine.admit(asking)).toThrow(
    expect.objectContaining({ code: 'overloaded', outcome: 'notApplied', retryable: true }),
  );
  machine.admit(put({ sequence: 1_000_000, returnPrevious: false }));
  for (const page of pages.slice(0, 1)) sessions.forget(page);
  machine.admit(asking);
});
