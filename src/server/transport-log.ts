/** What the transport and the connections notice, as log lines. */
import type { Cut } from '../api/index.ts';
import type { ReplicaId } from '../epaxos/index.ts';
import type { TransportEvent } from '../transport/index.ts';
import { assertNever } from '../util/assert.ts';
import type { ConnectionsOptions } from './connections.ts';
import type { Logger } from './logger.ts';
import type { RepeatedLines } from './repeated-lines.ts';

/**
 * An observer for the transport; peers that come and go are logged where their reachability is (node.ts). What another
 * process can cause as often as it likes is a line a minute for each kind and peer.
 */
export function observeTransport(logger: Logger, repeated: RepeatedLines): (event: TransportEvent) => void {
  return (event) => {
    switch (event.type) {
      case 'connected':
        logger.debug({ peer: event.peer, address: event.address }, 'connected to a peer');
        return;
      case 'disconnected':
        logger.info({ peer: event.peer, reason: event.error.message }, 'lost the connection to a peer');
        return;
      case 'connectFailed':
        repeated.add(kindOf(event), (count) =>
          logger.info({ ...connectionFields(event), count }, 'cannot connect to a peer; trying on'),
        );
        return;
      case 'refusedByPeer':
        repeated.add(kindOf(event), (count) =>
          logger.error(
            { ...connectionFields(event), count },
            'refused by a peer: the configurations do not fit',
          ),
        );
        return;
      case 'peerRefused':
        repeated.add(kindOf(event), (count) =>
          logger.error(
            { ...connectionFields(event), count },
            'refused a peer: it has another store than before',
          ),
        );
        return;
      case 'callerRefused':
        repeated.add(`${event.type} ${event.error.code}`, (count) => {
          const fields = { count, reason: event.error.message };
          if (event.error.code === 'dataDirectoryMismatch') {
            logger.error(fields, 'refused a caller: it has another store than before');
          } else {
            logger.error(fields, 'refused a caller: the configurations do not fit');
          }
        });
        return;
      case 'violation':
        repeated.add(kindOf(event), (count) =>
          logger.error(
            { peer: event.peer, count, reason: event.error.message },
            'hung up on a peer: it does not keep to the protocol',
          ),
        );
        return;
      case 'tooLarge':
        repeated.add(kindOf(event), (count) =>
          logger.error(
            { peer: event.peer, count, messageType: event.messageType, bytes: event.bytes },
            'message over the size limit dropped',
          ),
        );
        return;
      default:
        assertNever(event, 'transport event');
    }
  };
}

/** An observer for connections that are closed before gRPC gets them: a line a minute for each kind. */
export function observeRefusals(logger: Logger, repeated: RepeatedLines): ConnectionsOptions['onRefused'] {
  return (refusal, from) => {
    repeated.add(refusal, (count) => {
      const fields = { from, count };
      if (refusal === 'full') logger.warn(fields, 'connection closed: there are too many');
      else logger.info(fields, 'connection closed: it said nothing in time');
    });
  };
}

/** What is said of clients that do not read: a line a minute for each kind. */
export function observeWaiting(logger: Logger, repeated: RepeatedLines) {
  return {
    onStalled(from: string): void {
      repeated.add('stalledStream', (count) =>
        logger.warn({ from, count }, 'stream ended: its client did not take its answers'),
      );
    },
    onCut(cut: Cut, from: string, bytes: number): void {
      repeated.add(`cut ${cut}`, (count) => {
        const fields = { from, bytes, count };
        if (cut === 'stalled')
          logger.warn(fields, 'connection closed: its client took nothing, or did not finish');
        else logger.warn(fields, 'connection closed: too much waits for clients, and the most for this one');
      });
    },
    onUnfinished(from: string, bytes: number): void {
      repeated.add('unfinished', (count) =>
        logger.warn({ from, bytes, count }, 'request refused: too much that is unfinished'),
      );
    },
  };
}

function kindOf(event: { readonly type: string; readonly peer: ReplicaId }): string {
  return `${event.type} ${event.peer}`;
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
