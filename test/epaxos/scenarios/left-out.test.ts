/** R9.6, R9.13: pruning without those that are silent, or heard but far behind: what may keep it from going on, and what not. */
import { describe, expect, test } from 'vitest';
import { type Message, Replica } from '../../../src/epaxos/index.ts';
import { CoreCluster } from '../../support/core-cluster.ts';
import type { Filter } from '../../support/core-flights.ts';
import { commandOf, put } from '../../support/core-operations.ts';

/** How many executed instances a replica keeps. */
function retained({ state }: Replica): number {
  return state.space.rows.reduce((sum, row) => sum + row.executed - row.pruned, 0);
}

describe('a plan that counts on a replica', () => {
  test('is dropped when that replica falls silent, whose reserved slots nobody else can settle', () => {
    const cluster = new CoreCluster(3, {
      limits: { retainedInstances: 5, reservedSlots: 8 },
      timing: { silentTicks: 30, watermarkTicks: 5 },
    });
    /** Everything is delivered but what is lost. */
    const deliver = (...losses: Filter[]) => {
      while (cluster.inFlight() > 0) {
        for (const lost of losses) if (cluster.inFlight(lost) > 0) cluster.drop(lost);
        if (cluster.inFlight() > 0) cluster.deliver();
      }
    };
    const write = (id: number, count: number, label: string, lost: Filter = { type: 'waiting' }) => {
      for (let n = 0; n < count; n += 1) {
        cluster.propose(id, put(`${label}${n}`, `${label}${n}`));
        deliver(lost);
        cluster.tick(1);
        deliver(lost);
      }
    };
    write(3, 1, 'a');
    // What 2 tells is lost, so that it seems silent. 3 comes back from a crash, tells what it has executed and reserved, and dies.
    write(1, 40, 'b', { type: 'watermarks', from: 2 });
    write(1, 12, 'c', { type: 'watermarks', from: [2, 3] });
    cluster.crash(3);
    cluster.restart(3);
    const settled = () => cluster.replica(1).state.progress.prunePlan?.settled[2] ?? 0;
    for (let n = 0; n < 20 && settled() <= 1; n += 1) {
      cluster.tick(1);
      deliver({ type: 'prepare' }, { type: 'watermarks', from: 2 });
    }
    expect(settled()).toBeGreaterThan(cluster.replica(1).state.space.row(3).committed);
    cluster.crash(3);
    write(1, 80, 'd');
    expect([1, 2].map((id) => retained(cluster.replica(id))).every((kept) => kept <= 40)).toBe(true);
  });
});

describe('a replica that is heard, but does not get on', () => {
  test.each([3, 5])('does not keep the others from forgetting (N = %i)', (replicas) => {
    const cluster = new CoreCluster(replicas, {
      limits: { retainedInstances: 10 },
      timing: { silentTicks: 30, watermarkTicks: 10 },
    });
    let most = 0;
    for (let n = 1; n <= 600; n += 1) {
      cluster.propose(1, put(`w${n}`, `k${n % 7}`));
      cluster.tick(1);
      // The last replica tells its watermarks as ever; what would let it get on is lost.
      while (cluster.inFlight() > 0) {
        const lost = { to: replicas, type: ['preAccept', 'accept', 'commit'] as const };
        if (cluster.inFlight(lost) > 0) cluster.drop(lost);
        if (cluster.inFlight() > 0) cluster.deliver();
      }
      most = Math.max(most, retained(cluster.replica(1)));
    }
    expect(cluster.log(replicas)).toEqual([]);
    expect(most).toBeLessThan(10 + 5 * 30);
    expect(cluster.replica(2).state.space.row(1).pruned).toBeGreaterThan(400);
  });
});

const LIMIT = 1_000;
describe.each([
  ['by number', { retainedInstances: LIMIT }],
  ['by bytes', { retainedInstances: 50_000, retainedBytes: LIMIT * commandOf(put('w00001', 'k')).size }],
])('who is behind %s, and when it is left out (R9.13)', (_, limits) => {
  const SILENT = 100;

  /** Replica 1 of three, which executes one instance a tick; 2 keeps up, and 3 tells what it has executed. */
  class Race {
    readonly replica = new Replica({
      id: 1,
      replicas: 3,
      seed: 1,
      timing: { flushTicks: 1, silentTicks: SILENT },
      limits,
    });
    #executed = 0;

    /** @param third how much replica 3 has executed */
    tick(third: (executed: number) => number, count = 1): void {
      for (let n = 0; n < count; n += 1) {
        this.#execute(1);
        this.replica.tick();
        this.#turns();
        this.#hear(2, this.#executed);
        this.#hear(3, Math.min(this.#executed, Math.max(0, third(this.#executed))));
      }
    }

    /** A head start. */
    begin(instances: number): void {
      this.#execute(instances);
    }

    get executed(): number {
      return this.#executed;
    }

    get pruned(): number {
      return this.replica.state.space.row(2).pruned;
    }

    #execute(count: number): void {
      for (let n = 0; n < count; n += 1) {
        this.#executed += 1;
        this.replica.step(2, {
          type: 'commit',
          id: { replica: 2, slot: this.#executed },
          command: commandOf(put(`w${String(this.#executed).padStart(5, '0')}`, 'k')),
          attributes: { seq: this.#executed, deps: [0, this.#executed - 1, 0] },
        });
      }
      this.#turns();
    }

    #turns(): void {
      while (this.replica.hasReady()) this.replica.takeReady();
    }

    #hear(from: number, executed: number): void {
      const all = [0, this.#executed, 0];
      const message: Message = {
        type: 'watermarks',
        committed: all,
        executed: [0, executed, 0],
        highest: all,
        pruned: [0, 0, 0],
      };
      this.replica.step(from, message);
    }
  }

  test('who gets on is waited for, however far behind it is', () => {
    const race = new Race();
    race.begin(5_000);
    let third = 0;
    const catchUp = () => {
      third += 10;
      return third;
    };
    race.tick(catchUp, 700);
    expect(race.pruned).toBeGreaterThan(race.executed - LIMIT);
    expect(third).toBeGreaterThan(race.executed - LIMIT);
    expect(race.replica.state.index.floor).toEqual([0, 0, 0]);
  });

  test('who stands still is left out after as long as one that is silent', () => {
    const race = new Race();
    race.begin(2_000);
    race.tick(() => 0, SILENT);
    expect(race.pruned).toBe(0);
    race.tick(() => 0, 20);
    expect(race.pruned).toBeGreaterThan(2_000);
    expect(race.replica.state.index.floor[1]).toBe(race.pruned);
  });

  test('who falls behind ever farther is left out too, though it executes something', () => {
    const race = new Race();
    race.begin(2_000);
    race.tick((executed) => executed / 2, 200);
    expect(race.pruned).toBeGreaterThan(2_000);
  });

  test('who came back by a snapshot is waited for, and has its time to catch up with the rest', () => {
    const race = new Race();
    race.begin(2_000);
    race.tick(() => 0, SILENT + 30);
    const before = race.pruned;
    expect(before).toBeGreaterThan(2_000);
    // It copies a snapshot, which takes longer than one that is silent is waited for; meanwhile much is executed here.
    const snapshot = race.executed;
    race.begin(3_000);
    race.tick(() => 0, SILENT + 60);
    expect(race.pruned).toBe(before);
    // Then still more is missing than may be kept for anybody who does not get on.
    let third = snapshot;
    const catchUp = () => {
      third += 10;
      return third;
    };
    race.tick(catchUp, 1_000);
    expect(race.replica.state.index.floor[1]).toBe(before);
    expect(race.pruned).toBeGreaterThan(race.executed - LIMIT);
  });

  test('who does not come back is left out again and again, after a time that does not grow without end', () => {
    const race = new Race();
    race.begin(2_000);
    let most = 0;
    race.tick((executed) => {
      most = Math.max(most, executed - race.pruned);
      return 0;
    }, 4_000);
    expect(most).toBeLessThan(2_000 + 5 * SILENT);
    expect(race.pruned).toBeGreaterThan(race.executed - LIMIT - 5 * SILENT);
  });

  test('who is behind by no more than may be kept is waited for without end', () => {
    const race = new Race();
    race.tick((executed) => executed - LIMIT, 5 * SILENT + LIMIT);
    expect(race.pruned).toBeLessThanOrEqual(race.executed - LIMIT);
    expect(race.replica.state.index.floor).toEqual([0, 0, 0]);
  });
});
