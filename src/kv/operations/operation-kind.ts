/** What has to be said of every kind of operation, and what all operations have. */
import type { Operation } from '../../epaxos/index.ts';
import type { Sessions } from '../sessions.ts';
import type { Table } from '../table.ts';
import type { OperationResult, RequestId, Turn } from '../types.ts';

/** What every operation has. Whatever is not needed all the time is made anew when it is asked for: ask once. */
export interface OperationBase extends Operation {
  /** Its line in the catalogue. */
  readonly kind: string;
  readonly request: RequestId;
  /** The key's bytes as a binary string (one character a byte); of several keys the first; of everything none. */
  readonly key: string;
  /** The operation as it is sent and stored, `size` bytes. They are not to be changed. */
  readonly bytes: Uint8Array;
}

/** What every client's write has. */
export interface WriteBase extends OperationBase {
  /** Whether it answers with the row that was there before. */
  readonly returnPrevious: boolean;
  /**
   * Nobody knows the request's id but the replica that drew it, so that the operation is proposed once only
   * and no answer needs to be kept of it (R7.6). Like everything else a function of `bytes`.
   */
  readonly unrecorded: boolean;
}

/** What executing an operation may look at and change. */
export interface Tables {
  readonly table: Table;
  readonly sessions: Sessions;
}

/**
 * What an operation touches (R2.8, R8.3): its `key`; each of its `keys`; or everything, and then it has no key. It writes all
 * of that unless it is a read.
 */
export type Scope = 'key' | 'keys' | 'everything';

/** Of clients; changes nothing and leaves nothing behind, so it is executed only where somebody waits for its answer. */
export interface ReadKind<Read extends OperationBase> {
  readonly role: 'read';
  readonly touches: Scope;
  /** @throws KvError limitExceeded, outcome notApplied, if there is more to answer than an answer may hold */
  read(tables: Tables, operation: Read): OperationResult;
}

/** Of clients; may change rows. Its answer is recorded, unless the operation says that it need not be (R7.6). */
export interface WriteKind<Write extends OperationBase> {
  readonly role: 'write';
  readonly touches: Scope;
  /**
   * Executes it for the first time. Values are kept, not copied: nobody changes the bytes of an operation or of a row.
   * @param turn with the stamp of what it writes, which nothing else has
   */
  apply(tables: Tables, operation: Write, turn: Turn): OperationResult;
}

/** Of replicas, never of clients. No answer of it is recorded, so a second copy must by itself have no effect. */
export interface ControlKind<Control extends OperationBase> {
  readonly role: 'control';
  readonly touches: Scope;
  /** Executes it, whether for the first time or not. */
  apply(tables: Tables, operation: Control, turn: Turn): OperationResult;
}

/** Everything there is to know of a kind of operation, but for its bytes. */
export type OperationKind<Each extends OperationBase> = ReadKind<Each> | WriteKind<Each> | ControlKind<Each>;
