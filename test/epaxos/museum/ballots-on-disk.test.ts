/**
 * Fault: when a record is serialised, the bytes of one ballot overwrite those of the other.
 * Source: github.com/imdea-software/swiftpaxos/issues/3.
 *
 * It cannot exist here by construction, since both are fields of one message; what excludes it is the round trip.
 */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { emptyRecord, type InstanceRecord, Status } from '../../../src/epaxos/index.ts';
import { readRecord, storeRecord } from '../../support/stored-record.ts';

const anyBallots = fc
  .tuple(fc.nat({ max: 2 ** 31 }), fc.nat({ max: 2 ** 31 }))
  .map(([one, other]) => ({ ballot: Math.max(one, other), acceptedBallot: Math.min(one, other) }));

test('promise and vote come back from the disk as they were, each for itself', () => {
  fc.assert(
    fc.property(
      anyBallots,
      fc.integer({ min: 1, max: 5 }),
      fc.integer({ min: 1, max: 2 ** 40 }),
      (ballots, replica, slot) => {
        const record: InstanceRecord = {
          ...emptyRecord({ replica, slot }),
          ...ballots,
          status: Status.accepted,
          noOp: true,
          attributes: { seq: 0, deps: [0, 0, 0, 0, 0] },
        };
        expect(readRecord(storeRecord(record), { replicas: 5 })).toEqual(record);
      },
    ),
  );
});

test('a promise far above the vote', () => {
  const record: InstanceRecord = {
    ...emptyRecord({ replica: 1, slot: 1 }),
    ballot: 1_000_003,
    acceptedBallot: 7,
    status: Status.accepted,
    noOp: true,
    attributes: { seq: 0, deps: [0, 0, 0] },
  };
  const { ballot, acceptedBallot } = readRecord(storeRecord(record), { replicas: 3 });
  expect([ballot, acceptedBallot]).toEqual([1_000_003, 7]);
});
