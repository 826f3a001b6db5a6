/**
 * Durability (section 6): whatever a message says of a replica's state, no crash can take back any more, and a fast
 * commit is on disk before anybody can see it; or, of three replicas, all have on disk what recovery finds it by (R4.5).
 * Looks at the disks at the moment when messages leave.
 */
import {
  formatInstance,
  type InstanceId,
  type InstanceRecord,
  instanceKey,
  type Message,
  type ReplicaId,
  type Slot,
  Status,
  type TraceEvent,
} from '../../../src/epaxos/index.ts';
import { demand } from './violation.ts';

type CommittedEvent = Extract<TraceEvent, { readonly type: 'committed' }>;

/** A record as far as it is looked at here. */
type StoredRecord = Omit<InstanceRecord, 'command'>;

/** What is asked of a disk. */
export interface DurableState {
  durableRecord(id: InstanceId): StoredRecord | undefined;
  isDurablyExecuted(id: InstanceId): boolean;
  isPruned(id: InstanceId): boolean;
  readonly durablyReserved: Slot;
}

export class Durability {
  /** By replica: up to which slot of each row its disk was found to hold the executions. */
  readonly #executed: Slot[][];

  constructor(replicas: number) {
    this.#executed = Array.from({ length: replicas }, () => new Array<Slot>(replicas).fill(0));
  }

  /**
   * A replica is about to send.
   * @throws Violation durability
   */
  sending(replica: ReplicaId, message: Message, disk: DurableState): void {
    const reason =
      message.type === 'watermarks'
        ? this.#whyNotExecuted(replica, message.executed, disk)
        : whyVolatile(message, disk);
    demand(reason === null, 'durability', () => `replica ${replica} sends ${message.type}: ${reason}`);
  }

  /**
   * A replica has committed on the fast path, and goes on to tell of it.
   * @param seen.records what it has written in the same batch
   * @param seen.disks of all replicas, in order
   * @throws Violation durability
   */
  committed(
    replica: ReplicaId,
    event: TraceEvent,
    seen: { readonly records: readonly InstanceRecord[]; readonly disks: readonly DurableState[] },
  ): void {
    if (!isUnsynced(event, seen.disks[replica - 1])) return;
    const record = seen.records.find(({ id }) => instanceKey(id) === instanceKey(event.id));
    demand(
      record !== undefined && isHeldByOthers(record, seen.disks),
      'durability',
      () => `replica ${replica} shows the fast commit of ${formatInstance(event.id)} before it is on disk`,
    );
  }

  /** A replica has installed a snapshot: what is executed there is what it says now. */
  installed(replica: ReplicaId): void {
    this.#executed[replica - 1]?.fill(0);
  }

  #whyNotExecuted(replica: ReplicaId, executed: readonly Slot[], disk: DurableState): string | null {
    const found = this.#executed[replica - 1] ?? [];
    for (const [row, upTo] of executed.entries()) {
      for (let slot = (found[row] ?? 0) + 1; slot <= upTo; slot += 1) {
        const id = { replica: row + 1, slot };
        if (!disk.isPruned(id) && !disk.isDurablyExecuted(id)) {
          return `the execution of ${formatInstance(id)} is not on disk`;
        }
        found[row] = slot;
      }
    }
    return null;
  }
}

/** True of a fast commit that a crash of this replica can take back, which R6.2 forbids but for R4.5. */
export function isUnsynced(event: TraceEvent, disk: DurableState | undefined): event is CommittedEvent {
  if (event.type !== 'committed' || event.path !== 'fast') return false;
  if (disk === undefined) return true;
  return !disk.isPruned(event.id) && !isCommitted(disk.durableRecord(event.id));
}

/** R4.5: both others have it, and the coordinator nothing else: whichever two recover it, they find this value. */
function isHeldByOthers({ id, noOp, attributes }: InstanceRecord, disks: readonly DurableState[]): boolean {
  if (disks.length !== 3 || noOp || attributes === null) return false;
  return disks.every((disk, index) => {
    if (disk.isPruned(id)) return true;
    const held = disk.durableRecord(id);
    if (index + 1 === id.replica && (held?.status ?? Status.none) === Status.none) return true;
    return (
      held !== undefined &&
      held.status >= Status.preAccepted &&
      !held.noOp &&
      held.attributes?.seq === attributes.seq &&
      held.attributes.deps.join() === attributes.deps.join()
    );
  });
}

function isCommitted(record: StoredRecord | undefined): boolean {
  return record !== undefined && record.status >= Status.committed;
}

function whyVolatile(message: Message, disk: DurableState): string | null {
  switch (message.type) {
    case 'preAccept':
      if (message.id.slot <= disk.durablyReserved) return null; // R6.4
      return lacks(message.id, disk, ({ status }) => status >= Status.preAccepted);
    case 'preAcceptReply':
      return lacks(message.id, disk, ({ status }) => status >= Status.preAccepted);
    case 'accept':
      return lacks(message.id, disk, (record) => isAcceptedAt(record, message.ballot));
    case 'acceptReply':
      if (message.promised > message.ballot) {
        return lacks(message.id, disk, ({ ballot }) => ballot >= message.promised);
      }
      return lacks(message.id, disk, (record) => isAcceptedAt(record, message.ballot));
    case 'prepare':
      return lacks(message.id, disk, ({ ballot }) => ballot >= message.ballot);
    case 'prepareReply':
      return lacks(
        message.record.id,
        disk,
        ({ ballot, status, acceptedBallot }) =>
          ballot >= message.record.ballot &&
          status >= message.record.status &&
          acceptedBallot >= message.record.acceptedBallot,
      );
    case 'validateReply':
      if (message.promised > message.ballot) return null;
      return lacks(message.id, disk, ({ initial, ballot }) => initial !== null && ballot >= message.ballot);
    default:
      return null;
  }
}

function isAcceptedAt({ status, acceptedBallot }: StoredRecord, ballot: number): boolean {
  return status >= Status.committed || (status === Status.accepted && acceptedBallot >= ballot);
}

function lacks(id: InstanceId, disk: DurableState, holds: (record: StoredRecord) => boolean): string | null {
  if (disk.isPruned(id)) return null;
  const record = disk.durableRecord(id);
  if (record !== undefined && holds(record)) return null;
  return `what it says of ${formatInstance(id)} is not on disk`;
}
