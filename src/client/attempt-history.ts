/** What became of the attempts of one request so far, and the truth about its outcome when none of them served it. */
import { type ErrorCode, KvError, type Outcome } from '../errors.ts';

/** What is wrong with one replica, not with the request: nothing to try again there, but others may serve. */
const FAULTS_OF_A_REPLICA: ReadonlySet<ErrorCode> = new Set(['internal', 'storageFailure']);

/** An endpoint, as far as its name. */
interface Tried {
  readonly address: string;
}

export class AttemptHistory {
  readonly #mutates: boolean;
  readonly #lastByAddress = new Map<string, KvError>();
  #last: KvError | null = null;
  #mayBeApplied = false;
  #onlyUnreachable = true;
  #round = 0;
  #tried: Tried[] = [];
  #isRoundHopeless = true;

  constructor(mutates: boolean) {
    this.#mutates = mutates;
  }

  /** How often all endpoints were tried. */
  get round(): number {
    return this.#round;
  }

  /** The endpoints that were tried in this round. */
  get tried(): readonly Tried[] {
    return this.#tried;
  }

  /** True if an attempt may have been applied, or may yet be. */
  get mayBeApplied(): boolean {
    return this.#mayBeApplied;
  }

  /** True if no attempt ever reached a replica. */
  get onlyUnreachable(): boolean {
    return this.#onlyUnreachable;
  }

  /** True if nothing that was tried in this round may succeed later. */
  get isRoundHopeless(): boolean {
    return this.#isRoundHopeless;
  }

  /** An attempt failed. @returns whether another one can succeed, elsewhere or later */
  add(target: Tried, error: KvError): boolean {
    this.#lastByAddress.set(target.address, error);
    this.#last = error;
    this.#tried.push(target);
    if (error.outcome !== 'notApplied') this.#mayBeApplied = true;
    if (error.code !== 'unreachable') this.#onlyUnreachable = false;
    if (error.retryable) this.#isRoundHopeless = false;
    return error.retryable || FAULTS_OF_A_REPLICA.has(error.code);
  }

  nextRound(): void {
    this.#round += 1;
    this.#tried = [];
    this.#isRoundHopeless = true;
  }

  asCancelled(message: string): KvError {
    return this.#summary('cancelled', message);
  }

  asUnreachable(): KvError {
    return this.#summary('unreachable', `no replica can be reached (${this.#reasons()})`);
  }

  /** The time is over: if all that could be reached gave one reason, it says more than the deadline. */
  asTimeout(allowedMs: number): KvError {
    if (this.#onlyUnreachable) return this.asUnreachable();
    const codes = new Set([...this.#lastByAddress.values()].map((error) => error.code));
    codes.delete('unreachable');
    const [code = 'deadlineExceeded'] = codes.size === 1 ? codes : [];
    return this.#summary(code, `no replica served the request within ${allowedMs} ms (${this.#reasons()})`);
  }

  /** The request cannot succeed: a replica said so, or every one is broken. */
  asRefusal(error: KvError): KvError {
    return this.#outcome() === error.outcome ? error : this.#summary(error.code, error.message);
  }

  #outcome(): Outcome {
    return this.#mutates && this.#mayBeApplied ? 'unknown' : 'notApplied';
  }

  #reasons(): string {
    return [...this.#lastByAddress].map(([address, error]) => `${address}: ${error.message}`).join('; ');
  }

  #summary(code: KvError['code'], message: string): KvError {
    return new KvError(code, message, {
      outcome: this.#outcome(),
      ...(this.#last === null ? {} : { cause: this.#last }),
    });
  }
}
