/**
 * What a recovery must do, given a majority's promises: a pure function of the replies (R5.2 to R5.5).
 * Intuition: the value that may already have been committed, if there can be one, must be among what the
 * majority answered; where the replies prove that there is none, the no-op is free.
 */
import { assert } from '../../util/assert.ts';
import type { Command } from '../model/command.ts';
import { equalDeps, mergeAttributes, noOpAttributes } from '../model/deps.ts';
import type { Quorums } from '../model/quorum.ts';
import {
  type Attributes,
  type InstanceId,
  type InstanceRecord,
  type ReplicaId,
  Status,
} from '../model/types.ts';

/** A value of an instance; `command` null is the no-op. */
export interface Value {
  readonly command: Command | null;
  readonly attributes: Attributes;
}

export type Decision =
  | { readonly type: 'commit'; readonly value: Value }
  | { readonly type: 'accept'; readonly value: Value }
  /** N ≥ 5: the initial attributes are in doubt; `matching` replies hold them unchanged (|R|). */
  | {
      readonly type: 'validate';
      readonly command: Command;
      readonly initial: Attributes;
      readonly matching: number;
    };

/** @param replies the promises of exactly the majority Q, by replica */
export function decideRecovery(
  quorums: Quorums,
  id: InstanceId,
  replies: ReadonlyMap<ReplicaId, InstanceRecord>,
): Decision {
  const records = [...replies.values()];
  const committed = records.find((record) => record.status >= Status.committed);
  if (committed !== undefined) return { type: 'commit', value: currentValue(committed) };
  const accepted = records
    .filter((record) => record.status === Status.accepted)
    .reduce<InstanceRecord | null>(
      (best, record) => (best === null || record.acceptedBallot > best.acceptedBallot ? record : best),
      null,
    );
  if (accepted !== null) return { type: 'accept', value: currentValue(accepted) };
  if (quorums.replicas === 3) return { type: 'accept', value: decideOfThree(id, replies) };
  return decideOfMany(quorums, id, replies);
}

/** R5.4. */
function decideOfThree(id: InstanceId, replies: ReadonlyMap<ReplicaId, InstanceRecord>): Value {
  const preAccepted = [...replies].filter(([, record]) => record.status === Status.preAccepted);
  const own = replies.get(id.replica);
  // A coordinator that has nothing may have forgotten it in a crash (R6.4), and a commit of what both others hold with it
  // (R4.5): then it is their word that counts.
  if (own !== undefined && own.status !== Status.none) {
    // The coordinator has promised and not committed, or has forgotten a commit of what both others hold equally: it never
    // will at ballot 0 any more. Its record alone is not a majority's, and would lose the order to commands that the
    // other two have put in between.
    if (preAccepted.length < replies.size) return noOp(3);
    const values = preAccepted.map(([, record]) => currentValue(record));
    return values.reduce((one, other) => ({
      command: one.command,
      attributes: mergeAttributes(one.attributes, other.attributes),
    }));
  }
  const byFollower = preAccepted.find(([replica, record]) => record.follower === replica);
  const record = byFollower ?? preAccepted[0];
  return record === undefined ? noOp(3) : currentValue(record[1]);
}

/** R5.5. */
function decideOfMany(
  quorums: Quorums,
  id: InstanceId,
  replies: ReadonlyMap<ReplicaId, InstanceRecord>,
): Decision {
  const refuted: Decision = { type: 'accept', value: noOp(quorums.replicas) };
  if (replies.has(id.replica)) return refuted;
  const matching = [...replies.values()].filter(
    ({ status, attributes, initial }) =>
      status === Status.preAccepted &&
      attributes !== null &&
      initial !== null &&
      equalDeps(attributes.deps, initial.deps),
  );
  if (matching.length < replies.size - quorums.fastFaults) return refuted;
  const [first] = matching;
  if (first === undefined || first.command === null || first.initial === null) return refuted;
  return { type: 'validate', command: first.command, initial: first.initial, matching: matching.length };
}

/** The current value of a record whose status is not none. */
export function currentValue(record: InstanceRecord): Value {
  const { noOp: isNoOp, command, attributes } = record;
  assert(attributes !== null && (isNoOp || command !== null), 'a record with a status has a value');
  return { command: isNoOp ? null : command, attributes };
}

/** The value that has no effect and interferes with nothing. */
export function noOp(replicas: number): Value {
  return { command: null, attributes: noOpAttributes(replicas) };
}
