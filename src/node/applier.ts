/**
 * The state machine of this replica: the table in the store, the recorded answers in memory and in the store,
 * and when these are dropped. The loop hands it what has become executable.
 */

import type { Deps, InstanceId, Ready, ReplicaId, RowProgress } from '../epaxos/index.ts';
import { KvError } from '../errors.ts';
import {
  asKvOperation,
  isRecorded,
  isWrite,
  type KvOperation,
  KvState,
  type MultiGetOperation,
  type OperationResult,
  type ReadOperation,
  type Sessions,
} from '../kv/index.ts';
import type { Storage } from '../storage/index.ts';
import { AnswerExpiry, type AnswerExpiryLimits, DEFAULT_ANSWER_EXPIRY } from './answer-expiry.ts';

/**
 * Bytes of previous values in recorded answers (puts and deletes with `returnPrevious`), all in memory. Beyond
 * it this replica takes no more such requests; what its peers take adds to it, so all stop at about the same time.
 */
export const KEPT_VALUE_BYTES = 256 * 1024 * 1024;

/** What is written besides the effects: nothing. */
const NOTHING_ELSE = { expired: [], pruned: null };

/** Whoever waits for what operations answer. */
export interface Answering {
  /** Whether anybody waits for this one. */
  isAwaited(operation: KvOperation): boolean;
  answer(operation: KvOperation, result: OperationResult): void;
  /** What it answers cannot be told. */
  refuse(operation: KvOperation, error: KvError): void;
}

export interface ApplierOptions {
  readonly storage: Pick<Storage, 'row' | 'writeEffects'>;
  /** The answers that the store holds. */
  readonly sessions: Sessions;
  /** Every other replica. */
  readonly peers: readonly ReplicaId[];
  /** Undefined: {@link DEFAULT_ANSWER_EXPIRY}. */
  readonly expiry: AnswerExpiryLimits | undefined;
  readonly nowMs: number;
}

export class Applier {
  readonly #storage: ApplierOptions['storage'];
  readonly #expiry: AnswerExpiry;
  readonly #state: KvState;
  /** Executed, with effects that are not written yet. */
  #executed: InstanceId[] = [];

  constructor(options: ApplierOptions) {
    const { storage, sessions, peers, expiry = DEFAULT_ANSWER_EXPIRY, nowMs } = options;
    this.#storage = storage;
    this.#expiry = new AnswerExpiry({ peers, limits: expiry, nowMs });
    for (const page of sessions.pages()) this.#expiry.touched(page);
    this.#state = new KvState({ stored: (key) => storage.row(key), sessions });
  }

  /** What a write answered when it was executed; undefined for what was not, and for what is not recorded. */
  find(operation: KvOperation): OperationResult | undefined {
    return isRecorded(operation) ? this.#state.sessions.find(operation.request, operation.key) : undefined;
  }

  /** @throws KvError overloaded, outcome notApplied, for a request whose answer there is no room to keep */
  admit(operation: KvOperation): void {
    if (!isWrite(operation) || !operation.returnPrevious || !isRecorded(operation)) return;
    if (this.#state.sessions.valueBytes < KEPT_VALUE_BYTES) return;
    throw new KvError(
      'overloaded',
      'too many previous values are kept for retries: write without asking for the previous value, or try later',
      { outcome: 'notApplied' },
    );
  }

  /**
   * Executes, in order, and then reads (R8.1). What is read sees all that was executed before; nothing is written
   * before {@link write}.
   */
  execute({ executions, reads }: Pick<Ready, 'executions' | 'reads'>, answering: Answering): void {
    for (const { id, command } of executions) {
      this.#executed.push(id);
      for (const each of command?.operations ?? []) {
        const operation = asKvOperation(each);
        if (operation.kind === 'multiGet') this.#readMany(operation, answering);
        else answering.answer(operation, this.#state.apply(operation));
      }
      command?.letGoOfOperations();
    }
    for (const each of reads) {
      const operation = asKvOperation(each);
      answering.answer(operation, this.#state.read(operation));
    }
  }

  /** It reads many rows, and changes nothing: so that is done only where somebody waits for them. */
  #readMany(operation: MultiGetOperation, answering: Answering): void {
    if (!answering.isAwaited(operation)) return;
    try {
      answering.answer(operation, this.#state.apply(operation));
    } catch (error) {
      if (!(error instanceof KvError) || error.code !== 'limitExceeded') throw error;
      answering.refuse(operation, error);
    }
  }

  /**
   * What a read answers as the table is now.
   * @throws KvError limitExceeded for a multi-get whose answer would be too large
   */
  read(operation: ReadOperation): OperationResult {
    return this.#state.read(operation);
  }

  /**
   * Writes, in one batch: with `flush` the effects of all that was executed and not written yet; and what was
   * pruned. It is written when this resolves.
   */
  async write({ flush, pruned }: Pick<Ready, 'flush' | 'pruned'>): Promise<void> {
    if (!flush) {
      await this.#storage.writeEffects({ ...NOTHING_ELSE, rows: new Map(), pages: [], executed: [], pruned });
      return;
    }
    const { rows, pages } = this.#state.takeChanges();
    const executed = this.#executed;
    this.#executed = [];
    for (const page of pages) this.#expiry.touched(page);
    await this.#storage.writeEffects({ ...NOTHING_ELSE, rows, pages, executed, pruned });
    this.#state.written();
  }

  /** The same for what lies in memory only, before the store is closed or changed as a whole. */
  async flush(): Promise<void> {
    if (this.#executed.length > 0) await this.write({ flush: true, pruned: null });
  }

  /** A peer has told the highest slots that it knows. */
  heard(peer: ReplicaId, highest: Deps): void {
    this.#expiry.heard(peer, highest);
  }

  /** Time has passed; see {@link AnswerExpiry.tick}. @param rows how far each has come here */
  tick(nowMs: number, rows: readonly RowProgress[]): void {
    this.#expiry.tick({
      nowMs,
      highest: rows.map(({ highest }) => highest),
      executed: rows.map(({ executed }) => executed),
      answers: this.#state.sessions.size,
    });
  }

  /** True if there are answers that can be dropped. */
  get hasExpired(): boolean {
    return this.#expiry.hasDue;
  }

  /** Drops some of them. */
  async dropExpired(): Promise<void> {
    const expired = this.#expiry.take().filter((page) => this.#state.forget(page));
    await this.#storage.writeEffects({ ...NOTHING_ELSE, rows: new Map(), pages: [], executed: [], expired });
  }
}
