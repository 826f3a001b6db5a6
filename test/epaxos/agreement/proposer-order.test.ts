/** Batching and holding back, whatever happens (R7.7): against what was added and what is open. */

import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { Operation } from '../../../src/epaxos/index.ts';
import { Command } from '../../../src/epaxos/index.ts';
import { conflict } from '../../support/core-observer.ts';
import { labelOf, touching } from '../../support/core-operations.ts';
import { ProposerBench } from '../../support/proposer-bench.ts';

test('every operation once, per key in order, never too many interfering instances open', () => {
  const anyAccess = fc.record({ key: fc.constantFrom('x', 'y', 'z'), writes: fc.boolean() });
  const anyStep = fc.oneof(
    fc.uniqueArray(anyAccess, { minLength: 1, maxLength: 2, selector: ({ key }) => key }),
    fc.constant('turn' as const),
    fc.constant('close' as const),
  );
  fc.assert(
    fc.property(
      fc.array(anyStep, { maxLength: 60 }),
      fc.record({
        instancesPerTurn: fc.integer({ min: 1, max: 4 }),
        operationsPerInstance: fc.integer({ min: 1, max: 4 }),
        openInstances: fc.integer({ min: 1, max: 4 }),
        interferingInstances: fc.integer({ min: 1, max: 3 }),
      }),
      (steps, limits) => {
        const bench = new ProposerBench(limits);
        const arrived: Operation[] = [];
        const requireApart = () => {
          const open = [...bench.open.values()];
          expect(open.length).toBeLessThanOrEqual(limits.openInstances);
          open.forEach((one, index) => {
            for (const access of one.operations.flatMap(({ accesses }) => accesses)) {
              const alone = new Command([{ accesses: [access], size: 0 }]);
              const before = open.slice(0, index).filter((other) => conflict(alone, other));
              expect(before.length).toBeLessThan(limits.interferingInstances);
            }
            expect(one.operations.length).toBeLessThanOrEqual(limits.operationsPerInstance);
          });
        };
        const closeOne = () => {
          const [slot] = bench.open.keys();
          if (slot !== undefined) bench.close(slot);
        };
        for (const step of steps) {
          if (step === 'turn') bench.turn();
          else if (step === 'close') closeOne();
          else {
            const operation = touching(`${arrived.length}`, step);
            arrived.push(operation);
            bench.add(operation);
          }
          requireApart();
        }
        for (let turns = 0; bench.proposed.length < arrived.length; turns += 1) {
          expect(turns).toBeLessThan(500);
          bench.turn();
          requireApart();
          closeOne();
        }
        while (bench.open.size > 0) closeOne();
        const { waitingOperations, underWay, heldBytes } = bench.proposer;
        expect([waitingOperations, underWay, heldBytes]).toEqual([0, 0, 0]);
        expect([...bench.proposed].sort()).toEqual(arrived.map(labelOf).sort());
        // Of those on a single key, two that interfere are proposed in the order in which they arrived.
        const single = arrived.filter(({ accesses }) => accesses.length === 1);
        single.forEach((one, index) => {
          for (const other of single.slice(index + 1)) {
            if (!conflict(new Command([one]), new Command([other]))) continue;
            const before = bench.proposed.indexOf(labelOf(one)) < bench.proposed.indexOf(labelOf(other));
            expect(before, `${labelOf(one)} before ${labelOf(other)}`).toBe(true);
          }
        });
      },
    ),
    { numRuns: 300 },
  );
});
