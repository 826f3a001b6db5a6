/**
 * A gRPC channel that can be thrown away. Closing a grpc-js client is a polite affair: a connection whose
 * other end accepted it and then fell silent (a paused process) is never closed, and a channel that is
 * rebuilt on silence would leave one such socket behind each time. So the sockets are kept here, and
 * destroyed with the channel.
 */
import { ChannelCredentials, type ChannelOptions, Client } from '@grpc/grpc-js';
import { CHANNEL_OPTIONS } from './limits.ts';

type ConnectorArguments = Parameters<ChannelCredentials['_createSecureConnector']>;
type Connector = ReturnType<ChannelCredentials['_createSecureConnector']>;
type Socket = Parameters<Connector['connect']>[0];

export interface DisposableChannel {
  readonly client: Client;
  /** Ends every call and destroys every connection, at once. Idempotent. */
  close(): void;
}

/**
 * Opens a channel of its own, never shared with another one of this process. It is dialled by its first call.
 * @param address `host:port`
 * @param options in addition to {@link CHANNEL_OPTIONS}
 */
export function openChannel(address: string, options: ChannelOptions = {}): DisposableChannel {
  const credentials = new SocketTracking();
  const client = new Client(address, credentials, { ...CHANNEL_OPTIONS, ...options });
  return {
    client,
    close() {
      client.close();
      credentials.destroySockets();
    },
  };
}

/** Plain-text credentials that remember the sockets they were used on. */
class SocketTracking extends ChannelCredentials {
  readonly #plain = ChannelCredentials.createInsecure();
  readonly #sockets = new Set<Socket>();
  #destroyed = false;

  override _isSecure(): boolean {
    return this.#plain._isSecure();
  }

  override _equals(other: ChannelCredentials): boolean {
    return this === other;
  }

  override _createSecureConnector(...[target, options, callCredentials]: ConnectorArguments): Connector {
    const plain = this.#plain._createSecureConnector(target, options, callCredentials);
    return {
      connect: (socket) => {
        this.#track(socket);
        return plain.connect(socket);
      },
      waitForReady: () => plain.waitForReady(),
      getCallCredentials: () => plain.getCallCredentials(),
      destroy: () => plain.destroy(),
    };
  }

  destroySockets(): void {
    this.#destroyed = true;
    for (const socket of this.#sockets) socket.destroy();
  }

  #track(socket: Socket): void {
    if (this.#destroyed) socket.destroy(); // it was still being connected when the channel was closed
    this.#sockets.add(socket);
    socket.once('close', () => this.#sockets.delete(socket));
  }
}
