/** The calls that wait at one process: how much they are, and that each hears how it ends by its deadline. */

import type { KvOperation } from '../../../src/kv/index.ts';
import type { NodeOptions } from '../../../src/node/index.ts';
import { demand, demandAtMost } from '../checkers/violation.ts';

export interface WaitingCallsOptions {
  /** Of the process, in messages. */
  readonly name: string;
  readonly limits: Pick<NodeOptions['limits'], 'requests' | 'requestBytes'>;
  /** Does something that may find a violation; the process goes on, the world does not. */
  readonly guard: (check: () => void) => void;
}

export class WaitingCalls {
  readonly #options: WaitingCallsOptions;
  /** By name: how many wait for the same request. */
  readonly #ofRequest = new Map<string, number>();
  #calls = 0;
  /** Of the operations of all requests that are waited for. */
  #bytes = 0;

  constructor(options: WaitingCallsOptions) {
    this.#options = options;
  }

  /**
   * A call has been taken.
   * @returns what is to be called when it ends
   */
  taken(operation: KvOperation): () => void {
    const { name, limits, guard } = this.#options;
    const request = nameOf(operation);
    const ofRequest = this.#ofRequest.get(request) ?? 0;
    this.#ofRequest.set(request, ofRequest + 1);
    this.#calls += 1;
    if (ofRequest === 0) this.#bytes += operation.size;
    const [calls, bytes] = [this.#calls, this.#bytes];
    guard(() => {
      demandAtMost(calls, limits.requests, `calls wait at ${name}`);
      demandAtMost(bytes, limits.requestBytes, `bytes are in what calls wait for at ${name}`);
    });
    return () => this.#ended(request, operation.size);
  }

  /** A call's deadline has passed for a while. */
  late(operation: KvOperation, { isOver }: { readonly isOver: boolean }): void {
    const { name, guard } = this.#options;
    guard(() =>
      demand(isOver, 'patience', () => `${nameOf(operation)} waits at ${name} beyond its deadline`),
    );
  }

  #ended(request: string, bytes: number): void {
    const left = (this.#ofRequest.get(request) ?? 0) - 1;
    this.#calls -= 1;
    if (left > 0) {
      this.#ofRequest.set(request, left);
      return;
    }
    this.#ofRequest.delete(request);
    this.#bytes -= bytes;
  }
}

/** As src/node/request-index.ts names it. */
function nameOf({ request, key }: KvOperation): string {
  return `${request.client.trim()}/${request.sequence}/${request.generation}/${key}`;
}
