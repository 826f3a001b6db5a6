/** What a majority's promises oblige a recovery to do: every branch of R5.2 to R5.5, as a table. */
import { describe, expect, test } from 'vitest';
import { decideRecovery } from '../../../src/epaxos/agreement/decide-recovery.ts';
import { type InstanceRecord, quorumsOf, type ReplicaId } from '../../../src/epaxos/index.ts';
import { instance } from '../../support/core-operations.ts';
import { accepted, attributes, COMMAND, committed, nothing, preAccepted } from '../../support/records.ts';

type Replies = readonly (readonly [ReplicaId, InstanceRecord])[];

/** In words: "commit c seq 2 deps 0,1,0", "accept no-op", "validate seq 1 deps 0,0,0,0,0 matching 2". */
function decide(replicas: number, ...replies: Replies): string {
  const decision = decideRecovery(quorumsOf(replicas), instance('1.1'), new Map(replies));
  if (decision.type === 'validate') {
    expect(decision.command).toBe(COMMAND);
    const { initial, matching } = decision;
    return `validate seq ${initial.seq} deps ${initial.deps} matching ${matching}`;
  }
  const { command, attributes: chosen } = decision.value;
  if (command === null) {
    expect(chosen).toEqual({ seq: 0, deps: new Array<number>(replicas).fill(0) });
    return `${decision.type} no-op`;
  }
  expect(command).toBe(COMMAND);
  return `${decision.type} c seq ${chosen.seq} deps ${chosen.deps}`;
}

describe('N = 3, instance 1.1, follower 2', () => {
  const plain = attributes(1, 0, 0, 0);
  const atCoordinator = preAccepted({ current: plain, initial: plain, follower: 2 });
  const atFollower = preAccepted({ current: attributes(3, 0, 2, 0), initial: plain, follower: 2 });
  const atOther = preAccepted({ current: attributes(5, 0, 0, 4), initial: plain, follower: 2 });

  const table: [rule: string, replies: Replies, expected: string][] = [
    [
      'R5.2: a committed reply',
      [
        [2, nothing],
        [3, committed(attributes(2, 0, 1, 0))],
      ],
      'commit c seq 2 deps 0,1,0',
    ],
    [
      'R5.2: a committed no-op',
      [
        [2, atFollower],
        [3, committed('no-op')],
      ],
      'commit no-op',
    ],
    [
      'R5.2 before R5.3',
      [
        [2, accepted(8, 'no-op')],
        [3, committed(plain)],
      ],
      'commit c seq 1 deps 0,0,0',
    ],
    [
      'R5.3: an accepted reply',
      [
        [1, nothing],
        [3, accepted(0, attributes(4, 0, 0, 1))],
      ],
      'accept c seq 4 deps 0,0,1',
    ],
    [
      'R5.3: an accepted no-op beats a pre-accept',
      [
        [2, atFollower],
        [3, accepted(6, 'no-op')],
      ],
      'accept no-op',
    ],
    [
      'R5.3: the highest acceptedBallot',
      [
        [2, accepted(5, 'no-op')],
        [3, accepted(6, plain)],
      ],
      'accept c seq 1 deps 0,0,0',
    ],
    [
      'R5.3: the highest, the other way round',
      [
        [2, accepted(6, 'no-op')],
        [3, accepted(5, plain)],
      ],
      'accept no-op',
    ],
    [
      'R5.4: L and F both have it: their merge',
      [
        [1, atCoordinator],
        [2, atFollower],
      ],
      'accept c seq 3 deps 0,2,0',
    ],
    [
      'R5.4: L and O both have it: their merge',
      [
        [1, atCoordinator],
        [3, atOther],
      ],
      'accept c seq 5 deps 0,0,4',
    ],
    [
      'R5.4: L alone has it, F not',
      [
        [1, atCoordinator],
        [2, nothing],
      ],
      'accept no-op',
    ],
    [
      'R5.4: L alone has it, O not',
      [
        [1, atCoordinator],
        [3, nothing],
      ],
      'accept no-op',
    ],
    [
      'R5.4: L and F have nothing',
      [
        [1, nothing],
        [2, nothing],
      ],
      'accept no-op',
    ],
    [
      'R5.4: F and O both have it: F alone decides',
      [
        [2, atFollower],
        [3, atOther],
      ],
      'accept c seq 3 deps 0,2,0',
    ],
    [
      'R5.4: F decides whoever answers first',
      [
        [3, atOther],
        [2, atFollower],
      ],
      'accept c seq 3 deps 0,2,0',
    ],
    [
      'R5.4: F has it, O not',
      [
        [2, atFollower],
        [3, nothing],
      ],
      'accept c seq 3 deps 0,2,0',
    ],
    [
      'R5.4: O has it, F not',
      [
        [2, nothing],
        [3, atOther],
      ],
      'accept c seq 5 deps 0,0,4',
    ],
    [
      'R5.4: neither F nor O has it',
      [
        [2, nothing],
        [3, nothing],
      ],
      'accept no-op',
    ],
  ];
  test.each(table)('%s', (_, replies, expected) => {
    expect(decide(3, ...replies)).toBe(expected);
  });

  test('R5.4: L has forgotten all but a promise: F alone decides, or O if F has nothing to say', () => {
    for (const lost of [nothing, { ...nothing, ballot: 4 }]) {
      expect(decide(3, [1, lost], [2, atFollower])).toBe('accept c seq 3 deps 0,2,0');
      expect(decide(3, [1, lost], [3, atOther])).toBe('accept c seq 5 deps 0,0,4');
      expect(decide(3, [3, atOther], [1, lost], [2, atFollower])).toBe('accept c seq 3 deps 0,2,0');
    }
  });
});

describe('N = 5, instance 1.1', () => {
  const initial = attributes(2, 0, 0, 1, 0, 0);
  const equal = preAccepted({ current: initial, initial });
  const equalWithHigherSeq = preAccepted({ current: attributes(7, 0, 0, 1, 0, 0), initial });
  const differing = preAccepted({ current: attributes(3, 0, 4, 1, 0, 0), initial });
  const validated = { ...nothing, command: COMMAND, initial };
  const doubt = 'validate seq 2 deps 0,0,1,0,0 matching';

  const table: [rule: string, replies: Replies, expected: string][] = [
    [
      'R5.2: a committed reply',
      [
        [2, equal],
        [3, nothing],
        [4, committed(initial, 5)],
      ],
      'commit c seq 2 deps 0,0,1,0,0',
    ],
    [
      'R5.2: also beside the coordinator’s',
      [
        [1, equal],
        [3, nothing],
        [4, committed('no-op', 5)],
      ],
      'commit no-op',
    ],
    [
      'R5.3: the highest acceptedBallot of several',
      [
        [2, accepted(6, 'no-op', 5)],
        [3, accepted(12, attributes(9, 0, 9, 0, 0, 0), 5)],
        [4, accepted(8, 'no-op', 5)],
      ],
      'accept c seq 9 deps 0,9,0,0,0',
    ],
    [
      'R5.3: accepted at ballot 0 counts',
      [
        [2, equal],
        [3, equal],
        [4, accepted(0, 'no-op', 5)],
      ],
      'accept no-op',
    ],
    [
      'R5.5: L in Q',
      [
        [1, equal],
        [2, equal],
        [3, equal],
      ],
      'accept no-op',
    ],
    [
      'R5.5: L in Q without a record',
      [
        [1, nothing],
        [2, equal],
        [3, equal],
      ],
      'accept no-op',
    ],
    [
      'R5.5: |R| = 3',
      [
        [2, equal],
        [3, equal],
        [4, equal],
      ],
      `${doubt} 3`,
    ],
    [
      'R5.5: |R| = 2, one differs',
      [
        [2, equal],
        [3, differing],
        [4, equal],
      ],
      `${doubt} 2`,
    ],
    [
      'R5.5: |R| = |Q| − e = 1',
      [
        [3, differing],
        [4, equal],
        [5, nothing],
      ],
      `${doubt} 1`,
    ],
    [
      'R5.5: equality compares deps alone',
      [
        [3, nothing],
        [4, equalWithHigherSeq],
        [5, nothing],
      ],
      `${doubt} 1`,
    ],
    [
      'R5.5: |R| = 0, all differ',
      [
        [2, differing],
        [3, differing],
        [4, differing],
      ],
      'accept no-op',
    ],
    [
      'R5.5: nobody has it',
      [
        [2, nothing],
        [3, nothing],
        [4, nothing],
      ],
      'accept no-op',
    ],
    [
      'R5.5: knowing it by a Validate is no pre-accept',
      [
        [2, validated],
        [3, validated],
        [4, nothing],
      ],
      'accept no-op',
    ],
  ];
  test.each(table)('%s', (_, replies, expected) => {
    expect(decide(5, ...replies)).toBe(expected);
  });
});

describe('N = 7, instance 1.1', () => {
  const initial = attributes(1, 0, 0, 0, 0, 0, 0, 0);
  const equal = preAccepted({ current: initial, initial });
  const differing = preAccepted({ current: attributes(2, 0, 1, 0, 0, 0, 0, 0), initial });
  const doubt = 'validate seq 1 deps 0,0,0,0,0,0,0 matching';

  const table: [rule: string, replies: Replies, expected: string][] = [
    [
      'R5.2',
      [
        [2, equal],
        [3, equal],
        [4, equal],
        [5, committed(initial, 7)],
      ],
      'commit c seq 1 deps 0,0,0,0,0,0,0',
    ],
    [
      'R5.3',
      [
        [2, equal],
        [3, equal],
        [4, equal],
        [5, accepted(9, 'no-op', 7)],
      ],
      'accept no-op',
    ],
    [
      'R5.5: L in Q',
      [
        [1, equal],
        [2, equal],
        [3, equal],
        [4, equal],
      ],
      'accept no-op',
    ],
    [
      'R5.5: |R| = 4',
      [
        [2, equal],
        [3, equal],
        [4, equal],
        [5, equal],
      ],
      `${doubt} 4`,
    ],
    [
      'R5.5: |R| = |Q| − e = 2',
      [
        [2, equal],
        [3, nothing],
        [4, differing],
        [5, equal],
      ],
      `${doubt} 2`,
    ],
    [
      'R5.5: |R| = 1 is too few',
      [
        [2, equal],
        [3, nothing],
        [4, differing],
        [5, nothing],
      ],
      'accept no-op',
    ],
    [
      'R5.5: |R| = 0',
      [
        [2, nothing],
        [3, nothing],
        [4, differing],
        [5, nothing],
      ],
      'accept no-op',
    ],
  ];
  test.each(table)('%s', (_, replies, expected) => {
    expect(decide(7, ...replies)).toBe(expected);
  });
});
