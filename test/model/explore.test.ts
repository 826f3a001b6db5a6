/** Small worlds, searched to the end with the core as it is; and the search itself, against a plain one. */
import { describe, expect, test } from 'vitest';
import { replicaIds } from '../../src/epaxos/index.ts';
import { canonical } from './canonical.ts';
import { Explorer } from './explore.ts';
import { type Input, Machine } from './machine.ts';
import { Model, type World } from './model.ts';
import { forEachMove, summarize } from './moves.ts';
import { VectorTable } from './vector-table.ts';
import { worldNamed } from './worlds.ts';

describe('every reachable state is as it should be', () => {
  test.each([
    ['n3-two-without-recovery by the ring'],
    ['n3-crash-restart of one command'],
    ['n3-one-command, thrifty'],
  ])('%s', (name) => {
    const world = smallWorlds[name];
    if (world === undefined) throw new Error(`no world ${name}`);
    const { violation, trace, isComplete, states } = new Explorer(new Model(world)).run();
    expect({ violation, trace, isComplete }).toEqual({ violation: null, trace: [], isComplete: true });
    expect(states).toBeGreaterThan(1_000);
  });
});

const smallWorlds: Record<string, World> = {
  'n3-one-command, thrifty': { ...worldNamed('n3-one-command'), thrifty: true },
  'n3-two-without-recovery by the ring': { ...worldNamed('n3-two-without-recovery'), followers: 'ring' },
  'n3-crash-restart of one command': {
    ...worldNamed('n3-one-command'),
    followers: 'ring',
    crashes: 1,
    recoveries: { total: 1, perInstance: 1, by: [1] },
    timeouts: false,
  },
};

describe('the search', () => {
  const world: World = {
    ...worldNamed('n3-one-command'),
    followers: 'ring',
    recoveries: { total: 1, perInstance: 1, by: [1] },
    timeouts: false,
  };

  test('finds what a plain search without remembered steps finds', () => {
    const { states, transitions, depth } = new Explorer(new Model(world)).run();
    expect({ states, transitions, depth }).toEqual(searchPlainly(new Model(world)));
  });

  test('stops at its limits and says so', () => {
    const limited = new Explorer(new Model(world)).run({ states: 100 });
    expect(limited.isComplete).toBe(false);
    expect(limited.states).toBeGreaterThanOrEqual(100);
    expect(new Explorer(new Model(worldNamed('n5-two-commands'))).run({ seconds: 0 }).isComplete).toBe(false);
  });
});

/** Breadth first with whole copies and strings. */
function searchPlainly(model: Model): { states: number; transitions: number; depth: number } {
  interface Whole {
    readonly machines: readonly Machine[];
    /** By text: who gets what. */
    readonly sent: ReadonlyMap<string, { readonly to: number; readonly input: Input }>;
  }
  const keyOf = ({ machines, sent }: Whole) =>
    [...machines.map((machine) => machine.key()), ...[...sent.keys()].sort()].join('\n');
  const start: Whole = {
    machines: replicaIds(model.world.replicas).map((id) => new Machine(model, id)),
    sent: new Map(),
  };
  const seen = new Set([keyOf(start)]);
  let transitions = 0;
  let depth = -1;
  for (let layer = [start]; layer.length > 0; depth += 1) {
    const next: Whole[] = [];
    for (const whole of layer) {
      const before = keyOf(whole);
      const take = (at: number, input: Input) => {
        const machines = whole.machines.map((machine) => (machine.id === at ? machine.copy() : machine));
        const sent = new Map(whole.sent);
        for (const { to, message } of machines[at - 1]?.apply(input) ?? []) {
          sent.set(`${at}>${to} ${canonical(message, model.names)}`, {
            to,
            input: { type: 'deliver', from: at, message },
          });
        }
        const key = keyOf({ machines, sent });
        if (key === before) return;
        transitions += 1;
        if (seen.has(key)) return;
        seen.add(key);
        next.push({ machines, sent });
      };
      for (const { to, input } of whole.sent.values()) take(to, input);
      forEachMove(model, whole.machines.map(summarize), take);
    }
    layer = next;
  }
  return { states: seen.size, transitions, depth };
}

describe('the table of states', () => {
  test('knows every vector that was added, and no other', () => {
    const table = new VectorTable(3);
    const known = new Map<string, number>();
    const vector = new Uint32Array(3);
    let random = 1;
    for (let count = 0; count < 60_000; count += 1) {
      for (let place = 0; place < 3; place += 1) {
        random = (Math.imul(random, 48_271) >>> 0) % 2_147_483_647;
        vector[place] = random % 40;
      }
      const text = vector.join();
      expect(table.add(vector, count)).toBe(!known.has(text));
      if (!known.has(text)) known.set(text, count);
    }
    expect(table.size).toBe(known.size);
    let index = 0;
    for (const [text, count] of known) {
      expect(table.read(index, vector)).toBe(count);
      expect(vector.join()).toBe(text);
      index += 1;
    }
  });
});
