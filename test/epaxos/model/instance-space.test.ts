/** The instance space: watermarks against a count from scratch, and the small questions about a record. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  emptyRecord,
  type InstanceRecord,
  instanceKey,
  instanceOfKey,
  Status,
} from '../../../src/epaxos/index.ts';
import { InstanceSpace, isCommitted, isKnown, isTouched } from '../../../src/epaxos/model/instance-space.ts';
import { commandOf, instance, put } from '../../support/core-operations.ts';

const command = commandOf(put('a', 'x'));
const attributes = { seq: 1, deps: [0, 0, 0] };

const STAGES = [
  'promised',
  'learned',
  'preAccepted',
  'acceptedNoOp',
  'committed',
  'noOp',
  'executed',
] as const;
type Stage = (typeof STAGES)[number];

function recordAt(stage: Stage, replica: number, slot: number): InstanceRecord {
  const empty = emptyRecord({ replica, slot });
  switch (stage) {
    case 'promised':
      return { ...empty, ballot: 4 };
    case 'learned':
      return { ...empty, ballot: 4, command };
    case 'preAccepted':
      return { ...empty, status: Status.preAccepted, command, attributes };
    case 'acceptedNoOp':
      return { ...empty, status: Status.accepted, noOp: true, attributes };
    case 'committed':
      return { ...empty, status: Status.committed, command, attributes };
    case 'noOp':
      return { ...empty, status: Status.committed, noOp: true, attributes };
    case 'executed':
      return { ...empty, status: Status.executed, command, attributes };
  }
}

const KNOWN: readonly Stage[] = ['learned', 'preAccepted', 'committed', 'noOp', 'executed'];
const COMMITTED: readonly Stage[] = ['committed', 'noOp', 'executed'];

describe('the questions', () => {
  test.each(STAGES)('a record that is %s', (stage) => {
    const record = recordAt(stage, 1, 1);
    expect(isKnown(record)).toBe(KNOWN.includes(stage));
    expect(isCommitted(record)).toBe(COMMITTED.includes(stage));
    expect(isTouched(record)).toBe(true);
  });

  test('a record of which nothing is known', () => {
    const record = emptyRecord(instance('1.1'));
    expect([isKnown(record), isCommitted(record), isTouched(record)]).toEqual([false, false, false]);
  });
});

test('what was never put is empty, and rows that are not there are a mistake', () => {
  const space = new InstanceSpace(3);
  expect(space.get(instance('2.7'))).toEqual(emptyRecord(instance('2.7')));
  expect(() => space.row(4)).toThrow('no row for replica 4');
  expect(() => space.row(0)).toThrow('no row for replica 0');
});

test('watermarks are the ends of unbroken runs, in whatever order records come', () => {
  const anyPut = fc.record({
    replica: fc.integer({ min: 1, max: 3 }),
    slot: fc.integer({ min: 1, max: 8 }),
    stage: fc.constantFrom(...STAGES),
  });
  fc.assert(
    fc.property(fc.array(anyPut, { maxLength: 60 }), (puts) => {
      const space = new InstanceSpace(3);
      const newest = new Map<string, Stage>();
      for (const { replica, slot, stage } of puts) {
        // As in the protocol, what qualified once qualifies for ever.
        const before = newest.get(`${replica}.${slot}`);
        if (before !== undefined && STAGES.indexOf(stage) < STAGES.indexOf(before)) continue;
        if (before === 'preAccepted' && stage === 'acceptedNoOp') continue;
        if (before === 'learned' && stage === 'acceptedNoOp') continue;
        newest.set(`${replica}.${slot}`, stage);
        space.put(recordAt(stage, replica, slot));
      }
      const run = (replica: number, stages: readonly Stage[]) => {
        let slot = 0;
        for (;;) {
          const stage = newest.get(`${replica}.${slot + 1}`);
          if (stage === undefined || !stages.includes(stage)) return slot;
          slot += 1;
        }
      };
      expect(space.rows.map((row) => row.known)).toEqual([1, 2, 3].map((row) => run(row, KNOWN)));
      expect(space.committed()).toEqual([1, 2, 3].map((row) => run(row, COMMITTED)));
      expect(space.executed()).toEqual([1, 2, 3].map((row) => run(row, ['executed'])));
      for (const replica of [1, 2, 3]) {
        const slots = [...newest.keys()].map(instance).filter((id) => id.replica === replica);
        expect(space.row(replica).highest).toBe(Math.max(0, ...slots.map((id) => id.slot)));
      }
    }),
  );
});

test('an instance as a number and back', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 7 }), fc.integer({ min: 1, max: 2 ** 50 - 1 }), (replica, slot) => {
      expect(instanceOfKey(instanceKey({ replica, slot }))).toEqual({ replica, slot });
    }),
  );
});
