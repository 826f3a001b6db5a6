/**
 * Visibility: of two committed commands that interfere at least one is in the other's deps. The one exception is
 * the protocol's own (R2.7): what every replica had executed before the other was committed may be forgotten.
 */
import {
  type Deps,
  EVERYTHING,
  formatInstance,
  type InstanceId,
  type InstanceKey,
} from '../../../src/epaxos/index.ts';
import type { CommittedValue } from './agreement.ts';
import { accessesByKey } from './execution-order.ts';
import { demand } from './violation.ts';

interface Place {
  readonly id: InstanceId;
  readonly deps: Deps;
  readonly writes: boolean;
  readonly committedAt: number;
  /** When the last replica had executed it; Infinity if some has not. */
  readonly executedAt: number;
}

/**
 * @param executedEverywhereAt when every replica had executed an instance, in the numbers of the observations
 * @throws Violation visibility
 */
export function checkVisibility(
  committed: ReadonlyMap<InstanceKey, CommittedValue>,
  executedEverywhereAt: (key: InstanceKey) => number,
): void {
  const places = new Map<string, Place[]>();
  const all: Place[] = [];
  const wide: Place[] = [];
  for (const [instance, { record, at }] of committed) {
    if (record.noOp || record.command === null || record.attributes === null) continue;
    const executedAt = executedEverywhereAt(instance);
    const { id } = record;
    const { deps } = record.attributes;
    const accesses = accessesByKey(record.command);
    const place = { id, deps, writes: [...accesses.values()].includes(true), committedAt: at, executedAt };
    (accesses.has(EVERYTHING) ? wide : all).push(place);
    for (const [key, writes] of accesses) {
      let list = places.get(key);
      if (list === undefined) {
        list = [];
        places.set(key, list);
      }
      list.push({ id, deps, writes, committedAt: at, executedAt });
    }
  }
  for (const [key, list] of places) checkKey(key, list);
  for (const one of wide) for (const other of all) checkPair('everything', one, other);
}

function checkKey(key: string, places: readonly Place[]): void {
  places.forEach((one, index) => {
    for (let next = index + 1; next < places.length; next += 1) {
      const other = places[next];
      if (other !== undefined) checkPair(key, one, other);
    }
  });
}

function checkPair(key: string, one: Place, other: Place): void {
  if (!one.writes && !other.writes) return;
  if (includes(one.deps, other.id) || includes(other.deps, one.id)) return;
  const isForgotten = one.executedAt < other.committedAt || other.executedAt < one.committedAt;
  demand(
    isForgotten,
    'visibility',
    () =>
      `${formatInstance(one.id)} and ${formatInstance(other.id)} interfere on ${key} and none is in the` +
      ` other's deps: ${one.deps.join(',')} and ${other.deps.join(',')}`,
  );
}

function includes(deps: Deps, id: InstanceId): boolean {
  return id.slot <= (deps[id.replica - 1] ?? 0);
}
