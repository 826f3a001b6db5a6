/**
 * Requests by their name: client, sequence, generation and key. The key belongs to the name (R7.6), yet a client that
 * keeps to the rules uses a number for one key and in one generation only, so that it is enough to find a request by.
 */
import type { KvOperation } from '../kv/index.ts';
import { PagedMap } from '../util/paged-map.ts';

/** What can be found by its operation. */
interface Named {
  readonly operation: KvOperation;
}

export class RequestIndex<T extends Named> {
  /** By client, then by sequence. */
  readonly #clients = new Map<string, PagedMap<T>>();
  /** Those whose number is used for another key, or in another generation, too; by the whole name. */
  readonly #others = new Map<string, T>();

  /** The request that has the name of this operation. */
  find(operation: KvOperation): T | undefined {
    const { request, key } = operation;
    const found = this.#clients.get(request.client)?.get(request.sequence);
    if (found !== undefined && found.operation.key === key) {
      if (found.operation.request.generation === request.generation) return found;
    }
    return this.#others.size === 0 ? undefined : this.#others.get(nameOf(operation));
  }

  /** @param request its name is not here yet */
  add(request: T): void {
    const { client, sequence } = request.operation.request;
    let ofClient = this.#clients.get(client);
    if (ofClient === undefined) {
      ofClient = new PagedMap();
      this.#clients.set(client, ofClient);
    }
    if (!ofClient.has(sequence)) ofClient.set(sequence, request);
    else this.#others.set(nameOf(request.operation), request);
  }

  /** Nothing happens if it is not here. */
  delete(request: T): void {
    const { client, sequence } = request.operation.request;
    const ofClient = this.#clients.get(client);
    if (ofClient?.get(sequence) === request) {
      ofClient.delete(sequence);
      if (ofClient.size === 0) this.#clients.delete(client);
      return;
    }
    const name = nameOf(request.operation);
    if (this.#others.get(name) === request) this.#others.delete(name);
  }

  /** All of them, as they are now. */
  all(): readonly T[] {
    return [
      ...Array.from(this.#clients.values(), (ofClient) => [...ofClient.values()]).flat(),
      ...this.#others.values(),
    ];
  }
}

function nameOf({ request, key }: KvOperation): string {
  return `${request.client}${request.sequence}/${request.generation}/${key}`;
}
