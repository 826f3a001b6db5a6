/**
 * One endpoint: the connection to one replica and single calls over it, each with a time limit and an
 * AbortSignal. Connecting is a step of its own, so that an error can say whether the request ever left.
 */
import {
  type ChannelInterface,
  type ChannelOptions,
  Client,
  connectivityState,
  credentials,
} from '@grpc/grpc-js';
import { KvError } from '../errors.ts';
import { CHANNEL_OPTIONS } from '../rpc/index.ts';
import type { AttemptLimits } from './failover.ts';
import { type UnaryMethod, unaryCall } from './unary-call.ts';

const CLIENT_CHANNEL_OPTIONS: ChannelOptions = {
  ...CHANNEL_OPTIONS,
  // A replica that comes back is found again soon: grpc-js would wait up to two minutes.
  'grpc.initial_reconnect_backoff_ms': 50,
  'grpc.max_reconnect_backoff_ms': 500,
  'grpc.dns_min_time_between_resolutions_ms': 1000,
  // A connection whose other end has vanished is noticed while requests wait on it.
  'grpc.keepalive_time_ms': 5000,
  'grpc.keepalive_timeout_ms': 3000,
};

export class Endpoint {
  /** `host:port` as it was given. */
  readonly address: string;
  #client: Client;
  /** On the clock of performance.now(). */
  #lastServedMs = Number.NEGATIVE_INFINITY;

  constructor(address: string) {
    this.address = address;
    this.#client = open(address);
  }

  /**
   * One call.
   * @throws KvError: `unreachable` with outcome `notApplied` if there is no connection; otherwise what the
   *   replica answered, or `connectionLost`, `deadlineExceeded` or `cancelled` with outcome `unknown`
   */
  async call<Request, Response>(
    method: UnaryMethod<Request, Response>,
    request: Request,
    limits: AttemptLimits,
  ): Promise<Response> {
    const nowMs = Date.now();
    await this.#connect(nowMs + Math.min(limits.timeoutMs, limits.silenceMs), limits.signal);
    const watch = this.#watchSilence(limits);
    try {
      const callLimits = { deadlineMs: nowMs + limits.timeoutMs, signal: watch.signal };
      return await unaryCall(this.#client, method, request, callLimits);
    } catch (error) {
      if (!watch.signal.aborted || limits.signal.aborted) throw error;
      const message = `no answer for ${Math.round(limits.silenceMs)} ms`;
      throw new KvError('deadlineExceeded', message, { outcome: 'unknown', cause: error });
    } finally {
      watch.stop();
    }
  }

  /** A request was served here: whatever else waits here waits for a replica that is slow rather than silent. */
  noteServed(): void {
    this.#lastServedMs = performance.now();
  }

  /** Closes the connection. Calls under way end with an error. Idempotent. */
  close(): void {
    this.#client.close();
  }

  /**
   * Resolves when the connection stands, or cannot be had now: then the call itself fails at once and says why.
   * Only waiting for a connection is done here, because a call that waits does not know that it never left.
   */
  async #connect(deadlineMs: number, signal: AbortSignal): Promise<void> {
    const channel = this.#client.getChannel();
    for (;;) {
      if (signal.aborted) throw notSent('cancelled', 'the request was cancelled');
      const state = channel.getConnectivityState(true);
      if (state === connectivityState.READY || state === connectivityState.TRANSIENT_FAILURE) return;
      if (state === connectivityState.SHUTDOWN) throw notSent('unreachable', 'the connection was closed');
      if (!(await stateChange(channel, { state, deadlineMs, signal }))) {
        // Whoever accepts the connection but never speaks would keep this channel connecting for ever.
        this.#reopen(channel);
        throw notSent('unreachable', 'no answer to the attempt to connect');
      }
    }
  }

  /**
   * A signal that fires with the caller's, or once nothing has been served here for too long. Measuring each call
   * alone would turn overload into a storm: every request given up, sent to the next replica, and given up there.
   */
  #watchSilence(limits: AttemptLimits): { readonly signal: AbortSignal; stop(): void } {
    const controller = new AbortController();
    const abort = () => controller.abort();
    const startedMs = performance.now();
    const check = () => {
      const quietMs = performance.now() - Math.max(startedMs, this.#lastServedMs);
      if (quietMs >= limits.silenceMs) abort();
      else timer = setTimeout(check, limits.silenceMs - quietMs);
    };
    let timer = setTimeout(check, limits.silenceMs);
    limits.signal.addEventListener('abort', abort, { once: true });
    if (limits.signal.aborted) abort();
    return {
      signal: controller.signal,
      stop: () => {
        clearTimeout(timer);
        limits.signal.removeEventListener('abort', abort);
      },
    };
  }

  #reopen(stuck: ChannelInterface): void {
    if (this.#client.getChannel() !== stuck) return; // another request was faster
    this.#client.close();
    this.#client = open(this.address);
  }
}

function open(address: string): Client {
  return new Client(address, credentials.createInsecure(), CLIENT_CHANNEL_OPTIONS);
}

function notSent(code: 'unreachable' | 'cancelled', message: string): KvError {
  return new KvError(code, message, { outcome: 'notApplied' });
}

/** Waits until the channel has left `state`, or the signal fires. False: the deadline passed first. */
function stateChange(
  channel: ChannelInterface,
  wait: { readonly state: connectivityState; readonly deadlineMs: number; readonly signal: AbortSignal },
): Promise<boolean> {
  return new Promise((resolve) => {
    const finish = (changed: boolean) => {
      wait.signal.removeEventListener('abort', onAbort);
      resolve(changed);
    };
    const onAbort = () => finish(true);
    wait.signal.addEventListener('abort', onAbort, { once: true });
    channel.watchConnectivityState(wait.state, wait.deadlineMs, (error) => finish(error === undefined));
  });
}
