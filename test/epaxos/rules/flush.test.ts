/** The rule R7.4: when the effects of what was executed are written. */
import { describe, expect, test } from 'vitest';
import { type Limits, Replica } from '../../../src/epaxos/index.ts';
import { commandOf, instance, put } from '../../support/core-operations.ts';

/** Replica 3 of three, where commits of replica 1 arrive. */
class Follower {
  readonly #replica: Replica;
  #slot = 0;

  constructor(limits: Partial<Limits> = {}) {
    this.#replica = new Replica({ id: 3, replicas: 3, seed: 1, timing: { flushTicks: 50 }, limits });
  }

  /** Executes so many, all in one turn. @param bytes of the operation in each @returns whether effects are written now */
  execute(count: number, bytes = 1): boolean {
    for (let left = count; left > 0; left -= 1) {
      this.#slot += 1;
      const command = commandOf(put('x'.repeat(bytes), `key ${this.#slot}`));
      const attributes = { seq: 1, deps: [0, 0, 0] };
      this.#replica.step(1, { type: 'commit', id: instance(`1.${this.#slot}`), command, attributes });
    }
    const { flush, executions } = this.#replica.takeReady();
    expect(executions).toHaveLength(count);
    return flush;
  }

  /** The ticks, of so many, at which effects are written. */
  ticksWithFlush(count: number): readonly number[] {
    return Array.from({ length: count }, (_, index) => index + 1).filter(() => {
      this.#replica.tick();
      return this.#replica.takeReady().flush;
    });
  }
}

describe('R7.4: effects are written', () => {
  test('when it is time, once, and not where nothing was executed', () => {
    const follower = new Follower();
    expect(follower.execute(3)).toBe(false);
    expect(follower.ticksWithFlush(120)).toEqual([50]);
  });

  test('with the turn that reaches the limit of instances, which counts anew from then on', () => {
    const follower = new Follower({ unflushedInstances: 4 });
    expect(follower.execute(3)).toBe(false);
    expect(follower.execute(1)).toBe(true);
    expect(follower.execute(3)).toBe(false);
    expect(follower.execute(2)).toBe(true);
  });

  test('with the turn that reaches the limit of bytes, which counts anew from then on', () => {
    const follower = new Follower({ unflushedBytes: 100 });
    expect(follower.execute(1, 99)).toBe(false);
    expect(follower.execute(1, 1)).toBe(true);
    expect(follower.execute(9, 11)).toBe(false);
    expect(follower.execute(1, 1)).toBe(true);
  });
});

test('R6.1: effects that are written with a synced batch are on disk with the next one, not with this one', () => {
  const replica = new Replica({ id: 3, replicas: 3, seed: 1, limits: { unflushedInstances: 1 } });
  const command = commandOf(put('a', 'x'));
  const attributes = { seq: 1, deps: [0, 0, 0] };
  const prepare = (slot: number) => replica.step(2, { type: 'prepare', id: { replica: 1, slot }, ballot: 5 });
  replica.step(1, { type: 'commit', id: instance('1.1'), command, attributes });
  prepare(2);
  expect(replica.takeReady()).toMatchObject({ sync: true, flush: true });
  expect(replica.state.durablyExecuted).toEqual([0, 0, 0]);
  prepare(3);
  expect(replica.takeReady()).toMatchObject({ sync: true, flush: false });
  expect(replica.state.durablyExecuted).toEqual([1, 0, 0]);
});
