/** What the transport notices, as log lines. */
import type { ReplicaId } from '../epaxos/index.ts';
import type { TransportEvent } from '../transport/index.ts';
import { assertNever } from '../util/assert.ts';
import type { Logger } from './logger.ts';

/** An observer for the transport; peers that come and go are logged where their reachability is (node.ts). */
export function observeTransport(logger: Logger): (event: TransportEvent) => void {
  return (event) => {
    switch (event.type) {
      case 'connected':
        logger.debug({ peer: event.peer, address: event.address }, 'connected to a peer');
        return;
      case 'disconnected':
        logger.info({ peer: event.peer, reason: event.error.message }, 'lost the connection to a peer');
        return;
      case 'connectFailed':
        logger.info(connectionFields(event), 'cannot connect to a peer; trying on');
        return;
      case 'refusedByPeer':
        logger.error(connectionFields(event), 'refused by a peer: the configurations do not fit');
        return;
      case 'peerRefused':
        logger.error(connectionFields(event), 'refused a peer: it has another store than before');
        return;
      case 'callerRefused':
        if (event.error.code === 'dataDirectoryMismatch') {
          logger.error({ reason: event.error.message }, 'refused a caller: it has another store than before');
        } else {
          logger.error({ reason: event.error.message }, 'refused a caller: the configurations do not fit');
        }
        return;
      case 'violation':
        logger.error(
          { peer: event.peer, reason: event.error.message },
          'hung up on a peer: it does not keep to the protocol',
        );
        return;
      case 'tooLarge':
        logger.error(
          { peer: event.peer, messageType: event.messageType, bytes: event.bytes },
          'message over the size limit dropped',
        );
        return;
      default:
        assertNever(event, 'transport event');
    }
  };
}

/** What is said of a connection that did not come about. */
function connectionFields(event: {
  readonly peer: ReplicaId;
  readonly address: string;
  readonly error: Error;
}): object {
  const { peer, address, error } = event;
  return { peer, address, reason: error.message };
}
