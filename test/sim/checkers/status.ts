/** A record only moves forward, from one write of a replica to the next, and from what a crash left. */
import {
  formatInstance,
  type InstanceKey,
  type InstanceRecord,
  instanceKey,
  type ReplicaId,
  Status,
} from '../../../src/epaxos/index.ts';
import { demand } from './violation.ts';

export class StatusOrder {
  readonly #written: Map<InstanceKey, InstanceRecord>[];

  constructor(replicas: number) {
    this.#written = Array.from({ length: replicas }, () => new Map());
  }

  /** @throws Violation status */
  observe(replica: ReplicaId, record: InstanceRecord): void {
    const records = this.#records(replica);
    const key = instanceKey(record.id);
    const before = records.get(key);
    records.set(key, record);
    if (before === undefined) return;
    const reason = whyBackwards(before, record);
    demand(
      reason === null,
      'status',
      () => `${formatInstance(record.id)} of replica ${replica} went back: ${reason}`,
    );
  }

  /** A replica was restarted with these. */
  restart(replica: ReplicaId, records: readonly InstanceRecord[]): void {
    const written = this.#records(replica);
    written.clear();
    for (const record of records) written.set(instanceKey(record.id), record);
  }

  #records(replica: ReplicaId): Map<InstanceKey, InstanceRecord> {
    const records = this.#written[replica - 1];
    if (records === undefined) throw new RangeError(`no replica ${replica}`);
    return records;
  }
}

function whyBackwards(before: InstanceRecord, after: InstanceRecord): string | null {
  const { status, ballot, acceptedBallot } = before;
  if (after.status < status) return `status ${after.status} after ${status}`;
  if (after.ballot < ballot) return `promise ${after.ballot} after ${ballot}`;
  if (after.acceptedBallot < acceptedBallot)
    return `accepted at ${after.acceptedBallot} after ${acceptedBallot}`;
  if (before.command !== null && after.command === null) return 'the command was forgotten';
  if (before.initial !== null && after.initial === null) return 'the initial attributes were forgotten';
  if (status >= Status.committed && before.noOp !== after.noOp) return 'a commit was replaced';
  return null;
}
