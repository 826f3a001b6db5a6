/**
 * A replica's protocol state as a string: two replicas with the same string behave alike from now on, but for timing.
 *
 * Every field counts unless it is named here, so that a field that is added to the core is never overlooked. Left out:
 * - clocks, delays and what is kept for them: the checker never ticks, and lets every timeout happen at any moment;
 * - what only decides what is asked for again, and when (`unsettled`, `lags`, `reports`): asking again puts the same
 *   messages into the network, where they are already; and the watermarks, which are not modelled;
 * - `unanswered`, for a second copy of the PreAccept, which may come at any time, is answered at once;
 * - what follows from other fields: `waitingRecoveries` from the rounds, `heldOperations` from the proposer's lists; and the executor's `forest`,
 *   which is a faster form of its components' `waitsOn`;
 * - the order in which maps and sets were filled. The core looks at all of a map's values alike (the highest accepted
 *   ballot, some contradiction that is committed, each waiting round by itself); where it takes the first of several, rules of
 *   the protocol say that they are equal (one value a ballot, one proposal an instance).
 */
import { Command, type InstanceKey, type Replica } from '../../src/epaxos/index.ts';

const LEFT_OUT: ReadonlySet<string> = new Set([
  // timing
  'prng',
  'now',
  'timing',
  'limits',
  'quorums',
  'peers',
  'startedAt',
  'repliedAt',
  'widenAt', // whether it is null follows from `askedAt`
  'retryAt',
  'retryTicks',
  'dueAt',
  'asked',
  'refusals',
  'neededAt',
  // repetition and watermarks
  'unsettled',
  'unanswered',
  'lags',
  'reports',
  'durablyExecuted',
  'writtenExecuted',
  'unflushed',
  'unflushedBytes',
  'unflushedInstances',
  // derived
  'waitingRecoveries',
  'heldOperations',
  'heldBytes',
  'heldKeys',
  'underWay',
  'ticks',
  'touches',
  'found',
  'epoch',
  'visit',
  'visits',
  'forest',
  'dependencies',
  'head',
  // empty between turns
  'outbox',
]);

/** The same for fields whose name means something else elsewhere, by another field that tells their owner. */
const LEFT_OUT_OF: ReadonlyMap<string, string> = new Map([
  ['visit', 'place'], // of a key's entry: where it stands among what the command looked at last touches
  ['heldLimit', 'place'], // of what the proposer keeps of a key: the same, while batches are made
]);

/** What stands for a command or an operation in a canonical string. */
export type Names = ReadonlyMap<object, string>;

export function canonicalReplica(replica: Replica, names: Names): string {
  if (!replica.state.outbox.isEmpty) throw new Error('a state is taken between turns');
  return canonical(replica, names, replica.state.now);
}

/** Of values that never change. A model's operations are its own, so its names are part of the value. */
const remembered = new WeakMap<object, string>();

/** Any value of the protocol, such as a message or a record. */
export function canonical(value: unknown, names: Names, now = 0): string {
  if (typeof value !== 'object' || value === null) return String(value);
  const known = names.get(value) ?? remembered.get(value);
  if (known !== undefined) return known;
  const string = canonicalObject(value, names, now);
  if (Object.isFrozen(value)) remembered.set(value, string);
  return string;
}

function canonicalObject(value: object, names: Names, now: number): string {
  if (value instanceof Command) return canonical(value.operations, names, now);
  if (Array.isArray(value)) return `[${value.map((element) => canonical(element, names, now)).join()}]`;
  if (value instanceof Map) {
    if (value.size === 0) return '{}';
    const entries: string[] = [];
    for (const [key, element] of value) {
      entries.push(`${canonical(key, names, now)}:${canonical(element, names, now)}`);
    }
    return `{${entries.sort().join()}}`;
  }
  if (value instanceof Set) {
    if (value.size === 0) return '{}';
    const elements: string[] = [];
    for (const element of value) elements.push(canonical(element, names, now));
    return `{${elements.sort().join()}}`;
  }
  let fields = '';
  for (const field of Object.keys(value)) {
    if (LEFT_OUT.has(field)) continue;
    const element: unknown = (value as Record<string, unknown>)[field];
    if (typeof element === 'function') continue;
    const owner = LEFT_OUT_OF.get(field);
    if (owner !== undefined && Object.hasOwn(value, owner)) continue;
    fields += `${field}=${canonical(of(value, field, element, now), names, now)};`;
  }
  return `(${fields})`;
}

/** Fields that hold more than their meaning. */
function of(owner: object, field: string, value: unknown, now: number): unknown {
  if (field === 'slowAt') return value !== null && now >= Number(value);
  // Whether both were asked to answer at once (R4.5), and if so, whether the other one is still waited for.
  if (field === 'promptUntil') return value === null ? null : now >= Number(value);
  // Of the executor's queue only what is not taken yet matters.
  if (field === 'queue' && 'head' in owner && Array.isArray(value)) return value.slice(Number(owner.head));
  // Who waits in the executor goes on in the order in which it came.
  if (field === 'waiters' && value instanceof Set) return [...value];
  if (field === 'parked' && value instanceof Map) {
    return new Map([...value].map(([lack, names]) => [lack, [...(names as Set<InstanceKey>)]]));
  }
  // Of what stalls only the ballots matter; without one, an entry is the same as none.
  if (field === 'stalls' && value instanceof Map) {
    return new Map([...value].filter(([, stall]) => (stall as { highestBallot: number }).highestBallot > 0));
  }
  return value;
}
