/** What a replica holds at the end, against what it must hold and what it may. */

import { formatInstance, type Replica } from '../../../src/epaxos/index.ts';
import { isWrite, Sessions } from '../../../src/kv/index.ts';
import { decodeAnswers } from '../../../src/storage/answer-codec.ts';
import { ANSWERS_RANGE, executedKey, parseAnswersKey } from '../../../src/storage/keys.ts';
import { keyToString } from '../../../src/wire/index.ts';
import { requestKey } from '../calls.ts';
import { isSameResult } from '../checkers/effects.ts';
import { demand } from '../checkers/violation.ts';
import type { History } from '../history.ts';
import { unsealed } from './durable-view.ts';
import type { FullMachine } from './machine.ts';

/** Every answer that a client got is recorded in the store. @throws Violation exactlyOnce */
export function checkAnswers({ id, volume }: FullMachine, history: History): void {
  const pages = volume.current
    .range({ gte: ANSWERS_RANGE.start, lt: ANSWERS_RANGE.end })
    .flatMap(([key, value]) => {
      const page = parseAnswersKey(key);
      return page === undefined ? [] : [decodeAnswers(page, unsealed(value))];
    });
  const sessions = new Sessions(pages);
  for (const { operation, result } of history.entries) {
    if (result === null || !isWrite(operation) || operation.unrecorded) continue;
    const recorded = sessions.find(operation.request, operation.key);
    demand(
      recorded !== undefined && isSameResult(recorded, result),
      'exactlyOnce',
      () => `replica ${id} has not the answer of ${requestKey(operation.request)} in its store`,
    );
  }
}

/** Everything that was executed is marked so in the store, or forgotten. @throws Violation durability */
export function checkMarks({ id, volume, core }: FullMachine): void {
  for (const { replica, executed, pruned } of core?.status().rows ?? []) {
    for (let slot = pruned + 1; slot <= executed; slot += 1) {
      demand(
        volume.current.get(keyToString(executedKey({ replica, slot }))) !== undefined,
        'durability',
        () =>
          `replica ${id} has executed ${formatInstance({ replica, slot })}, and its store does not say so`,
      );
    }
  }
}

/** How many instances a replica keeps. */
export function keptInstances(core: Replica): number {
  return core.status().rows.reduce((sum, { highest, pruned }) => sum + highest - pruned, 0);
}
