/** What the search rests on: copies are independent, and states with one key behave alike. */
import { describe, expect, test } from 'vitest';
import { Prng } from '../../src/util/prng.ts';
import { canonical } from './canonical.ts';
import { Machine } from './machine.ts';
import { Model } from './model.ts';
import { forEachMove, type Step, summarize } from './moves.ts';
import { worldNamed } from './worlds.ts';

/** Takes random steps in a world; `observe` sees each before it is taken. */
function wander(model: Model, seed: number, observe: (machine: Machine, step: Step) => void): number {
  const prng = new Prng(seed);
  const machines = Array.from({ length: model.world.replicas }, (_, place) => new Machine(model, place + 1));
  const sent: Step[] = [];
  let taken = 0;
  for (; taken < 60; taken += 1) {
    const choices: Step[] = [...sent];
    forEachMove(model, machines.map(summarize), (at, input) => choices.push({ at, input }));
    const step = choices[prng.integer(0, choices.length - 1)];
    const machine = machines[(step?.at ?? 0) - 1];
    if (step === undefined || machine === undefined) break;
    observe(machine, step);
    for (const { to, message } of machine.apply(step.input)) {
      sent.push({ at: to, input: { type: 'deliver', from: step.at, message } });
    }
  }
  return taken;
}

describe.each([
  ['n3-four-commands', 80],
  ['n5-four-commands', 50],
  ['n3-queue', 50],
  ['n3-prompt-four', 50],
])('in walks through %s', (name, walks) => {
  const model = new Model(worldNamed(name));
  const outcome = (machine: Machine, { input }: Step) => {
    const messages = machine.apply(input);
    return { after: machine.key(), messages: canonical(messages, model.names) };
  };

  test('a copy has the key of its original, and what it does leaves the original alone', () => {
    let steps = 0;
    for (let seed = 1; seed <= walks; seed += 1) {
      steps += wander(model, seed, (machine, step) => {
        const key = machine.key();
        const copy = machine.copy();
        expect(copy.key()).toBe(key);
        copy.apply(step.input);
        expect(machine.key()).toBe(key);
      });
    }
    expect(steps).toBeGreaterThan(walks * 10);
  });

  test('states with one key, reached in different ways, answer every input alike', () => {
    const known = new Map<string, Machine>();
    let compared = 0;
    for (let seed = 1; seed <= walks; seed += 1) {
      wander(model, seed, (machine, step) => {
        const key = machine.key();
        const other = known.get(key);
        if (other === undefined) {
          known.set(key, machine.copy());
          return;
        }
        expect(outcome(other.copy(), step)).toEqual(outcome(machine.copy(), step));
        compared += 1;
      });
    }
    expect(compared).toBeGreaterThan(walks);
  });
});
