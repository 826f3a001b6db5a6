/**
 * Holds every message against the disk at the moment at which it leaves (R6.1, R6.2, R6.3): what it speaks
 * of must be there, synced, or a crash could take it back after others have built on it. A fast commit must be there too, or
 * what recovery finds it by at all three (R4.5).
 */
import {
  type Ballot,
  formatInstance,
  type InstanceId,
  type InstanceRecord,
  instanceKey,
  type Message,
  type Ready,
  type ReplicaId,
  Status,
} from '../../src/epaxos/index.ts';
import type { CoreStore } from './core-store.ts';

/**
 * Throws if a message of the batch, which was just written, says more than what is synced.
 * @param replica whose batch it is
 * @param stores the disks of all replicas, in order
 */
export function requireDurable(ready: Ready, replica: ReplicaId, stores: readonly CoreStore[]): void {
  const store = stores[replica - 1];
  if (store === undefined) throw new Error(`no disk of replica ${replica}`);
  for (const { message } of ready.messages) {
    if (!isCovered(message, store)) throw new Error(`not on disk: ${JSON.stringify(message)}`);
  }
  for (const event of ready.events) {
    if (event.type !== 'committed' || event.path !== 'fast' || isCommitted(store, event.id)) continue;
    const record = ready.records.find(({ id }) => instanceKey(id) === instanceKey(event.id));
    if (record === undefined || !isHeldByOthers(record, stores)) {
      throw new Error(`the fast commit of ${formatInstance(event.id)} is seen before it is on disk`);
    }
  }
}

/** R4.5: both others have it, and the coordinator nothing else: whichever two recover it, they find this value. */
function isHeldByOthers({ id, noOp, attributes }: InstanceRecord, stores: readonly CoreStore[]): boolean {
  if (stores.length !== 3 || noOp || attributes === null) return false;
  const isSame = (held: InstanceRecord) =>
    held.status >= Status.preAccepted &&
    !held.noOp &&
    held.attributes?.seq === attributes.seq &&
    sameDeps(held.attributes.deps, attributes.deps);
  return stores.every((store, index) => {
    const mayLack = index + 1 === id.replica && !has(store, id, ({ status }) => status !== Status.none);
    return mayLack || store.isPruned(id) || has(store, id, isSame);
  });
}

/** Throws if a message leaves while its record is being written, and is no PreAccept of a reserved slot (R6.4). */
export function requireReserved({ early }: Ready, store: CoreStore): void {
  for (const { message } of early) {
    if (message.type === 'preAccept' && message.id.slot <= store.syncedReserved) continue;
    throw new Error(`not reserved: ${JSON.stringify(message)}`);
  }
}

function isCovered(message: Message, store: CoreStore): boolean {
  switch (message.type) {
    case 'preAccept':
      return has(store, message.id, (record) => record.status >= Status.preAccepted);
    case 'preAcceptReply':
      return has(store, message.id, ({ attributes }) => sameDeps(attributes?.deps, message.attributes.deps));
    case 'accept':
      return hasVote(store, message.id, message.ballot);
    case 'acceptReply':
      return message.promised > message.ballot
        ? hasPromise(store, message.id, message.promised)
        : hasVote(store, message.id, message.ballot);
    case 'prepare':
    case 'validate':
      return hasPromise(store, message.id, message.ballot);
    case 'prepareReply': {
      const { id, ballot, status } = message.record;
      return hasPromise(store, id, ballot) && has(store, id, (record) => record.status >= status);
    }
    case 'validateReply':
      return (
        hasPromise(store, message.id, message.promised) &&
        (message.promised > message.ballot || has(store, message.id, ({ initial }) => initial !== null))
      );
    case 'watermarks':
      return message.executed.every((slot, index) => slot <= store.syncedExecuted(index + 1));
    case 'commit':
    case 'waiting':
    case 'fetch':
    case 'readRequest':
    case 'readReply':
      return true; // nothing is built on them that a crash could take away
  }
}

function hasPromise(store: CoreStore, id: InstanceId, ballot: Ballot): boolean {
  return has(store, id, (record) => record.ballot >= ballot);
}

function hasVote(store: CoreStore, id: InstanceId, ballot: Ballot): boolean {
  return has(store, id, (record) => record.status >= Status.accepted && record.acceptedBallot >= ballot);
}

function isCommitted(store: CoreStore, id: InstanceId): boolean {
  return has(store, id, (record) => record.status >= Status.committed);
}

function has(store: CoreStore, id: InstanceId, holds: (record: InstanceRecord) => boolean): boolean {
  const record = store.synced(id);
  return record !== null && holds(record);
}

function sameDeps(one: readonly number[] | undefined, other: readonly number[]): boolean {
  return one !== undefined && one.join() === other.join();
}
