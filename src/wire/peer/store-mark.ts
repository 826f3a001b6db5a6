/** How far a replica's store has come on disk (R6.13), as peers tell it to each other. */
import { checkCount, malformed } from '../check.ts';

/** The newest synced batch of a store, and the run of it, from one opening to the next, that wrote it. */
export interface StoreMark {
  /** Drawn at random: 1 to 32 hexadecimal digits. */
  readonly run: string;
  /** Its number, ≥ 0. */
  readonly batch: number;
}

/** The same as fields of a message: no run where there is nothing to tell. */
export interface StoreMarkFields {
  readonly run: string;
  readonly batch: number;
}

const RUN = /^[0-9a-f]{1,32}$/;
const HEADER = /^([0-9a-f]{1,32}):(\d{1,16})$/;

export function storeMarkFields(mark: StoreMark | null): StoreMarkFields {
  return mark ?? { run: '', batch: 0 };
}

/** @throws KvError invalidArgument */
export function storeMarkOf({ run, batch }: StoreMarkFields): StoreMark | null {
  if (run === '') return null;
  if (!RUN.test(run)) throw malformed('the name of a run is not 1 to 32 hexadecimal digits');
  return { run, batch: checkCount(batch, 'the number of a batch') };
}

/** As a header. */
export function formatStoreMark({ run, batch }: StoreMark): string {
  return `${run}:${batch}`;
}

/** @throws KvError invalidArgument */
export function parseStoreMark(header: string): StoreMark {
  const [, run, batch] = HEADER.exec(header) ?? [];
  if (run === undefined) throw malformed('the mark of a store is not a run and the number of a batch');
  return { run, batch: checkCount(Number(batch), 'the number of a batch') };
}
