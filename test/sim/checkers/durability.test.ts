/** The checker of durability, on what it must let pass and what it must refuse. */
import { describe, expect, test } from 'vitest';
import { type InstanceRecord, type Message, Status, type TraceEvent } from '../../../src/epaxos/index.ts';
import { Disk } from '../disk.ts';
import { Durability } from './durability.ts';
import { COMMITTED, ID, NO_OP, put, record, refusal } from './samples.ts';
import type { Check } from './violation.ts';

describe('durability', () => {
  const attributes = { seq: 1, deps: [0, 0, 0] };
  const accepted = record({ status: Status.accepted, ballot: 4, acceptedBallot: 4 });

  test.each<[Message, InstanceRecord]>([
    [
      { type: 'preAccept', id: ID, command: put('k', 1), attributes, follower: null, prompt: false },
      record(),
    ],
    [{ type: 'preAcceptReply', id: ID, attributes }, record()],
    [{ type: 'accept', id: ID, ballot: 4, command: null, attributes }, accepted],
    [{ type: 'acceptReply', id: ID, ballot: 4, promised: 4 }, accepted],
    [{ type: 'acceptReply', id: ID, ballot: 0, promised: 4 }, record({ ballot: 4 })],
    [{ type: 'prepare', id: ID, ballot: 4 }, record({ ballot: 4 })],
    [{ type: 'prepareReply', ballot: 4, record: record({ ballot: 4 }) }, record({ ballot: 4 })],
    [
      { type: 'validateReply', id: ID, ballot: 4, promised: 4, contradictions: [], more: false },
      record({ ballot: 4 }),
    ],
  ])('$0.type', (message, needed) => {
    const sending = (disk: Disk) => refusal(() => new Durability(3).sending(1, message, disk));
    const disk = new Disk({ replicas: 3, encoded: false });
    expect(sending(disk)).toBe('durability');
    disk.begin({ records: [needed] });
    expect(sending(disk)).toBe('durability');
    disk.complete({ sync: false });
    expect(sending(disk)).toBe('durability');
    disk.begin({});
    disk.complete({ sync: true });
    expect(sending(disk)).toBeNull();
  });

  const fast = { type: 'committed', id: ID, path: 'fast' } as const;
  const batch = { records: [record(COMMITTED)] };

  test('a fast commit, and executions that are told', () => {
    const disk = new Disk({ replicas: 3, encoded: false });
    const durability = new Durability(3);
    const shows = (event: TraceEvent) =>
      refusal(() => durability.committed(1, event, { ...batch, disks: [disk] }));
    const zero = [0, 0, 0];
    const told: Message = {
      type: 'watermarks',
      committed: zero,
      executed: [1, 0, 0],
      highest: zero,
      pruned: zero,
    };
    disk.begin({ ...batch, executed: [ID] });
    disk.complete({ sync: false });
    expect(shows(fast)).toBe('durability');
    expect(shows({ ...fast, path: 'slow' })).toBeNull();
    expect(refusal(() => durability.sending(1, told, disk))).toBe('durability');
    disk.begin({});
    disk.complete({ sync: true });
    expect(shows(fast)).toBeNull();
    expect(refusal(() => durability.sending(1, told, disk))).toBeNull();
  });

  /** Replica 1 of as many as there are records shows a fast commit that is on its disk, but not synced. */
  function showsUnsynced(held: readonly (InstanceRecord | null)[], unsynced = 0): Check | null {
    const disks = held.map(() => new Disk({ replicas: held.length, encoded: false }));
    disks.forEach((disk, index) => {
      const each = held[index];
      disk.begin(each ? { records: [each] } : {});
      disk.complete({ sync: index + 1 !== unsynced });
    });
    disks[0]?.begin(batch);
    disks[0]?.complete({ sync: false });
    return refusal(() => new Durability(held.length).committed(1, fast, { ...batch, disks }));
  }

  test('a fast commit that is not on disk, where both others have its pre-accept there (R4.5)', () => {
    const higher = { ballot: 4, acceptedBallot: 4 };
    expect(showsUnsynced([record(), record(), record()])).toBeNull();
    expect(showsUnsynced([null, record(), record()])).toBeNull();
    expect(
      showsUnsynced([record({ ballot: 4, status: Status.none, attributes: null }), record(), record()]),
    ).toBeNull();
    expect(showsUnsynced([record(), record({ ballot: 4 }), record(COMMITTED)])).toBeNull();
    expect(showsUnsynced([record(), record({ status: Status.accepted, ...higher }), record()])).toBeNull();
  });

  test.each<[string, InstanceRecord | null]>([
    ['nothing', null],
    ['a promise only', record({ status: Status.none, ballot: 4, attributes: null })],
    ['another seq', record({ attributes: { seq: 2, deps: [0, 0, 0] } })],
    ['other deps', record({ attributes: { seq: 1, deps: [0, 1, 0] } })],
    ['the no-op', record({ ...NO_OP, status: Status.accepted, ballot: 4, acceptedBallot: 4 })],
  ])('nor is it where one of them has %s', (_, other) => {
    for (const at of [1, 2]) {
      const held: (InstanceRecord | null)[] = [record(), record(), record()];
      expect(showsUnsynced(held.with(at, other))).toBe('durability');
    }
  });

  test('nor is it where the coordinator has something else', () => {
    for (const other of [
      { seq: 2, deps: [0, 0, 0] },
      { seq: 1, deps: [0, 1, 0] },
    ]) {
      expect(showsUnsynced([record({ attributes: other }), record(), record()])).toBe('durability');
    }
  });

  test('nor is it where one has it written but not synced, where nothing of it was written, or there are five', () => {
    const all = [record(), record(), record()];
    for (const unsynced of [2, 3]) expect(showsUnsynced(all, unsynced)).toBe('durability');
    expect(showsUnsynced(all, 1)).toBeNull();
    expect(showsUnsynced([...all, record(), record()])).toBe('durability');
    const disks = all.map(() => new Disk({ replicas: 3, encoded: false }));
    expect(refusal(() => new Durability(3).committed(1, fast, { records: [], disks }))).toBe('durability');
  });
});
