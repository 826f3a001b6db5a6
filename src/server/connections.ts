/**
 * The connections to a replica: it accepts them itself and hands them to gRPC, so that there are no more of them than
 * leaves file descriptors for the store, and one that says nothing is closed. gRPC alone would keep it for ever. Nothing
 * is read here: a socket of Node.js that was read from does not notice the other end's close after its HTTP/2 session.
 */
import { lookup } from 'node:dns/promises';
import { once } from 'node:events';
import { type AddressInfo, createServer, isIP, type Server, type Socket } from 'node:net';
import type { ConnectionInjector } from '@grpc/grpc-js';
import { CONNECTION_LIMITS } from '../wire/index.ts';

/** Bytes of what every HTTP/2 client says first (RFC 9113, section 3.4). gRPC closes at others. */
const PREFACE_BYTES = 24;

/** Why a connection was closed: no room, or nothing said in time. */
export type Refusal = 'full' | 'silent';

export interface ConnectionsOptions {
  readonly injector: Pick<ConnectionInjector, 'injectConnection'>;
  /** @param from the other end's address, for the log */
  readonly onRefused: (refusal: Refusal, from: string) => void;
  /** Where they are to differ from {@link CONNECTION_LIMITS}. */
  readonly limits?: { readonly connections: number; readonly prefaceMs: number };
}

export class Connections {
  readonly #options: ConnectionsOptions;
  readonly #limits: NonNullable<ConnectionsOptions['limits']>;
  #listeners: Server[] = [];
  readonly #open = new Set<Socket>();
  /** Those of {@link #open} that need not have spoken yet, the oldest first. */
  readonly #new = new Set<Socket>();

  constructor(options: ConnectionsOptions) {
    this.#options = options;
    this.#limits = options.limits ?? CONNECTION_LIMITS;
  }

  /**
   * Listens at every address that the host stands for and that this machine has.
   * @param address `host:port`, an IPv6 host in brackets; port 0 is any that is free
   * @returns the port
   * @throws the system's error; nobody listens then
   */
  async listen(address: string): Promise<number> {
    const colon = address.lastIndexOf(':');
    let port = Number(address.slice(colon + 1));
    let missing: unknown;
    for (const host of await addressesOf(address.slice(0, colon).replace(/^\[|\]$/g, ''))) {
      try {
        port = await this.#listenAt(host, port);
      } catch (error) {
        if (!isNotHere(error)) {
          this.stopListening();
          throw error;
        }
        missing = error;
      }
    }
    if (this.#listeners.length === 0) throw missing;
    return port;
  }

  /** Takes no new connections, and closes those that have not begun to speak. gRPC closes the others. */
  stopListening(): void {
    for (const listener of this.#listeners) listener.close();
    this.#listeners = [];
    for (const socket of this.#new) if (isSilent(socket)) this.#close(socket);
  }

  /**
   * Closes a connection at once, with all that waits on it. Nothing happens if there is none.
   * @param peer its other end, as gRPC names it: address and port
   */
  closePeer(peer: string): void {
    for (const socket of this.#open) {
      if (`${socket.remoteAddress}:${socket.remotePort}` === peer) this.#close(socket);
    }
  }

  async #listenAt(host: string, port: number): Promise<number> {
    const listener = createServer({ noDelay: true }, (socket) => this.#accept(socket));
    listener.listen({ host, port });
    await once(listener, 'listening');
    // Such as no descriptor left to accept one more: the others go on, and it can come again.
    listener.on('error', () => undefined);
    this.#listeners.push(listener);
    return (listener.address() as AddressInfo).port;
  }

  #accept(socket: Socket): void {
    socket.on('error', () => undefined); // it closes then as well
    const { connections, prefaceMs } = this.#limits;
    if (this.#open.size >= connections) {
      // Whoever has spoken counts for more than whoever has not.
      const leaving = this.#oldestSilent() ?? socket;
      this.#refuse(leaving, 'full');
      if (leaving === socket) return;
    }
    this.#open.add(socket);
    this.#new.add(socket);
    const timer = setTimeout(() => {
      this.#new.delete(socket);
      if (isSilent(socket)) this.#refuse(socket, 'silent');
    }, prefaceMs);
    socket.once('close', () => {
      clearTimeout(timer);
      this.#close(socket);
    });
    this.#options.injector.injectConnection(socket);
  }

  #oldestSilent(): Socket | undefined {
    for (const socket of this.#new) if (isSilent(socket)) return socket;
    return undefined;
  }

  #refuse(socket: Socket, refusal: Refusal): void {
    const from = socket.remoteAddress ?? 'unknown';
    this.#close(socket);
    this.#options.onRefused(refusal, from);
  }

  #close(socket: Socket): void {
    this.#open.delete(socket);
    this.#new.delete(socket);
    socket.destroy();
  }
}

/** gRPC reads from it; the system's count of what came goes on. */
function isSilent(socket: Socket): boolean {
  return socket.bytesRead < PREFACE_BYTES;
}

async function addressesOf(host: string): Promise<readonly string[]> {
  if (isIP(host.replace(/%.*$/, '')) !== 0) return [host];
  const found = await lookup(host, { all: true });
  return [...new Set(found.map(({ address }) => address))];
}

/** An address of the name that this machine does not have, such as one of IPv6. */
function isNotHere(error: unknown): boolean {
  return (
    error instanceof Error && 'code' in error && ['EADDRNOTAVAIL', 'EAFNOSUPPORT'].includes(`${error.code}`)
  );
}
