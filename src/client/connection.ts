/**
 * The connection to one endpoint. Connecting is a step of its own, so that an error can say whether a request
 * ever left: a gRPC call that waits for a connection does not know that it never left.
 */
import { type ChannelOptions, type Client, connectivityState } from '@grpc/grpc-js';
import { type DisposableChannel, openChannel } from '../wire/index.ts';
import { nowMs } from './clock.ts';

const CLIENT_CHANNEL_OPTIONS: ChannelOptions = {
  // A replica that comes back is found again soon: grpc-js would wait up to two minutes.
  'grpc.initial_reconnect_backoff_ms': 50,
  'grpc.max_reconnect_backoff_ms': 500,
  'grpc.dns_min_time_between_resolutions_ms': 1000,
  // A connection whose other end has vanished is noticed while requests wait on it.
  'grpc.keepalive_time_ms': 5000,
  'grpc.keepalive_timeout_ms': 3000,
};

/** A connection that is not there after so long will not be there soon: whoever accepted it does not speak. */
const STUCK_AFTER_MS = 250;

export class Connection {
  readonly #address: string;
  #channel: DisposableChannel;
  /** Who waits for the connection to stand or to fail. */
  readonly #waiting = new Set<(client: Client) => void>();
  #isWatching = false;
  /** Since when, on the client's clock. */
  #watchedSinceMs = 0;
  #isClosed = false;

  /** @param address `host:port`; nothing is dialled yet */
  constructor(address: string) {
    this.#address = address;
    this.#channel = openChannel(address, CLIENT_CHANNEL_OPTIONS);
  }

  /**
   * Calls back with the client when the connection stands, or cannot be had now: then a call fails at once and
   * says why. Never calls back within this call, and not at all after {@link close}.
   * @returns what stops waiting
   */
  whenSettled(use: (client: Client) => void): () => void {
    this.#waiting.add(use);
    if (!this.#isWatching) {
      this.#isWatching = true;
      this.#watchedSinceMs = nowMs();
      queueMicrotask(() => this.#watch());
    }
    return () => this.#waiting.delete(use);
  }

  /**
   * Somebody has waited in vain, and waits no more. Whoever accepts the connection but never speaks would keep it
   * connecting for ever: if it has been for long, it is dropped. For those who still wait a new one is begun.
   */
  giveUp(): void {
    const waitedMs = nowMs() - this.#watchedSinceMs;
    if (this.#isClosed || !this.#isWatching || waitedMs < STUCK_AFTER_MS) return;
    this.#watchedSinceMs = nowMs();
    const stuck = this.#channel;
    this.#channel = openChannel(this.#address, CLIENT_CHANNEL_OPTIONS);
    stuck.close(); // ends the watch of this channel
  }

  /** Ends every call and the connection. Idempotent. */
  close(): void {
    this.#isClosed = true;
    this.#channel.close();
  }

  #watch(): void {
    if (this.#isClosed) return;
    if (this.#waiting.size === 0) {
      this.#isWatching = false;
      return;
    }
    const { client } = this.#channel;
    const channel = client.getChannel();
    const state = channel.getConnectivityState(true);
    if (state !== connectivityState.READY && state !== connectivityState.TRANSIENT_FAILURE) {
      channel.watchConnectivityState(state, Number.POSITIVE_INFINITY, () => this.#watch());
      return;
    }
    this.#isWatching = false;
    const settled = [...this.#waiting];
    this.#waiting.clear();
    for (const use of settled) use(client);
  }
}
