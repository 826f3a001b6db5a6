/** Ways to break a world on purpose, to prove that the checkers notice. None is ever drawn from a seed. */
import { type Execution, type InstanceRecord, type ReplicaId, Status } from '../../src/epaxos/index.ts';
import type { KvOperation, Row } from '../../src/kv/index.ts';
import type { Reply } from './calls.ts';
import type { DiskContents } from './disk-state.ts';
import type { Snapshot } from './snapshot.ts';

export const SABOTAGES = [
  /** Messages leave before the records that they speak of are written. */
  'sendBeforeWrite',
  /** After a restart a replica has lost the records of its own instances that were not committed. */
  'forgetOwnInstances',
  /** After a restart a replica does not know which slots it had reserved. */
  'forgetReservation',
  /** After a restart a replica has lost what it had promised and accepted for others. */
  'forgetPromises',
  /** One replica executes the instances of a batch in the opposite order. */
  'reverseExecution',
  /** One replica keeps the effects but not the marks when it crashes, and executes again. */
  'loseExecutedMarks',
  /** Reads are answered from the table of the replica that is asked, without any agreement. */
  'localReads',
  /** Writes are answered when they arrive. */
  'answerBeforeAgreement',
  /** Syncs do nothing: what they should have kept is lost in a crash. */
  'lyingDisk',
  /** A snapshot is installed also if it lacks what was executed before. */
  'unfitSnapshots',
  /** Snapshots come without the answers of writes. */
  'snapshotsWithoutAnswers',
  /** Snapshots come with the newest table, and the marks of some time before. */
  'tornSnapshots',
  /** A replica never sends a commit, an accept or an answer to anybody. */
  'silentReplica',
] as const;

export type Sabotage = (typeof SABOTAGES)[number];

/** What a replica reads of what its disk holds. */
export function forgetful(
  sabotage: Sabotage | null,
  replica: ReplicaId,
  contents: DiskContents,
): DiskContents {
  const { records } = contents;
  const isOpen = ({ status }: InstanceRecord) => status < Status.committed;
  switch (sabotage) {
    case 'forgetOwnInstances':
      return { ...contents, records: records.filter((each) => each.id.replica !== replica || !isOpen(each)) };
    case 'forgetReservation':
      return { ...contents, reserved: 0 };
    case 'forgetPromises':
      return { ...contents, records: records.filter((each) => each.id.replica === replica || !isOpen(each)) };
    case 'loseExecutedMarks':
      return {
        ...contents,
        records: records.map((each) =>
          each.status === Status.executed ? { ...each, status: Status.committed } : each,
        ),
      };
    default:
      return contents;
  }
}

/** The snapshot that a replica opens for a peer. */
export function spoiled(sabotage: Sabotage | null, snapshot: Snapshot): Snapshot {
  const { entries } = snapshot;
  switch (sabotage) {
    case 'snapshotsWithoutAnswers':
      return { ...snapshot, entries: entries.filter(({ type }) => type !== 'answers') };
    case 'tornSnapshots': {
      const records = entries.filter(({ type }) => type === 'record');
      const missing = new Set(records.slice(records.length / 2));
      return { ...snapshot, entries: entries.filter((entry) => !missing.has(entry)) };
    }
    default:
      return snapshot;
  }
}

/** The order in which a replica executes a batch. */
export function inExecutionOrder(
  sabotage: Sabotage | null,
  replica: ReplicaId,
  executions: readonly Execution[],
): readonly Execution[] {
  return sabotage === 'reverseExecution' && replica === 2 ? [...executions].reverse() : executions;
}

/** Answers a client without asking anybody. True if that is all that happens to its operation. */
export function answerByItself(
  sabotage: Sabotage,
  operation: KvOperation,
  at: { readonly row: (key: string) => Row | undefined; readonly reply: Reply },
): boolean {
  const row = at.row(operation.key);
  const version = row?.version ?? 0;
  if (sabotage === 'localReads' && operation.kind === 'get') {
    const value = row?.value ?? null;
    at.reply({ type: 'answered', result: { version, value, previousVersion: 0 } });
    return true;
  }
  if (sabotage === 'answerBeforeAgreement' && operation.kind === 'put') {
    at.reply({ type: 'answered', result: { version: version + 1, value: null, previousVersion: 0 } });
  }
  return false;
}
