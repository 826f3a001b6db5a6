/** What is known of a key, against a plain list of what was told. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { KeyEntry } from '../../../src/epaxos/conflicts/key-entry.ts';

const REPLICAS = 3;
const anyInstance = fc.record({
  replica: fc.integer({ min: 1, max: REPLICAS }),
  slot: fc.integer({ min: 1, max: 40 }),
  writes: fc.boolean(),
});
const anyInstances = fc.uniqueArray(anyInstance, {
  selector: ({ replica, slot }) => `${replica}.${slot}`,
  maxLength: 40,
});
type Instances = readonly { readonly replica: number; readonly slot: number; readonly writes: boolean }[];

function entryOf(instances: Instances): KeyEntry {
  const entry = new KeyEntry('key', REPLICAS);
  for (const { replica, slot, writes } of instances) entry.add({ replica, slot, settled: 0 }, { writes });
  return entry;
}

/** Everything that can be asked gives what the list gives; of slots up to the settled ones only the highest of all is asked for. */
function expectSame(entry: KeyEntry, known: Instances, settled: readonly number[] = [0, 0, 0]): void {
  const highest = (replica: number, upTo: number, matters: (writes: boolean) => boolean) =>
    Math.max(
      0,
      ...known
        .filter((each) => each.replica === replica && each.slot <= upTo && matters(each.writes))
        .map(({ slot }) => slot),
    );
  for (const writes of [true, false]) {
    const matters = (other: boolean) => writes || other;
    expect(entry.lastInterfering({ writes })).toEqual(
      [1, 2, 3].map((replica) => highest(replica, Number.MAX_SAFE_INTEGER, matters)),
    );
    for (let replica = 1; replica <= REPLICAS; replica += 1) {
      for (let upTo = 0; upTo <= 42; upTo += 1) {
        const found = entry.interfering({ writes }, { replica, upTo });
        const expected = highest(replica, upTo, matters);
        const bound = settled[replica - 1] ?? 0;
        if (expected > bound) expect(found).toBe(expected);
        else expect(found).toBeLessThanOrEqual(bound);
      }
    }
  }
  for (const { replica, slot, writes } of known) {
    if (slot > (settled[replica - 1] ?? 0)) expect(entry.isWrittenBy(replica, slot)).toBe(writes);
  }
}

test('in whatever order instances come', () => {
  fc.assert(
    fc.property(anyInstances, (instances) => expectSame(entryOf(instances), instances)),
    { numRuns: 60 },
  );
});

test('what is settled when more is added takes no room, and changes nothing above it', () => {
  fc.assert(
    fc.property(anyInstances, fc.array(fc.nat({ max: 42 }), { maxLength: 40 }), (instances, rises) => {
      const entry = new KeyEntry('key', REPLICAS);
      const settled = [0, 0, 0];
      instances.forEach(({ replica, slot, writes }, index) => {
        const row = replica - 1;
        settled[row] = Math.max(settled[row] ?? 0, Math.min(rises[index] ?? 0, slot - 1));
        entry.add({ replica, slot, settled: settled[row] ?? 0 }, { writes });
      });
      expectSame(entry, instances, settled);
    }),
    { numRuns: 100 },
  );
  const entry = new KeyEntry('key', REPLICAS);
  entry.add({ replica: 1, slot: 1, settled: 0 }, { writes: true });
  entry.add({ replica: 1, slot: 2, settled: 0 }, { writes: true });
  expect(entry.earlier?.[0]).toHaveLength(1);
  entry.add({ replica: 1, slot: 3, settled: 2 }, { writes: true });
  expect(entry.earlier).toBeNull();
});

test('dropping the lower end of the rows leaves the rest, to which may be added', () => {
  fc.assert(
    fc.property(
      anyInstances,
      fc.array(fc.nat({ max: 42 }), { minLength: REPLICAS, maxLength: REPLICAS }),
      fc.nat({ max: 40 }),
      (instances, bounds, early) => {
        const entry = entryOf(instances.slice(0, early));
        entry.dropUpTo(bounds);
        const isKept = ({ replica, slot }: Instances[number]) => slot > (bounds[replica - 1] ?? 0);
        const kept = instances.slice(0, early).filter(isKept);
        expectSame(entry, kept);
        const late = instances.slice(early).filter(isKept);
        for (const { replica, slot, writes } of late) entry.add({ replica, slot, settled: 0 }, { writes });
        expectSame(entry, [...kept, ...late]);
      },
    ),
    { numRuns: 100 },
  );
});

test('the seqs are kept as long as any slot is, of whatever row', () => {
  const entry = entryOf([
    { replica: 1, slot: 3, writes: true },
    { replica: 2, slot: 5, writes: false },
  ]);
  entry.accessSeq = 9;
  entry.writeSeq = 7;
  entry.dropUpTo([3, 4, 9]);
  expect([entry.accessSeq, entry.writeSeq]).toEqual([9, 7]);
  entry.dropUpTo([3, 5, 9]);
  expect([entry.accessSeq, entry.writeSeq]).toEqual([0, 0]);
});

test('an instance that it never heard of writes nothing', () => {
  expect(entryOf([{ replica: 1, slot: 3, writes: true }]).isWrittenBy(1, 4)).toBe(false);
});
