/**
 * How a store that has gone back is told from one that holds all it ever held (R6.13). A store that lost the end of its log, or
 * is an older copy of itself, opens like any other. So each opening of a store is a run with a name drawn at random, which
 * it notes with its first synced batch; its synced batches are numbered; and the peers remember the newest number they
 * heard. Two histories of one store never share a run, so a number that the store does not know is of one it has lost.
 */
import { checkCount, malformed, messageCodec, type StoreMark } from '../wire/index.ts';
import type { ByteStore, ByteWrite } from './byte-store.ts';
import { RUNS_KEY } from './keys.ts';

/** A run that is over: the batches up to this one are of it, or of runs before it. */
interface ClosedRun {
  readonly id: string;
  readonly last: number;
}

interface StoredRuns {
  readonly closed: readonly ClosedRun[];
  /** The one that noted this. */
  readonly id: string;
}

const runsType = messageCodec<StoredRuns>('StoredRuns');

function decodeRuns(bytes: Uint8Array): StoredRuns {
  const { closed, id } = runsType.decode(bytes);
  if (id === '') throw malformed('the present run has no name');
  return {
    id,
    closed: closed.map((run) => ({ id: run.id, last: checkCount(run.last, 'the end of a run') })),
  };
}

export class Runs {
  readonly #store: ByteStore;
  readonly #id: string;
  readonly #closed: readonly ClosedRun[];
  #isNoted = false;
  #isNoting = false;

  /**
   * @param store just opened: all that it holds now is on disk
   * @param id of this run, which no other has
   * @throws KvError invalidArgument if what is noted cannot be read
   */
  constructor(store: ByteStore, id: string) {
    this.#store = store;
    this.#id = id;
    const bytes = store.get(RUNS_KEY);
    const before = bytes && decodeRuns(bytes);
    this.#closed = before ? [...before.closed, { id: before.id, last: store.synced }] : [];
  }

  /** What is to be written with a synced batch; null once it is noted. */
  note(): ByteWrite | null {
    if (this.#isNoting) return null;
    this.#isNoting = true;
    return { key: RUNS_KEY, value: runsType.encode({ closed: this.#closed, id: this.#id }) };
  }

  /** A synced batch is on disk. */
  synced(): void {
    this.#isNoted ||= this.#isNoting;
  }

  /** How far the store has come on disk; null for a new one. */
  mark(): StoreMark | null {
    if (this.#isNoted) return { run: this.#id, batch: this.#store.synced };
    const last = this.#closed.at(-1);
    return last === undefined ? null : { run: last.id, batch: last.last };
  }

  /** Whether the store holds all that it had on disk when this was its mark. */
  holds({ run, batch }: StoreMark): boolean {
    if (run === this.#id) return batch <= this.#store.synced;
    return this.#closed.some(({ id, last }) => id === run && batch <= last);
  }
}
