/**
 * The edges that are enumerated for the executor against all edges of R7.1, in random instance spaces: fewer
 * edges, the same reachability, and nothing is executed before it may be.
 */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { ReplicaState } from '../../../src/epaxos/agreement/state.ts';
import { Dependencies } from '../../../src/epaxos/execution/dependencies.ts';
import {
  type Command,
  EVERYTHING,
  emptyRecord,
  formatInstance,
  type InstanceId,
  type InstanceRecord,
  instanceKey,
  instanceOfKey,
  Status,
} from '../../../src/epaxos/index.ts';
import { conflict } from '../../support/core-observer.ts';
import { commandOf, get, getAll, instance, put, putAll, touching } from '../../support/core-operations.ts';

const ROWS = [1, 2, 3];

type Fate = 'unseen' | 'promised' | 'known' | 'committed' | 'noOp' | 'noOpOfKnown';

interface Planned {
  readonly id: InstanceId;
  readonly command: Command;
  readonly fate: Fate;
  readonly deps: readonly number[];
}

/** What one replica knows: every slot has had a command, whatever is known of it here. */
class World {
  readonly plan = new Map<string, Planned>();
  readonly executed = new Set<string>();

  constructor(plan: readonly Planned[]) {
    for (const each of plan) this.plan.set(formatInstance(each.id), each);
  }

  /** All edges by the definition, and what is lacking, of one committed instance. */
  naive(name: string): { readonly edges: string[]; readonly lacks: string[] } {
    const edges: string[] = [];
    const lacks: string[] = [];
    const { command, deps } = this.get(name);
    for (const replica of ROWS) {
      for (let slot = 1; slot <= (deps[replica - 1] ?? 0); slot += 1) {
        const other = formatInstance({ replica, slot });
        if (this.executed.has(other)) continue;
        const known = this.plan.get(other);
        if (known === undefined || known.fate === 'unseen' || known.fate === 'promised') lacks.push(other);
        else if (known.fate === 'noOp' || known.fate === 'noOpOfKnown') continue;
        else if (!conflict(command, known.command)) continue;
        else if (known.fate === 'known') lacks.push(other);
        else edges.push(other);
      }
    }
    return { edges, lacks };
  }

  get(name: string): Planned {
    const found = this.plan.get(name);
    if (found === undefined) throw new Error(`${name} is not planned`);
    return found;
  }

  committed(): string[] {
    return [...this.plan.keys()].filter((name) => this.get(name).fate === 'committed');
  }

  build(): Dependencies {
    const state = new ReplicaState({ id: 1, replicas: ROWS.length, seed: 1 });
    const { space, index } = state;
    for (const planned of this.plan.values()) {
      const record = recordOf(planned, this.executed.has(formatInstance(planned.id)));
      if (record === null) continue;
      space.put(record);
      if (record.command !== null) index.learn({ ...record.id, settled: 0 }, record.command);
    }
    return new Dependencies(state);
  }
}

function recordOf({ id, command, fate, deps }: Planned, executed: boolean): InstanceRecord | null {
  const empty = emptyRecord(id);
  const attributes = { seq: 1, deps };
  const committed = executed ? Status.executed : Status.committed;
  switch (fate) {
    case 'unseen':
      return null;
    case 'promised':
      return { ...empty, ballot: 4 };
    case 'known':
      return { ...empty, status: Status.preAccepted, command, attributes };
    case 'committed':
      return { ...empty, status: committed, command, attributes };
    case 'noOp':
      return { ...empty, status: committed, noOp: true, attributes: { seq: 0, deps: [0, 0, 0] } };
    case 'noOpOfKnown':
      return { ...empty, status: committed, command, noOp: true, attributes: { seq: 0, deps: [0, 0, 0] } };
  }
}

/** Asks for everything that one instance waits for; a lack ends it, for nothing can be asked behind it. */
function enumerate(dependencies: Dependencies, name: string): { edges: string[]; lacks: string[] } {
  const edges: string[] = [];
  const exploration = { key: instanceKey(instance(name)), place: 0, offset: 0 };
  for (;;) {
    const { place, offset } = exploration;
    const dependency = dependencies.next(exploration);
    if (dependency === 0) return { edges, lacks: [] };
    const other = formatInstance(instanceOfKey(Math.abs(dependency)));
    if (dependency < 0) {
      expect(dependencies.next(exploration)).toBe(dependency); // it is never left behind
      return { edges, lacks: [other] };
    }
    edges.push(other);
    expect(exploration.place > place || exploration.offset > offset).toBe(true);
  }
}

type Neighbours = (name: string) => { readonly edges: readonly string[]; readonly lacks: readonly string[] };

/** Everything that can be reached from one instance, itself included, and whether a lack can. */
function reach(from: string, neighbours: Neighbours): { reached: Set<string>; lacking: boolean } {
  const reached = new Set([from]);
  let lacking = false;
  for (const name of reached) {
    const { edges, lacks } = neighbours(name);
    lacking ||= lacks.length > 0;
    for (const edge of edges) reached.add(edge);
  }
  return { reached, lacking };
}

const anyAccess = (keys: fc.Arbitrary<string>) => fc.record({ key: keys, writes: fc.boolean() });
const anyCommand: fc.Arbitrary<Command> = fc
  .oneof(
    { weight: 5, arbitrary: fc.array(anyAccess(fc.constantFrom('x', 'y')), { minLength: 1, maxLength: 2 }) },
    fc.array(anyAccess(fc.constant(EVERYTHING)), { minLength: 1, maxLength: 1 }),
  )
  .map((accesses) => commandOf(touching('any', accesses)));

const anyWorld: fc.Arbitrary<World> = fc
  .record({
    slots: fc.array(
      fc.array(
        fc.record({
          command: anyCommand,
          fate: fc.oneof(
            { weight: 60, arbitrary: fc.constant<Fate>('committed') },
            { weight: 16, arbitrary: fc.constantFrom<Fate>('noOp', 'noOpOfKnown') },
            { weight: 3, arbitrary: fc.constantFrom<Fate>('known', 'unseen', 'promised') },
          ),
          others: fc.array(fc.nat({ max: 7 }), { minLength: 3, maxLength: 3 }),
          beyond: fc.integer({ min: 1, max: 40 }),
        }),
        { minLength: 2, maxLength: 7, size: 'max' },
      ),
      { minLength: 3, maxLength: 3 },
    ),
    executeSome: fc.array(fc.nat({ max: 7 }), { minLength: 21, maxLength: 21 }),
  })
  .map(({ slots, executeSome }) => {
    const plan = slots.flatMap((row, index) =>
      row.map(({ command, fate, others, beyond }, offset): Planned => {
        const id = { replica: index + 1, slot: offset + 1 };
        // A coordinator knows all its own instances: in its own row deps name the latest that interferes.
        const own = row.findLastIndex((each, at) => at < offset && conflict(each.command, command)) + 1;
        const deps = others.map((slot, at) => (beyond === 1 ? slot : Math.min(slot, slots[at]?.length ?? 0)));
        return { id, command, fate, deps: deps.with(index, own) };
      }),
    );
    const world = new World(plan);
    // Whatever is executed was executed with all that it reaches; no-ops are executed when they commit.
    for (const { id, fate } of plan) if (fate.startsWith('noOp')) world.executed.add(formatInstance(id));
    const graph = new Map(world.committed().map((name) => [name, world.naive(name)]));
    world.committed().forEach((name, index) => {
      const { reached, lacking } = reach(name, (each) => graph.get(each) ?? { edges: [], lacks: [] });
      if (executeSome[index] === 0 && !lacking) for (const each of reached) world.executed.add(each);
    });
    return world;
  });

test('R7.1: the same is reachable as with every edge, and every edge is a true one', () => {
  let checked = 0;
  fc.assert(
    fc.property(anyWorld, (world) => {
      const dependencies = world.build();
      for (const name of world.committed()) {
        if (world.executed.has(name)) continue;
        const all = reach(name, (each) => world.naive(each));
        const found = reach(name, (each) => enumerate(dependencies, each));
        expect(found.lacking).toBe(all.lacking);
        if (!all.lacking) {
          expect([...found.reached].sort()).toEqual([...all.reached].sort());
          checked += 1;
        }
        const { edges, lacks } = enumerate(dependencies, name);
        const full = world.naive(name);
        for (const edge of edges) expect(full.edges).toContain(edge);
        for (const lack of lacks) expect(full.lacks).toContain(lack);
      }
    }),
    { numRuns: 400 },
  );
  expect(checked).toBeGreaterThan(400);
});

describe('case by case', () => {
  const world = (...plan: [name: string, command: Command, fate: Fate, deps: number[]][]) =>
    new World(plan.map(([name, command, fate, deps]) => ({ id: instance(name), command, fate, deps })));
  const write = commandOf(put('w', 'x'));
  const read = commandOf(get('r', 'x'));
  const stranger = commandOf(put('s', 'y'));

  test('a walk down a row stops at the first write: whoever reaches it reaches what lies below', () => {
    const dependencies = world(
      ['2.1', write, 'committed', [0, 0, 0]],
      ['2.2', write, 'committed', [0, 1, 0]],
      ['1.1', write, 'committed', [0, 2, 0]],
    ).build();
    expect(enumerate(dependencies, '1.1')).toEqual({ edges: ['2.2'], lacks: [] });
    expect(enumerate(dependencies, '2.2')).toEqual({ edges: ['2.1'], lacks: [] });
  });

  test('a write waits for every read above the last write of a row', () => {
    const dependencies = world(
      ['2.1', write, 'committed', [0, 0, 0]],
      ['2.2', read, 'committed', [0, 1, 0]],
      ['2.3', stranger, 'committed', [0, 0, 0]],
      ['2.4', read, 'committed', [0, 1, 0]],
      ['1.1', write, 'committed', [0, 4, 0]],
    ).build();
    expect(enumerate(dependencies, '1.1')).toEqual({ edges: ['2.4', '2.2', '2.1'], lacks: [] });
  });

  test('R7.10: a wide write walks down beyond writes of keys, to a write of everything', () => {
    const dependencies = world(
      ['2.1', write, 'committed', [0, 0, 0]],
      ['2.2', commandOf(putAll('all')), 'committed', [0, 1, 0]],
      ['2.3', stranger, 'committed', [0, 2, 0]],
      ['2.4', write, 'committed', [0, 2, 0]],
      ['2.5', read, 'committed', [0, 4, 0]],
      ['1.1', commandOf(putAll('last')), 'committed', [0, 5, 0]],
      ['3.1', commandOf(getAll('look')), 'committed', [0, 5, 0]],
    ).build();
    expect(enumerate(dependencies, '1.1')).toEqual({ edges: ['2.5', '2.4', '2.3', '2.2'], lacks: [] });
    expect(enumerate(dependencies, '3.1')).toEqual({ edges: ['2.4', '2.3', '2.2'], lacks: [] });
    expect(enumerate(dependencies, '2.2')).toEqual({ edges: ['2.1'], lacks: [] });
  });

  test('R7.10: who touches a key waits for what touches everything, also below the last write of the key', () => {
    const dependencies = world(
      ['2.1', commandOf(putAll('all')), 'committed', [0, 0, 0]],
      ['2.2', commandOf(getAll('look')), 'committed', [0, 1, 0]],
      ['2.3', write, 'committed', [0, 2, 0]],
      ['1.1', write, 'committed', [0, 3, 0]],
      ['3.1', read, 'committed', [0, 3, 0]],
    ).build();
    expect(enumerate(dependencies, '1.1')).toEqual({ edges: ['2.3', '2.2', '2.1'], lacks: [] });
    expect(enumerate(dependencies, '3.1')).toEqual({ edges: ['2.3', '2.1'], lacks: [] });
    expect(enumerate(dependencies, '2.3')).toEqual({ edges: ['2.2', '2.1'], lacks: [] });
  });

  test('R7.2, R7.10: a wide command waits for whatever is not committed, but for reads if it reads', () => {
    const dependencies = world(
      ['2.1', read, 'known', [0, 0, 0]],
      ['1.1', commandOf(putAll('all')), 'committed', [0, 1, 0]],
      ['3.1', commandOf(getAll('look')), 'committed', [0, 1, 0]],
    ).build();
    expect(enumerate(dependencies, '1.1')).toEqual({ edges: [], lacks: ['2.1'] });
    expect(enumerate(dependencies, '3.1')).toEqual({ edges: [], lacks: [] });
  });

  test('R7.2: a no-op in the latest slot does not hide what lies below it', () => {
    const dependencies = world(
      ['2.1', write, 'committed', [0, 0, 0]],
      ['2.2', write, 'noOpOfKnown', [0, 1, 0]],
      ['1.1', write, 'committed', [0, 2, 0]],
    ).build();
    expect(enumerate(dependencies, '1.1')).toEqual({ edges: ['2.1'], lacks: [] });
  });

  test('R7.2, R7.10: nor does one that would have written everything, for who touches everything', () => {
    const planned = world(
      ['2.1', write, 'committed', [0, 0, 0]],
      ['2.2', commandOf(putAll('all')), 'noOpOfKnown', [0, 1, 0]],
      ['1.1', commandOf(putAll('last')), 'committed', [0, 2, 0]],
    );
    planned.executed.add('2.2'); // as every no-op is when it is committed
    expect(enumerate(planned.build(), '1.1')).toEqual({ edges: ['2.1'], lacks: [] });
  });

  test('R7.2: an unknown slot anywhere in deps must be learned, also below a known one', () => {
    const dependencies = world(
      ['2.2', write, 'committed', [0, 1, 0]],
      ['1.1', write, 'committed', [0, 2, 0]],
    ).build();
    expect(enumerate(dependencies, '1.1')).toEqual({ edges: [], lacks: ['2.1'] });
  });

  test('R7.2: a known instance that does not interfere is not waited for', () => {
    const dependencies = world(
      ['2.1', stranger, 'known', [0, 0, 0]],
      ['3.1', read, 'known', [0, 0, 0]],
      ['1.1', read, 'committed', [0, 1, 1]],
    ).build();
    expect(enumerate(dependencies, '1.1')).toEqual({ edges: [], lacks: [] });
  });

  test('R7.2: a known instance that interferes must be committed first', () => {
    const dependencies = world(
      ['2.1', write, 'known', [0, 0, 0]],
      ['1.1', read, 'committed', [0, 1, 0]],
    ).build();
    expect(enumerate(dependencies, '1.1')).toEqual({ edges: [], lacks: ['2.1'] });
  });
});
