/**
 * The state machine of this replica: the table in the store, the recorded answers in memory and in the store,
 * and when these are dropped. The loop hands it what has become executable.
 */
import type { Deps, Execution, Operation, Pruned, ReplicaId } from '../epaxos/index.ts';
import { KvError } from '../errors.ts';
import {
  applyOperations,
  asKvOperation,
  isRecorded,
  type KvOperation,
  type OperationResult,
  type Sessions,
  type StateView,
} from '../kv/index.ts';
import type { Effects, Storage } from '../storage/index.ts';
import { AnswerExpiry, type AnswerExpiryLimits } from './answer-expiry.ts';

/**
 * Bytes of previous values in recorded answers (puts and deletes with `returnPrevious`), all in memory. Beyond
 * it this replica takes no more such requests; what its peers take adds to it, so all stop at about the same time.
 */
export const KEPT_VALUE_BYTES = 256 * 1024 * 1024;

const NO_EFFECTS: Effects = { rows: [], answers: [], expired: [], executed: [], pruned: null };

/** An operation that was executed, and what it answers. */
export interface Answered {
  readonly operation: KvOperation;
  readonly result: OperationResult;
}

export interface StateMachineOptions {
  readonly storage: Pick<Storage, 'row' | 'writeEffects'>;
  /** The answers that the store holds. */
  readonly sessions: Sessions;
  /** Every other replica. */
  readonly peers: readonly ReplicaId[];
  readonly expiry: AnswerExpiryLimits;
  readonly nowMs: number;
}

export class StateMachine {
  readonly #storage: StateMachineOptions['storage'];
  readonly #sessions: Sessions;
  readonly #expiry: AnswerExpiry;
  readonly #view: StateView;

  constructor(options: StateMachineOptions) {
    const { storage, sessions, peers, expiry, nowMs } = options;
    this.#storage = storage;
    this.#sessions = sessions;
    this.#expiry = new AnswerExpiry({ peers, limits: expiry, nowMs });
    this.#expiry.add([...sessions.ids()]);
    this.#view = { row: (key) => storage.row(key), sessions };
  }

  /** What a write answered when it was executed; undefined for what was not, and for what is not recorded. */
  find(operation: KvOperation): OperationResult | undefined {
    return isRecorded(operation) ? this.#sessions.find(operation.request, operation.key) : undefined;
  }

  /** @throws KvError overloaded, outcome notApplied, for a request whose answer there is no room to keep */
  admit(operation: KvOperation): void {
    if (operation.kind === 'get' || !operation.returnPrevious || !isRecorded(operation)) return;
    if (this.#sessions.valueBytes < KEPT_VALUE_BYTES) return;
    throw new KvError(
      'overloaded',
      'too many previous values are kept for retries: write without asking for the previous value, or try later',
      { outcome: 'notApplied' },
    );
  }

  /** Executes, and writes the effects and what was pruned in one batch. It is written when this resolves. */
  async execute(batch: {
    readonly executions: readonly Execution[];
    readonly pruned: Pruned | null;
  }): Promise<readonly Answered[]> {
    const { executions, pruned } = batch;
    const operations = executions.flatMap(({ command }) => command?.operations.map(asKvOperation) ?? []);
    const { results, rows, answers } = applyOperations(this.#view, operations);
    const executed = executions.map(({ id }) => id);
    await this.#storage.writeEffects({ ...NO_EFFECTS, rows, answers, executed, pruned });
    this.#expiry.add(this.#sessions.record(answers));
    return pair(operations, results);
  }

  /** Answers reads from the table as it is (R8.1). */
  read(reads: readonly Operation[]): readonly Answered[] {
    const operations = reads.map(asKvOperation);
    return pair(operations, applyOperations(this.#view, operations).results);
  }

  /** A peer has told the highest slots that it knows. */
  heard(peer: ReplicaId, highest: Deps): void {
    this.#expiry.heard(peer, highest);
  }

  /** Time has passed; see {@link AnswerExpiry.tick}. */
  tick(at: Parameters<AnswerExpiry['tick']>[0]): void {
    this.#expiry.tick(at);
  }

  /** True if there are answers that can be dropped. */
  get hasExpired(): boolean {
    return this.#expiry.hasDue;
  }

  /** Drops some of them. */
  async dropExpired(): Promise<void> {
    const expired = this.#expiry.take();
    await this.#storage.writeEffects({ ...NO_EFFECTS, expired });
    this.#sessions.forget(expired);
  }
}

function pair(operations: readonly KvOperation[], results: readonly OperationResult[]): readonly Answered[] {
  return operations.flatMap((operation, index) => {
    const result = results[index];
    return result === undefined ? [] : [{ operation, result }];
  });
}
