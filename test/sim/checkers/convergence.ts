/** What a world must come to once it is healed: nothing open anywhere, and the same table everywhere. */
import type { Replica, ReplicaId } from '../../../src/epaxos/index.ts';
import type { Row } from '../../../src/kv/index.ts';
import { isSameRow } from './effects.ts';
import { demand } from './violation.ts';

/** Why a cluster is not at rest yet, in words; null if it is: everything known anywhere is executed everywhere. */
export function whyUnsettled(
  replicas: readonly {
    readonly id: ReplicaId;
    /** Null for one that is down. */
    readonly core: Replica | null;
    /** True while what the core counts as executed may not be in the table yet. */
    readonly isExecuting: boolean;
  }[],
): string | null {
  let expected: string | null = null;
  for (const { id, core, isExecuting } of replicas) {
    if (core === null) return `replica ${id} is down`;
    if (isExecuting) return `replica ${id} is in the middle of a turn`;
    const { rows, openInstances, waitingOperations, blockedInstances } = core.status();
    if (openInstances + waitingOperations + blockedInstances > 0) {
      return `replica ${id} has ${openInstances} open, ${waitingOperations} waiting, ${blockedInstances} blocked`;
    }
    for (const { replica, committed, executed, highest } of rows) {
      if (executed < highest) {
        return `replica ${id} knows row ${replica} up to ${highest}, committed ${committed}, executed ${executed}`;
      }
    }
    const reached = rows.map(({ executed }) => executed).join();
    expected ??= reached;
    if (reached !== expected) return `replica ${id} executed up to ${reached}; another one to ${expected}`;
  }
  return null;
}

/** @throws Violation convergence unless all tables are the same */
export function checkConvergence(tables: readonly ReadonlyMap<string, Row>[]): void {
  const [first, ...others] = tables;
  if (first === undefined) return;
  others.forEach((other, index) => {
    for (const key of new Set([...first.keys(), ...other.keys()])) {
      demand(
        isSameRow(first.get(key), other.get(key)),
        'convergence',
        () => `replicas 1 and ${index + 2} have different rows for ${key}`,
      );
    }
  });
}
