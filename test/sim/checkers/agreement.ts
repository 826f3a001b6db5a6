/**
 * Agreement: whatever replica commits an instance, whenever, commits the same command (or no-op), seq and deps;
 * and at one ballot only one value is ever accepted. Told of every record that is written.
 */

import {
  type Command,
  formatInstance,
  type InstanceKey,
  type InstanceRecord,
  instanceKey,
  type ReplicaId,
  Status,
} from '../../../src/epaxos/index.ts';
import { commandToWire } from '../../../src/wire/index.ts';
import { detached } from '../detached.ts';
import { demand } from './violation.ts';

/** A committed value, and when it was first seen to be one. */
export interface CommittedValue {
  readonly record: InstanceRecord;
  readonly replica: ReplicaId;
  /** The number of the observation; comparable with those of other instances. */
  readonly at: number;
}

export class Agreement {
  readonly committed = new Map<InstanceKey, CommittedValue>();
  readonly #accepted = new Map<string, InstanceRecord>();

  /** @param at grows from call to call */
  observe(replica: ReplicaId, record: InstanceRecord, at: number): void {
    const { id, status, acceptedBallot } = record;
    if (status >= Status.committed) {
      const first = this.committed.get(instanceKey(id));
      if (first === undefined) {
        this.committed.set(instanceKey(id), { record: kept(record), replica, at });
        return;
      }
      demand(
        isSameValue(first.record, record),
        'agreement',
        () =>
          `${formatInstance(id)} is committed as ${formatValue(first.record)} by replica ${first.replica}` +
          ` and as ${formatValue(record)} by replica ${replica}`,
      );
    } else if (status === Status.accepted) {
      const key = `${instanceKey(id)}/${acceptedBallot}`;
      const first = this.#accepted.get(key) ?? kept(record);
      this.#accepted.set(key, first);
      demand(
        isSameValue(first, record),
        'agreement',
        () =>
          `${formatInstance(id)} is accepted at ballot ${acceptedBallot} as ${formatValue(first)}` +
          ` and, by replica ${replica}, as ${formatValue(record)}`,
      );
    }
  }
}

/** The same, whatever becomes of the store that its command may have to be had from. */
function kept(record: InstanceRecord): InstanceRecord {
  return { ...record, command: record.command && detached(record.command) };
}

function isSameValue(one: InstanceRecord, other: InstanceRecord): boolean {
  if (one.noOp !== other.noOp || one.attributes?.seq !== other.attributes?.seq) return false;
  const deps = other.attributes?.deps ?? [];
  if (!one.attributes?.deps.every((slot, row) => slot === deps[row])) return false;
  return one.noOp || isSameCommand(one.command, other.command);
}

function isSameCommand(one: Command | null, other: Command | null): boolean {
  if (one === other) return true;
  if (one === null || other === null) return false;
  return Buffer.compare(commandToWire(one), commandToWire(other)) === 0;
}

/** A record's value in a few words. */
export function formatValue({ noOp, command, attributes }: InstanceRecord): string {
  const what = noOp ? 'no-op' : `${command?.operations.length} operations`;
  return `(${what}, seq ${attributes?.seq}, deps ${attributes?.deps.join(',')})`;
}
