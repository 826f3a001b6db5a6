/** Interference and its index against an oracle that keeps every known command in a list (section 2). */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { InterferenceIndex } from '../../../src/epaxos/conflicts/interference.ts';
import {
  Command,
  EVERYTHING,
  formatInstance,
  type InstanceId,
  instanceKey,
  isWide,
  type Operation,
} from '../../../src/epaxos/index.ts';
import { conflict } from '../../support/core-observer.ts';
import { commandOf, get, getAll, instance, put, putAll, touching } from '../../support/core-operations.ts';

const anyKey = fc.constantFrom('x', 'y', 'z');
const anyAccess = fc.record({ key: anyKey, writes: fc.boolean() });
const anyWideAccess = fc.record({ key: fc.constant(EVERYTHING), writes: fc.boolean() });
const anyOperation: fc.Arbitrary<Operation> = fc
  .array(anyAccess, { minLength: 1, maxLength: 2 })
  .map((accesses) => touching('any', accesses));
const anyWideOperation = anyWideAccess.map((access) => touching('wide', [access]));
const anyCommand: fc.Arbitrary<Command> = fc
  .oneof(
    { weight: 6, arbitrary: fc.array(anyOperation, { minLength: 1, maxLength: 3 }) },
    anyWideOperation.map((operation) => [operation]),
  )
  .map((operations) => new Command(operations));
const anyId: fc.Arbitrary<InstanceId> = fc.record({
  replica: fc.integer({ min: 1, max: 3 }),
  slot: fc.integer({ min: 1, max: 6 }),
});
/** Known instances, each once, in any order, with the seq that each has had. */
const anyKnowledge = fc.uniqueArray(
  fc.record({ id: anyId, command: anyCommand, seq: fc.integer({ min: 0, max: 20 }) }),
  { selector: ({ id }) => instanceKey(id), maxLength: 14 },
);

type Knowledge = readonly { readonly id: InstanceId; readonly command: Command; readonly seq: number }[];

function indexOf(knowledge: Knowledge): InterferenceIndex {
  const index = new InterferenceIndex(3);
  for (const { id, command, seq } of knowledge) {
    index.learn({ ...id, settled: 0 }, command);
    index.raiseSeq(id, seq);
  }
  return index;
}

const isWideCommand = ({ operations }: Command) => operations.some(isWide);

const highest = (numbers: readonly number[]) => Math.max(0, ...numbers);

/** Whether a command's deps name one that interferes and is known. */
function interferes(known: Command, command: Command): boolean {
  const index = new InterferenceIndex(3);
  index.learn({ replica: 2, slot: 1, settled: 0 }, known);
  return index.contribution(command).deps[1] === 1;
}

describe('R2.1: interference', () => {
  test.each([
    ['two writes of a key', put('a', 'x'), put('b', 'x'), true],
    ['a write and a read of a key', put('a', 'x'), get('b', 'x'), true],
    ['two reads of a key', get('a', 'x'), get('b', 'x'), false],
    ['writes of different keys', put('a', 'x'), put('b', 'y'), false],
    ['one common key among several', put('a', 'x', 'y'), get('b', 'z', 'y'), true],
    ['common keys, all read', get('a', 'x', 'y'), get('b', 'y', 'x'), false],
    ['a write of everything and a write of a key', putAll('a'), put('b', 'x'), true],
    ['a write of everything and a read of a key', putAll('a'), get('b', 'x'), true],
    ['a read of everything and a write of a key', getAll('a'), put('b', 'x'), true],
    ['a read of everything and a read of a key', getAll('a'), get('b', 'x'), false],
    ['two writes of everything', putAll('a'), putAll('b'), true],
    ['a write and a read of everything', putAll('a'), getAll('b'), true],
    ['two reads of everything', getAll('a'), getAll('b'), false],
  ])('%s', (_, one, other, expected) => {
    expect(interferes(commandOf(one), commandOf(other))).toBe(expected);
    expect(interferes(commandOf(other), commandOf(one))).toBe(expected);
  });

  test('batches interfere when any of their operations do', () => {
    const reads = commandOf(get('a', 'x'), get('b', 'y'));
    expect(interferes(reads, commandOf(get('c', 'x'), put('d', 'z')))).toBe(false);
    expect(interferes(reads, commandOf(get('c', 'x'), put('d', 'y')))).toBe(true);
  });

  test('it is what the definition says, for any two commands', () => {
    fc.assert(
      fc.property(anyCommand, anyCommand, (one, other) => {
        expect(interferes(one, other)).toBe(conflict(one, other));
        expect(interferes(other, one)).toBe(conflict(one, other));
      }),
    );
  });

  test('the accesses of a batch: every key once, written if any operation writes it', () => {
    expect(commandOf(get('a', 'x', 'y'), put('b', 'x'), get('c', 'x')).accesses).toEqual([
      { key: 'x', writes: true },
      { key: 'y', writes: false },
    ]);
  });
});

describe('the index, for anything it may know', () => {
  test('R2.3: a contribution names the highest interfering slot of each row, and a seq above all of them', () => {
    fc.assert(
      fc.property(anyKnowledge, anyCommand, (knowledge, command) => {
        const interfering = knowledge.filter((each) => conflict(each.command, command));
        expect(indexOf(knowledge).contribution(command)).toEqual({
          seq: highest(interfering.map(({ seq }) => seq)) + 1,
          deps: [1, 2, 3].map((row) =>
            highest(interfering.filter(({ id }) => id.replica === row).map(({ id }) => id.slot)),
          ),
        });
      }),
    );
  });

  test('R2.7: what is forgotten is as if it had never been, but for the seqs of keys that something is known of', () => {
    fc.assert(
      fc.property(
        anyKnowledge,
        anyCommand,
        fc.array(anyId, { maxLength: 4 }),
        (knowledge, command, bounds) => {
          const index = indexOf(knowledge);
          index.contribution(command); // what was found for it must not outlive it
          for (const id of bounds) index.forget(id);
          const isKept = ({ id }: { readonly id: InstanceId }) =>
            bounds.every(({ replica, slot }) => replica !== id.replica || id.slot > slot);
          const kept = knowledge.filter(isKept);
          const { seq, deps } = index.contribution(command);
          const fresh = indexOf(kept).contribution(command);
          expect(deps).toEqual(fresh.deps);
          expect(seq).toBeGreaterThanOrEqual(fresh.seq);
          expect(seq).toBeLessThanOrEqual(indexOf(knowledge).contribution(command).seq);
          const id = instance('1.7');
          index.learn({ ...id, settled: 0 }, command);
          expect(index.interferingOutside([0, 0, 0], command).map(formatInstance).sort()).toEqual(
            [
              ...kept.filter((each) => conflict(each.command, command)),
              ...(conflict(command, command) ? [{ id }] : []),
            ]
              .map((each) => formatInstance(each.id))
              .sort(),
          );
        },
      ),
    );
  });

  test('asking for a contribution teaches the index nothing', () => {
    const index = indexOf([]);
    const first = index.contribution(commandOf(put('a', 'x')));
    expect(index.contribution(commandOf(put('a', 'x')))).toEqual(first);
    expect(first).toEqual({ seq: 1, deps: [0, 0, 0] });
  });

  test('a seq that was known once is never lowered again', () => {
    const index = new InterferenceIndex(3);
    const command = commandOf(put('a', 'x'));
    index.learn({ ...instance('1.1'), settled: 0 }, command);
    index.raiseSeq(instance('1.1'), 9);
    index.raiseSeq(instance('1.1'), 2);
    expect(index.contribution(commandOf(get('b', 'x'))).seq).toBe(10);
  });

  test('R5.6: interferingOutside is every known interfering instance that is not in deps, each once', () => {
    const anyDeps = fc.array(fc.nat({ max: 6 }), { minLength: 3, maxLength: 3 });
    fc.assert(
      fc.property(anyKnowledge, anyCommand, anyDeps, (knowledge, command, deps) => {
        const expected = knowledge
          .filter((each) => conflict(each.command, command))
          .filter(({ id }) => id.slot > (deps[id.replica - 1] ?? 0))
          .map(({ id }) => formatInstance(id));
        const found = indexOf(knowledge).interferingOutside(deps, command).map(formatInstance);
        expect([...found].sort()).toEqual([...expected].sort());
      }),
    );
  });

  test('walking down a row finds every slot that interferes with an access, and no other', () => {
    fc.assert(
      fc.property(anyKnowledge, anyAccess, fc.nat({ max: 7 }), (all, access, upTo) => {
        const knowledge = all.filter(({ command }) => !isWideCommand(command));
        const index = indexOf(knowledge);
        for (const replica of [1, 2, 3]) {
          const found: number[] = [];
          const entry = index.find(access.key);
          const at = (bound: number) => entry?.interfering(access, { replica, upTo: bound }) ?? 0;
          for (let slot = at(upTo); slot > 0; slot = at(slot - 1)) found.push(slot);
          const expected = knowledge
            .filter(({ id }) => id.replica === replica && id.slot <= upTo)
            .filter(({ command }) => conflict(command, commandOf(touching('one', [access]))))
            .map(({ id }) => id.slot);
          expect(found).toEqual(expected.sort((a, b) => b - a));
        }
      }),
    );
  });

  test('R2.8: the same for what touches everything', () => {
    fc.assert(
      fc.property(anyKnowledge, fc.boolean(), fc.nat({ max: 7 }), (knowledge, writes, upTo) => {
        const wide = indexOf(knowledge).wide();
        for (const replica of [1, 2, 3]) {
          const found: number[] = [];
          const at = (bound: number) => wide?.interfering({ writes }, { replica, upTo: bound }) ?? 0;
          for (let slot = at(upTo); slot > 0; slot = at(slot - 1)) found.push(slot);
          const expected = knowledge
            .filter(({ id }) => id.replica === replica && id.slot <= upTo)
            .filter(({ command }) => isWideCommand(command))
            .filter(({ command }) => conflict(command, commandOf(touching('one', [{ key: 'x', writes }]))))
            .map(({ id }) => id.slot);
          expect(found).toEqual(expected.sort((a, b) => b - a));
        }
      }),
    );
  });

  test('R8.1, R2.8: what a read depends on is the highest write of its key, or of everything, of each row', () => {
    fc.assert(
      fc.property(anyKnowledge, anyKey, (knowledge, key) => {
        const command = commandOf(get('read', key));
        const writers = knowledge.filter((each) => conflict(each.command, command));
        expect(indexOf(knowledge).writersOf(key)).toEqual(
          [1, 2, 3].map((row) =>
            highest(writers.filter(({ id }) => id.replica === row).map(({ id }) => id.slot)),
          ),
        );
      }),
    );
  });

  test('R2.8: when the last wide command is forgotten nothing is left of it', () => {
    const index = indexOf([{ id: instance('1.1'), command: commandOf(putAll('a')), seq: 9 }]);
    expect(index.contribution(commandOf(put('b', 'x')))).toEqual({ seq: 10, deps: [1, 0, 0] });
    index.forget(instance('1.1'));
    expect(index.wide()).toBeNull();
    expect(index.contribution(commandOf(put('b', 'x')))).toEqual({ seq: 1, deps: [0, 0, 0] });
  });

  test('R2.8: whoever touches everything beside keys touches everything', () => {
    const command = commandOf(put('a', 'x'), getAll('b'));
    expect(command.accesses).toEqual([{ key: EVERYTHING, writes: true }]);
    const index = indexOf([{ id: instance('1.1'), command, seq: 1 }]);
    expect(index.contribution(commandOf(get('c', 'y'))).deps).toEqual([1, 0, 0]);
  });

  test('it tells writers from readers and strangers', () => {
    const index = indexOf([
      { id: instance('1.1'), command: commandOf(put('a', 'x'), get('b', 'y')), seq: 1 },
      { id: instance('2.1'), command: commandOf(get('c', 'x')), seq: 1 },
    ]);
    expect([1, 2, 3].map((replica) => index.find('x')?.isWrittenBy(replica, 1))).toEqual([
      true,
      false,
      false,
    ]);
    expect(index.find('y')?.isWrittenBy(1, 1)).toBe(false);
    expect(index.find('z')).toBeUndefined();
  });
});
