/**
 * Holds every message against the disk at the moment at which it leaves (R6.1, R6.2, R6.3): what it speaks
 * of must be there, synced, or a crash could take it back after others have built on it.
 */
import {
  type Ballot,
  formatInstance,
  type InstanceId,
  type InstanceRecord,
  type Message,
  type Ready,
  Status,
} from '../../src/epaxos/index.ts';
import type { CoreStore } from './core-store.ts';

/** Throws if a message of the batch, which was just written, says more than what is synced. */
export function requireDurable(ready: Ready, store: CoreStore): void {
  for (const { message } of ready.messages) {
    if (!isCovered(message, store)) throw new Error(`not on disk: ${JSON.stringify(message)}`);
  }
  for (const event of ready.events) {
    if (event.type !== 'committed' || event.path !== 'fast') continue;
    if (!isCommitted(store, event.id)) {
      throw new Error(`the fast commit of ${formatInstance(event.id)} is seen before it is on disk`);
    }
  }
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
