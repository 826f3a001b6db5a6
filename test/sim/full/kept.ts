/** What a replica holds at the end, against what it must hold and what it may. */

import { formatInstance, type Replica } from '../../../src/epaxos/index.ts';
import { isWrite, type OperationResult, PAGE_SEQUENCES, type RequestId } from '../../../src/kv/index.ts';
import { decodeAnswers } from '../../../src/storage/answer-codec.ts';
import { decodeGeneration } from '../../../src/storage/generation-codec.ts';
import {
  answersBefore,
  answersFrom,
  executedKey,
  GENERATION_KEY,
  parseAnswersKey,
} from '../../../src/storage/keys.ts';
import { keyToString } from '../../../src/wire/index.ts';
import { requestKey } from '../calls.ts';
import { isSameResult } from '../checkers/effects.ts';
import { demand, demandAtMost } from '../checkers/violation.ts';
import type { History } from '../history.ts';
import { unsealed } from './durable-view.ts';
import type { FullMachine } from './machine.ts';

/** The answers that a store keeps, by request and key, and the generation in which it does. */
function answersIn({ volume }: FullMachine): { generation: number; answers: Map<string, OperationResult> } {
  const { current } = volume;
  const stored = current.get(keyToString(GENERATION_KEY));
  const generation = stored === undefined ? 1 : decodeGeneration(unsealed(stored));
  const range = answersFrom(generation - 1);
  const answers = new Map<string, OperationResult>();
  for (const [key, value] of current.range({ gte: range.start, lt: range.end })) {
    const id = parseAnswersKey(key);
    if (id === undefined) continue;
    const page = decodeAnswers(id, unsealed(value));
    page.forEachPlain((place, version, start, end) => {
      const request = { ...id, sequence: id.number * PAGE_SEQUENCES + place };
      const name = keyToString(page.plain.subarray(start, end));
      answers.set(nameOf(request, name), { version, value: null, previousVersion: 0 });
    });
    for (const answer of page.others?.values() ?? []) {
      answers.set(nameOf(answer.request, answer.key), answer.result);
    }
  }
  return { generation, answers };
}

function nameOf({ client, sequence, generation }: RequestId, key: string): string {
  return `${client}/${sequence}/${generation}/${key}`;
}

/**
 * All stores keep the same answers in the same generation, and every answer that a client got, unless it was asked for
 * too long ago (R7.12). @returns the generation @throws Violation exactlyOnce
 */
export function checkAnswers(machines: readonly FullMachine[], history: History): number {
  let first: ReturnType<typeof answersIn> | null = null;
  for (const machine of machines) {
    const { generation, answers } = answersIn(machine);
    const what = `replica ${machine.id}`;
    first ??= { generation, answers };
    const expected = first;
    demand(
      generation === expected.generation,
      'exactlyOnce',
      () => `${what} ends in generation ${generation}, another one in ${expected.generation}`,
    );
    for (const name of new Set([...answers.keys(), ...expected.answers.keys()])) {
      const [one, other] = [answers.get(name), expected.answers.get(name)];
      demand(
        one !== undefined && other !== undefined && isSameResult(one, other),
        'exactlyOnce',
        () => `${what} keeps another answer of ${name} than another one`,
      );
    }
    for (const { operation, result } of history.entries) {
      if (result === null || !isWrite(operation) || operation.unrecorded) continue;
      if (operation.request.generation < generation - 1) continue;
      const recorded = answers.get(nameOf(operation.request, operation.key));
      demand(
        recorded !== undefined && isSameResult(recorded, result),
        'exactlyOnce',
        () => `${what} has not the answer of ${requestKey(operation.request)} in its store`,
      );
    }
  }
  return first?.generation ?? 1;
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

/** How many slots that anybody has heard of, also one that is down, are not known to be committed. */
export function openSlots(machines: readonly FullMachine[]): number {
  const rows = machines.map(({ rows }) => rows);
  const most = (rowIndex: number, what: 'highest' | 'committed') =>
    Math.max(...rows.map((of) => of[rowIndex]?.[what] ?? 0));
  const replicas = Math.max(0, ...rows.map(({ length }) => length));
  return Array.from(
    { length: replicas },
    (_, index) => most(index, 'highest') - most(index, 'committed'),
  ).reduce((sum, open) => sum + open, 0);
}

/** Whether the core knows what the loop has heard of its peers. */
export function knowsPeers({ core, process }: FullMachine): boolean {
  return (process?.transport.peers() ?? []).every(
    ({ id, reachable }) => core?.state.isReachable(id) === reachable,
  );
}

/** What the loop has heard of its peers its core knows, too. @throws Violation convergence */
export function checkPeers(machine: FullMachine): void {
  const peers = () => JSON.stringify(machine.process?.transport.peers());
  demand(
    knowsPeers(machine),
    'convergence',
    () => `the core of replica ${machine.id} was not told which peers can be reached: ${peers()}`,
  );
}

/** Answers that are not kept any more are removed (R7.12). @throws Violation bounds */
export function checkOldAnswers(machine: FullMachine): void {
  const { id, volume } = machine;
  const stored = volume.current.get(keyToString(GENERATION_KEY));
  const generation = stored === undefined ? 1 : decodeGeneration(unsealed(stored));
  const { start, end } = answersBefore(generation - 1);
  const old = volume.current.range({ gte: start, lt: end }).length;
  demandAtMost(
    old,
    0,
    `pages of answers before generation ${generation - 1} are in the store of replica ${id}`,
  );
}
