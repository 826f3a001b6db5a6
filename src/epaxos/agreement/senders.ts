/** Who may say what (R3.11). This is asked once, of every message, before anything is done about it. */
import { assertNever } from '../../util/assert.ts';
import { ballotOwner } from '../model/ballot.ts';
import type { Message } from '../model/messages.ts';
import type { ReplicaId } from '../model/types.ts';

/**
 * False for what its sender has no right to say: it acts at a ballot that is another replica's.
 * @param replicas N
 */
export function mayComeFrom(from: ReplicaId, message: Message, replicas: number): boolean {
  switch (message.type) {
    case 'preAccept':
      return from === message.id.replica;
    case 'accept':
      return from === (message.ballot === 0 ? message.id.replica : ballotOwner(message.ballot, replicas));
    case 'prepare':
    case 'validate':
      return from === ballotOwner(message.ballot, replicas);
    // A commit is final, whoever tells it (R3.7).
    case 'commit':
    // An answer is held against what was asked, and by whom: only who has a round at that ballot takes it.
    case 'preAcceptReply':
    case 'acceptReply':
    case 'prepareReply':
    case 'validateReply':
    case 'readReply':
    // These speak of the sender itself.
    case 'waiting':
    case 'fetch':
    case 'watermarks':
    case 'readRequest':
      return true;
    default:
      return assertNever(message, 'message');
  }
}
