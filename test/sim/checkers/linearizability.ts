/**
 * Linearizability of what clients saw, key by key: a search for an order of the operations that keeps to real time
 * and explains every answer (Wing and Gong, 1993; with Lowe's memory of what was tried, 2017). An operation whose
 * outcome is unknown may take effect at any time after it began, or never.
 *
 * What keeps the search small: an operation that answers rightly and changes nothing can always go first; and of the
 * writes that nobody ever saw, and whose outcome is unknown, any is as good as the oldest.
 */

/** What a client was told. Versions as in OperationResult. */
export interface SeenResult {
  readonly version: number;
  readonly value: string | null;
  readonly previousVersion: number;
}

export interface HistoryOperation {
  readonly kind: 'put' | 'get' | 'delete';
  readonly key: string;
  /** What a put writes; unique over all puts. Null for the others. */
  readonly value: string | null;
  readonly returnPrevious: boolean;
  /** Two instants of one clock, all different; Infinity for an operation that was not answered. */
  readonly invokedAt: number;
  readonly answeredAt: number;
  /** Null if it was not answered. */
  readonly result: SeenResult | null;
}

export type Verdict =
  | { readonly type: 'linearizable' }
  | { readonly type: 'violated'; readonly key: string; readonly stuckAt: HistoryOperation | null }
  /** The search was given up for some keys; the others are in order. */
  | { readonly type: 'undecided'; readonly keys: readonly string[] };

/** @param maxSteps how long to search, for each key */
export function checkLinearizability(history: readonly HistoryOperation[], maxSteps = 20_000): Verdict {
  const byKey = new Map<string, HistoryOperation[]>();
  for (const operation of history) {
    const operations = byKey.get(operation.key);
    if (operations === undefined) byKey.set(operation.key, [operation]);
    else operations.push(operation);
  }
  const undecided: string[] = [];
  for (const [key, operations] of byKey) {
    const search = new Search(operations, maxSteps);
    if (search.run()) continue;
    if (search.gaveUp) undecided.push(key);
    else return { type: 'violated', key, stuckAt: search.deepest };
  }
  return undecided.length > 0 ? { type: 'undecided', keys: undecided } : { type: 'linearizable' };
}

/** The state of one key. */
interface State {
  readonly version: number;
  readonly value: string | null;
}

const ABSENT: State = { version: 0, value: null };

interface Candidates {
  /** Places among the answered operations. */
  readonly candidates: readonly number[];
  /** The earliest answer of those that are left: what began later must come later. */
  readonly horizon: number;
}

class Search {
  /** Answered operations, by the time they began. */
  readonly #answered: readonly HistoryOperation[];
  /** Writes of unknown outcome, by the time they began. */
  readonly #unknown: readonly HistoryOperation[];
  readonly #seen: ReadonlySet<string>;
  readonly #done: boolean[];
  readonly #used: boolean[];
  /** No answered operation before this one is left. */
  #first = 0;
  #left: number;
  readonly #tried = new Set<string>();
  #steps: number;
  #fewestLeft = Number.POSITIVE_INFINITY;
  /** The first operation that the longest order found does not explain. */
  deepest: HistoryOperation | null = null;

  constructor(operations: readonly HistoryOperation[], maxSteps: number) {
    const sorted = [...operations].sort((one, other) => one.invokedAt - other.invokedAt);
    this.#answered = sorted.filter(({ result }) => result !== null);
    this.#unknown = sorted.filter(({ result, kind }) => result === null && kind !== 'get');
    this.#seen = new Set(this.#answered.flatMap(({ result }) => result?.value ?? []));
    this.#done = this.#answered.map(() => false);
    this.#used = this.#unknown.map(() => false);
    this.#left = this.#answered.length;
    this.#steps = maxSteps;
  }

  get gaveUp(): boolean {
    return this.#steps < 0;
  }

  /** True if an order was found. */
  run(): boolean {
    return this.#explore(ABSENT);
  }

  #explore(state: State): boolean {
    const neutral = this.#takeNeutral(state);
    if (this.#left === 0) return true;
    this.#noteProgress();
    const next = this.#candidates();
    if (this.#isNew(state, next.horizon) && this.#branch(state, next)) return true;
    for (const index of neutral) this.#untake(index);
    return false;
  }

  #branch(state: State, { candidates, horizon }: Candidates): boolean {
    for (const index of candidates) {
      const next = after(state, this.#answered[index]);
      if (next === null) continue;
      this.#take(index);
      if (this.#explore(next)) return true;
      this.#untake(index);
      if (this.gaveUp) return false;
    }
    return this.#branchUnknown(state, horizon);
  }

  #branchUnknown(state: State, horizon: number): boolean {
    let unseenPut = false;
    let unseenDelete = false;
    for (const [index, operation] of this.#unknown.entries()) {
      if (operation.invokedAt > horizon) break;
      if (this.#used[index]) continue;
      if (operation.kind === 'delete') {
        if (unseenDelete || state.value === null) continue;
        unseenDelete = true;
      } else if (!this.#seen.has(operation.value ?? '')) {
        if (unseenPut) continue;
        unseenPut = true;
      }
      this.#used[index] = true;
      if (this.#explore(effect(state, operation))) return true;
      this.#used[index] = false;
      if (this.gaveUp) return false;
    }
    return false;
  }

  /** Operations that may come next: none of those that are left was answered before they began. */
  #candidates(): Candidates {
    const candidates: number[] = [];
    let horizon = Number.POSITIVE_INFINITY;
    for (let index = this.#first; index < this.#answered.length; index += 1) {
      const operation = this.#answered[index];
      if (operation === undefined || operation.invokedAt > horizon) break;
      if (this.#done[index]) continue;
      candidates.push(index);
      horizon = Math.min(horizon, operation.answeredAt);
    }
    return { candidates, horizon };
  }

  /** Takes everything that fits and changes nothing, again and again; returns what was taken. */
  #takeNeutral(state: State): number[] {
    const taken: number[] = [];
    for (let before = -1; before < taken.length; ) {
      before = taken.length;
      for (const index of this.#candidates().candidates) {
        if (after(state, this.#answered[index]) !== state) continue;
        this.#take(index);
        taken.push(index);
      }
    }
    return taken;
  }

  #take(index: number): void {
    this.#done[index] = true;
    this.#left -= 1;
    while (this.#done[this.#first]) this.#first += 1;
  }

  #untake(index: number): void {
    this.#done[index] = false;
    this.#left += 1;
    this.#first = Math.min(this.#first, index);
  }

  /** False if the same operations have led to the same state before, in another order, to no good. */
  #isNew(state: State, horizon: number): boolean {
    this.#steps -= 1;
    if (this.gaveUp) return false;
    const ahead: number[] = [];
    for (let index = this.#first; index < this.#answered.length; index += 1) {
      if (this.#done[index]) ahead.push(index);
      else if ((this.#answered[index]?.invokedAt ?? 0) > horizon) break;
    }
    const used = this.#used.flatMap((isUsed, index) => (isUsed ? index : []));
    const key = `${this.#first}:${ahead.join()}:${used.join()}:${state.version}:${state.value}`;
    if (this.#tried.has(key)) return false;
    this.#tried.add(key);
    return true;
  }

  #noteProgress(): void {
    if (this.#left >= this.#fewestLeft) return;
    this.#fewestLeft = this.#left;
    this.deepest = this.#answered[this.#first] ?? null;
  }
}

/** The state after an answered operation; the very same state if it changes nothing; null if the answer is wrong here. */
function after(state: State, operation: HistoryOperation | undefined): State | null {
  const result = operation?.result;
  if (operation === undefined || result === undefined || result === null) return null;
  if (operation.kind === 'get') {
    return result.version === state.version && result.value === state.value ? state : null;
  }
  const expected = operation.kind === 'put' ? state.version + 1 : state.version;
  if (result.version !== expected) return null;
  const previousVersion = operation.returnPrevious ? state.version : 0;
  const previousValue = operation.returnPrevious ? state.value : null;
  if (result.previousVersion !== previousVersion || result.value !== previousValue) return null;
  return effect(state, operation);
}

function effect(state: State, operation: HistoryOperation): State {
  if (operation.kind === 'put') return { version: state.version + 1, value: operation.value };
  return state.value === null ? state : ABSENT;
}
