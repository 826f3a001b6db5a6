/** Ways to break a world on purpose, to prove that the checkers notice. None is ever drawn from a seed. */

import { type Execution, type InstanceRecord, type ReplicaId, Status } from '../../src/epaxos/index.ts';
import type { KvOperation, MultiGetOperation, Row } from '../../src/kv/index.ts';
import { keyToBytes } from '../../src/wire/index.ts';
import { getOperation } from '../support/kv-operations.ts';
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
  /** The keys of a multi-get are read one after another. */
  'splitMultiGets',
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

/** Answers a client without asking anybody, or in another way than it should. True if that is all that happens to its operation. */
export function answerByItself(
  sabotage: Sabotage,
  operation: KvOperation,
  at: {
    readonly row: (key: string) => Row | undefined;
    /** Does another operation instead. */
    readonly submit: (operation: KvOperation, reply: Reply) => void;
    readonly reply: Reply;
  },
): boolean {
  if (sabotage === 'splitMultiGets' && operation.kind === 'multiGet') {
    readOneByOne(operation, new Map(), at);
    return true;
  }
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

/** Gets each key of a multi-get for itself, once, the next one when the last one was answered. */
function readOneByOne(
  operation: MultiGetOperation,
  rows: ReadonlyMap<string, Row | null>,
  at: { readonly submit: (operation: KvOperation, reply: Reply) => void; readonly reply: Reply },
): void {
  const key = operation.keys.find((each) => !rows.has(each));
  if (key === undefined) {
    const all = operation.keys.map((each) => rows.get(each) ?? null);
    at.reply({ type: 'answered', result: { version: 0, value: null, previousVersion: 0, rows: all } });
    return;
  }
  const { client, ...numbers } = operation.request;
  // A name of its own, with as many bytes.
  const request = { client: `${client.slice(0, -1)}${rows.size}`, ...numbers };
  at.submit(getOperation({ request, key: keyToBytes(key) }), (outcome) => {
    if (outcome.type !== 'answered') {
      at.reply(outcome);
      return;
    }
    const { version, value } = outcome.result;
    readOneByOne(operation, new Map(rows).set(key, value === null ? null : { version, value }), at);
  });
}
