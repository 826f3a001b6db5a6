/**
 * How many requests of one client are under way at once, by number and by bytes. The others wait here, in
 * order, where giving them up is certain to leave no trace; more on the wire would only delay each other.
 */
import { KvError } from '../errors.ts';
import { RPC_LIMITS } from '../wire/index.ts';
import type { Request } from './request.ts';
import { RequestList } from './request-list.ts';

export interface WindowLimits {
  /** Requests under way. */
  readonly requests: number;
  /** Bytes of their operations; one that is larger has its turn alone. */
  readonly bytes: number;
  /** Requests that wait. */
  readonly waiting: number;
}

/**
 * As many requests as a replica takes, but much fewer bytes: the first of many large ones is answered when those beside it
 * are through as well, and who waits for that too long sends them all to the next replica.
 */
export const WINDOW_LIMITS: WindowLimits = {
  requests: RPC_LIMITS.streamRequests,
  bytes: 4 * 1024 * 1024,
  waiting: 100_000,
};

export class RequestWindow {
  readonly #limits: WindowLimits;
  readonly #begin: (request: Request, hasWaited: boolean) => void;
  readonly #waiting = new RequestList<Request>();
  #requests = 0;
  #bytes = 0;
  #isGranting = false;

  /** @param begin called once for each request when its turn has come, at once or after it has waited */
  constructor(limits: WindowLimits, begin: (request: Request, hasWaited: boolean) => void) {
    this.#limits = limits;
    this.#begin = begin;
  }

  /**
   * The request begins at once, or waits for its turn.
   * @throws KvError `overloaded` with the outcome `notApplied` if too many wait already
   */
  enter(request: Request): void {
    if (this.#waiting.size === 0 && this.#fits(request)) this.#admit(request, false);
    else if (this.#waiting.size < this.#limits.waiting) this.#waiting.push(request);
    else {
      throw new KvError('overloaded', `${this.#waiting.size} requests of this client are waiting already`, {
        outcome: 'notApplied',
      });
    }
  }

  /** Whether the request still waits for its turn. */
  isWaiting(request: Request): boolean {
    return request.list === this.#waiting;
  }

  /** The request is over: those that waited for its place begin. */
  leave(request: Request): void {
    if (this.isWaiting(request)) {
      this.#waiting.remove(request);
    } else {
      this.#requests -= 1;
      this.#bytes -= request.windowBytes;
    }
    this.#grant();
  }

  #grant(): void {
    // A request that ends as it begins comes back here; the loop below goes on with the next one.
    if (this.#isGranting) return;
    this.#isGranting = true;
    for (let next = this.#waiting.head; next !== null && this.#fits(next); next = this.#waiting.head) {
      this.#waiting.remove(next);
      this.#admit(next, true);
    }
    this.#isGranting = false;
  }

  #admit(request: Request, hasWaited: boolean): void {
    this.#requests += 1;
    request.windowBytes = request.operation.length;
    this.#bytes += request.windowBytes;
    this.#begin(request, hasWaited);
  }

  #fits(request: Request): boolean {
    if (this.#requests === 0) return true;
    return (
      this.#requests < this.#limits.requests && this.#bytes + request.operation.length <= this.#limits.bytes
    );
  }
}
