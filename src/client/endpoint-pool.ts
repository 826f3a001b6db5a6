/**
 * The endpoints of one client and the order in which a request tries them. Which replica is best is
 * decided here and nowhere else: today it is the one that answered last.
 */
import { Endpoint } from './endpoint.ts';

export class EndpointPool {
  readonly #endpoints: readonly Endpoint[];
  #preferred = 0;

  /** @param addresses `host:port`, at least one, each once */
  constructor(addresses: readonly string[]) {
    this.#endpoints = addresses.map((address) => new Endpoint(address));
  }

  /** Every endpoint, in the order they were given. */
  get all(): readonly Endpoint[] {
    return this.#endpoints;
  }

  /** Every endpoint once, the one to try first at the head. */
  candidates(): readonly Endpoint[] {
    return [...this.#endpoints.slice(this.#preferred), ...this.#endpoints.slice(0, this.#preferred)];
  }

  /** The endpoint answered a request: the next request begins with it. */
  succeeded(endpoint: Endpoint): void {
    endpoint.noteServed();
    this.#preferred = this.#endpoints.indexOf(endpoint);
  }

  /** The endpoint did not serve a request: the next request does not begin with it. */
  failed(endpoint: Endpoint): void {
    // Requests run side by side: only the first to fail at the preferred endpoint moves the preference on.
    if (this.#endpoints[this.#preferred] === endpoint) {
      this.#preferred = (this.#preferred + 1) % this.#endpoints.length;
    }
  }

  /** Closes every connection. Requests under way end with an error. */
  close(): void {
    for (const endpoint of this.#endpoints) endpoint.close();
  }
}
