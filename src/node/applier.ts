/**
 * The state machine of this replica: the table in the store, the recorded answers in memory and in the store. The loop
 * hands it what has become executable.
 */
import { type Execution, FIRST_EPOCH, type Ready } from '../epaxos/index.ts';
import { KvError } from '../errors.ts';
import {
  asKvOperation,
  isRead,
  isRecorded,
  isWrite,
  type KvOperation,
  KvState,
  type OperationResult,
  type ReadOperation,
  type Sessions,
  type Turn,
} from '../kv/index.ts';
import type { Storage } from '../storage/index.ts';
import { assert } from '../util/assert.ts';

/**
 * Bytes of previous values in recorded answers (puts and deletes with `returnPrevious`), all in memory. Beyond
 * it this replica takes no more such requests; what its peers take adds to it, so all stop at about the same time.
 */
export const RECORDED_VALUE_BYTES = 256 * 1024 * 1024;

/** Old pages of answers that are removed from the store in one turn, at most. */
export const REMOVED_PAGES = 1_024;

/** Whoever waits for what operations answer. */
export interface Answering {
  /** Whether anybody waits for this one. */
  isAwaited(operation: KvOperation): boolean;
  answer(operation: KvOperation, result: OperationResult): void;
  /** What it answers cannot be told. */
  refuse(operation: KvOperation, error: KvError): void;
}

export interface ApplierOptions {
  readonly storage: Pick<Storage, 'row' | 'command' | 'writeEffects' | 'removeOldAnswers'>;
  /** The generation and the answers that the store holds. */
  readonly sessions: Sessions;
}

export class Applier {
  readonly #storage: ApplierOptions['storage'];
  readonly #state: KvState;
  /** Executed, with effects that are not written yet. */
  #executed: Pick<Execution, 'id' | 'command'>[] = [];
  /** The store may hold answers that are not kept any more; so it may at the start, if a process was killed on the way. */
  #hasOldAnswers = true;

  constructor({ storage, sessions }: ApplierOptions) {
    this.#storage = storage;
    this.#state = new KvState({ stored: (key) => storage.row(key), sessions });
  }

  /** The generation and the answers that are kept, as they are now. */
  get sessions(): Sessions {
    return this.#state.sessions;
  }

  /** What a write answered when it was executed; undefined for what was not, and for what is not recorded. */
  find(operation: KvOperation): OperationResult | undefined {
    return isRecorded(operation) ? this.#state.sessions.find(operation.request, operation.key) : undefined;
  }

  /** @throws KvError overloaded, outcome notApplied, for a request whose answer there is no room to keep */
  admit(operation: KvOperation): void {
    if (!isWrite(operation) || !operation.returnPrevious || !isRecorded(operation)) return;
    if (this.#state.sessions.valueBytes < RECORDED_VALUE_BYTES) return;
    throw new KvError(
      'overloaded',
      'too many previous values are kept for retries: write without asking for the previous value, or try later',
      { outcome: 'notApplied' },
    );
  }

  /**
   * Executes, in order, and then reads (R8.1). What is read sees all that was executed before; nothing is written
   * before {@link write}. A read changes nothing, so one in a command is executed only where somebody waits for it (R8.6).
   */
  execute({ executions, reads }: Pick<Ready, 'executions' | 'reads'>, answering: Answering): void {
    for (const { id, command, keys } of executions) {
      this.#executed.push({ id, command });
      if (command === null) continue;
      // One for all its operations: nobody keeps it.
      const turn = { epoch: FIRST_EPOCH, id, place: 0, handle: keys?.[0] };
      for (const each of command.operations) {
        const operation = asKvOperation(each);
        turn.handle = keys?.[turn.place];
        if (!isRead(operation) || answering.isAwaited(operation)) this.#apply(operation, turn, answering);
        turn.place += 1;
      }
      command.letGoOfOperations();
    }
    for (const each of reads) {
      const operation = asKvOperation(each);
      assert(isRead(operation), 'what is read without an instance is a read');
      answering.answer(operation, this.#state.read(operation));
    }
  }

  #apply(operation: KvOperation, turn: Turn, answering: Answering): void {
    try {
      answering.answer(operation, this.#state.apply(operation, turn));
    } catch (error) {
      if (!(error instanceof KvError) || error.outcome === 'none') throw error;
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
      await this.#storage.writeEffects({
        rows: new Map(),
        pages: [],
        generation: null,
        executed: [],
        pruned,
      });
      return;
    }
    const { rows, pages, generation } = this.#state.takeChanges();
    const instances = this.#executed;
    const executed = instances.map(({ id }) => id);
    this.#executed = [];
    await this.#storage.writeEffects({ rows, pages, generation, executed, pruned });
    // Their records are stored (Ready.flush). They are kept for peers, which mostly never ask: the disk does for that.
    for (const { id, command } of instances) command?.letGo(() => this.#storage.command(id));
    this.#state.written();
    if (generation !== null) this.#hasOldAnswers = true;
  }

  /** The same for what lies in memory only, before the store is closed or changed as a whole. */
  async flush(): Promise<void> {
    if (this.#executed.length > 0) await this.write({ flush: true, pruned: null });
  }

  /** True if the store may hold answers that are not kept any more. */
  get hasOldAnswers(): boolean {
    return this.#hasOldAnswers;
  }

  /**
   * Removes some of them. What is removed is of generations that ended before the one that is in the store already, so no
   * copy of theirs has an effect any more (R7.12), whatever a crash takes.
   */
  async removeOldAnswers(): Promise<void> {
    this.#hasOldAnswers = await this.#storage.removeOldAnswers(REMOVED_PAGES);
  }
}
