/** The end of an instance's agreement: its value is final (R3.7) and goes to the executor. */
import { assert } from '../../util/assert.ts';
import type { Command } from '../model/command.ts';
import { equalDeps } from '../model/deps.ts';
import { isCommitted } from '../model/instance-space.ts';
import type { Commit } from '../model/messages.ts';
import {
  type Attributes,
  formatInstance,
  type InstanceId,
  type InstanceRecord,
  type ReplicaId,
} from '../model/types.ts';
import { sendFetch } from '../progress/fetching.ts';
import type { ReplicaState } from './state.ts';

/** Nobody was sent the command by this replica, as far as it remembers. */
const NOBODY: ReadonlySet<ReplicaId> = new Set();

/** Which road an instance came by, as told in the trace. */
export type CommitPath = 'fast' | 'slow' | 'recovery' | 'learned';

/** A value that is final, and how that was found. */
interface Committing {
  readonly id: InstanceId;
  /** Null is the no-op. */
  readonly command: Command | null;
  readonly attributes: Attributes;
  readonly path: CommitPath;
  /** True if it must be on disk before anybody can see it (R6.2). */
  readonly sync: boolean;
}

/**
 * Commits what this replica, as coordinator, has found to be chosen, and tells everybody.
 * Only a fast commit must be on disk first (R6.2): recovery trusts that a coordinator that answers its
 * Prepare has not committed. After a majority's accepts, a Commit that was seen elsewhere, or the same pre-accept at both
 * others (R4.5), recovery finds the value.
 */
export function commitValue(
  state: ReplicaState,
  value: Committing,
  /** Who was sent the command at ballot 0: they need not get it again. */
  told: Pick<ReadonlySet<ReplicaId>, 'has'> = NOBODY,
): void {
  const { id, command, attributes } = value;
  commitHere(state, value);
  // One object for all who get the same, so that it is encoded once.
  const whole: Commit = { type: 'commit', id, command, attributes };
  const brief: Commit = { ...whole, command: 'sent' };
  for (const peer of state.peers) state.send(peer.id, told.has(peer.id) ? brief : whole);
}

/** R3.7: taken at any time, whatever was promised. */
export function onCommit(state: ReplicaState, from: ReplicaId, message: Commit): void {
  const { id, attributes } = message;
  const record = state.space.get(id);
  const command = message.command === 'sent' ? record.command : message.command;
  if (message.command === 'sent' && command === null) {
    sendFetch(state, from, [id]);
    return;
  }
  if (!isCommitted(record)) {
    commitHere(state, { id, command, attributes, path: 'learned', sync: false });
    return;
  }
  const same =
    record.noOp === (message.command === null) &&
    record.attributes?.seq === message.attributes.seq &&
    equalDeps(record.attributes.deps, message.attributes.deps);
  assert(same, `${formatInstance(message.id)} is committed with two different values`);
}

/** The Commit that tells a committed record to somebody who missed it. */
export function commitOf(record: InstanceRecord): Commit {
  const { id, noOp, command, attributes } = record;
  assert(isCommitted(record) && attributes !== null, 'only a committed value is told as such');
  return { type: 'commit', id, command: noOp ? null : command, attributes };
}

function commitHere(state: ReplicaState, { id, command, attributes, path, sync }: Committing): void {
  state.commit(id, { command, attributes }, { sync });
  state.outbox.events.push({ type: 'committed', id, path });
}
