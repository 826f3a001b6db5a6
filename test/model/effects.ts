/**
 * What executing does in the worlds that have a request twice, and the end of a generation between its copies (R7.12): the
 * production state machine executes every log, and an instance must come to the same at every replica, before and after
 * a crash.
 */
import { formatInstance, type InstanceKey, instanceOfKey } from '../../src/epaxos/index.ts';
import { KvError } from '../../src/errors.ts';
import { asKvOperation, type KvOperation, Sessions } from '../../src/kv/index.ts';
import { AnywhereState, advance, put } from '../kv/operations.ts';
import type { CommittedValue, History } from './machine.ts';
import type { Model } from './model.ts';
import { Violation } from './violation.ts';

/** In which every replica begins; the request was first sent in the one before. */
const GENERATION = 2;
const KEY = 'x';
const REQUEST = { client: 'the-same-client!', sequence: 1, generation: GENERATION - 1 };

/** A copy of the request. */
export const COPY: KvOperation = put(KEY, 'value', { request: REQUEST });
/** The end of the generation: a copy that comes after it comes too late. */
export const ADVANCE: KvOperation = advance(GENERATION);

/** @param facts of each replica, by id @throws Violation effects */
export function checkEffects(
  model: Model,
  committed: ReadonlyMap<InstanceKey, CommittedValue>,
  facts: readonly Pick<History, 'logs'>[],
): void {
  const outcomes = new Map<InstanceKey, string>();
  facts.forEach(({ logs }, index) => {
    for (const log of logs) {
      const state = new AnywhereState({ stored: () => undefined, sessions: new Sessions([], GENERATION) });
      for (const [place, key] of log.entries()) {
        if (model.mutation?.hasOwnClock && index === 0 && place === 1) state.sessions.advance(GENERATION);
        const outcome = outcomeOf(state, committed.get(key));
        const other = outcomes.get(key) ?? outcome;
        outcomes.set(key, other);
        if (other === outcome) continue;
        const name = formatInstance(instanceOfKey(key));
        throw new Violation(
          'effects',
          `${name} comes to ${other} at one replica, and to ${outcome} at another`,
        );
      }
      const { version = 0 } = state.row(KEY) ?? {};
      if (version > 1) throw new Violation('effects', `the request was applied ${version} times`);
    }
  });
}

function outcomeOf(state: AnywhereState, value: CommittedValue | undefined): string {
  const [operation] = value?.command?.operations ?? [];
  if (operation === undefined) return 'nothing';
  try {
    const { version } = state.apply(asKvOperation(operation));
    return `version ${version} in generation ${state.sessions.generation}`;
  } catch (error) {
    if (!(error instanceof KvError)) throw error;
    return error.code;
  }
}
