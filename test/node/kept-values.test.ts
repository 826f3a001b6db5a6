/** Previous values in recorded answers: how much of them a replica keeps in memory. */
import { expect, it } from 'vitest';
import { KvError } from '../../src/errors.ts';
import { LIMITS, Sessions } from '../../src/kv/index.ts';
import { Applier, RECORDED_VALUE_BYTES } from '../../src/node/applier.ts';
import { MemoryStorage } from '../../src/storage/index.ts';
import { putOperation } from '../support/kv-operations.ts';
import { setUp } from './node-setup.ts';
import { submit } from './promised.ts';

const client = 'c'.repeat(16);
const value = new Uint8Array(LIMITS.valueBytes); // one array for all: only its length counts here

function put(options: { readonly sequence: number; readonly returnPrevious: boolean }) {
  const { sequence, returnPrevious } = options;
  return putOperation({
    request: { client, sequence, generation: 1 },
    key: Buffer.from('k'),
    value: Buffer.from('v'),
    returnPrevious,
  });
}

/** Answers with previous values up to the limit. */
function fullSessions(): Sessions {
  const sessions = new Sessions();
  for (let index = 0; index < RECORDED_VALUE_BYTES / value.length; index += 1) {
    const request = { client, sequence: index + 1, generation: 1 };
    sessions.record({ request, key: 'k', result: { version: 2, value, previousVersion: 1 } });
  }
  return sessions;
}

it('a loop with no room left refuses such a write before it is proposed', async () => {
  const { node, core, clock } = setUp({ sessions: fullSessions() });
  expect(() => submit(node, put({ sequence: 1_000_000, returnPrevious: true }), 1_000)).toThrow(
    expect.objectContaining({ code: 'overloaded', outcome: 'notApplied' }),
  );
  submit(node, put({ sequence: 1_000_001, returnPrevious: false }), 1_000).result.catch(() => undefined);
  await clock.settle();
  expect(core.proposed.map(({ request }) => request.sequence)).toEqual([1_000_001]);
});

it('beyond the limit a write that asks for the previous value is refused, and no other', () => {
  const sessions = new Sessions();
  const machine = new Applier({ storage: new MemoryStorage({ replicas: 3 }), sessions });
  const asking = put({ sequence: 1_000_000, returnPrevious: true });
  const count = RECORDED_VALUE_BYTES / value.length;
  for (let index = 0; index < count; index += 1) {
    machine.admit(asking);
    const request = { client, sequence: index + 1, generation: 1 };
    sessions.record({ request, key: 'k', result: { version: 2, value, previousVersion: 1 } });
  }
  expect(() => machine.admit(asking)).toThrow(
    expect.objectContaining({ code: 'overloaded', outcome: 'notApplied', retryable: true }),
  );
  machine.admit(put({ sequence: 1_000_000, returnPrevious: false }));
  sessions.advance(1);
  expect(() => machine.admit(asking)).toThrow(KvError); // they are kept in the next generation, too
  sessions.advance(2);
  machine.admit(asking);
});
