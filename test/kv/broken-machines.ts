/** State machines that are broken, each in its own way, to prove that the comparison with the model finds it. */
import {
  type AnswerPage,
  isRecorded,
  isWrite,
  type KvOperation,
  type KvState,
  type OperationResult,
} from '../../src/kv/index.ts';
import { AnywhereState, advance } from './operations.ts';

export type Machine = Pick<
  AnywhereState,
  'apply' | 'row' | 'changedRows' | 'takeChanges' | 'written' | 'sessions'
>;

/** The keys that all operations are on. */
export const KEYS = ['a', 'b', 'ab'];

/** The answer to a write, or to a read, spoiled. */
const spoiled = (spoil: (result: OperationResult, operation: KvOperation) => OperationResult) =>
  class extends AnywhereState {
    override apply(each: KvOperation): OperationResult {
      return spoil(super.apply(each), each);
    }
  };

/** What is wrong, and the state machine with it. */
export const BROKEN_MACHINES: readonly (readonly [
  string,
  new (parts: ConstructorParameters<typeof KvState>[0]) => Machine,
])[] = [
  [
    'executes a repeated request again',
    class extends AnywhereState {
      #drawn = 1_000_000;

      override apply(each: KvOperation): OperationResult {
        if (!isRecorded(each) || this.sessions.find(each.request, each.key) === undefined)
          return super.apply(each);
        this.#drawn += 1;
        return super.apply({ ...each, request: { ...each.request, sequence: this.#drawn } } as KvOperation);
      }
    },
  ],
  [
    'answers a repeated request with the row of now',
    class extends AnywhereState {
      override apply(each: KvOperation): OperationResult {
        const isRepeated = isRecorded(each) && this.sessions.find(each.request, each.key) !== undefined;
        const answer = super.apply(each);
        return isRepeated ? { ...answer, version: this.row(each.key)?.version ?? 0 } : answer;
      }
    },
  ],
  [
    'takes a client’s numbers of two keys for one request',
    class extends AnywhereState {
      override apply(each: KvOperation): OperationResult {
        for (const other of isRecorded(each) ? KEYS : []) {
          const recorded = this.sessions.find(each.request, other);
          if (recorded !== undefined) return recorded;
        }
        return super.apply(each);
      }
    },
  ],
  [
    'keeps an answer of what nobody can repeat',
    class extends AnywhereState {
      override apply(each: KvOperation): OperationResult {
        return super.apply(isWrite(each) ? { ...each, unrecorded: false } : each);
      }
    },
  ],
  [
    'gives the rows of a multi-get in the order of their keys',
    spoiled((result, each) => {
      if (each.kind !== 'multiGet' || result.rows === undefined) return result;
      const order = each.keys
        .map((_, index) => index)
        .sort((one, other) => ((each.keys[one] ?? '') < (each.keys[other] ?? '') ? -1 : 1));
      return { ...result, rows: order.map((index) => result.rows?.[index] ?? null) };
    }),
  ],
  [
    'leaves out of a multi-get what does not exist',
    spoiled((result) =>
      result.rows === undefined ? result : { ...result, rows: result.rows.filter((row) => row !== null) },
    ),
  ],
  [
    'gives the row before though nobody asked',
    class extends AnywhereState {
      override apply(each: KvOperation): OperationResult {
        return super.apply('returnPrevious' in each ? { ...each, returnPrevious: true } : each);
      }
    },
  ],
  [
    'forgets the row before',
    spoiled((result, each) => (isWrite(each) ? { ...result, value: null } : result)),
  ],
  [
    'forgets the version before',
    spoiled((result, each) => (isWrite(each) ? { ...result, previousVersion: 0 } : result)),
  ],
  [
    'counts a delete as a version',
    spoiled((result, each) => (each.kind === 'delete' ? { ...result, version: result.version + 1 } : result)),
  ],
  [
    'does not write removed rows',
    class extends AnywhereState {
      override takeChanges() {
        const { rows, ...rest } = super.takeChanges();
        return { ...rest, rows: new Map([...rows].filter(([, row]) => row !== null)) };
      }
    },
  ],
  [
    'writes only the pages that are new',
    class extends AnywhereState {
      readonly #known = new Set<AnswerPage>();

      override takeChanges() {
        const { pages, ...rest } = super.takeChanges();
        const fresh = new Set([...pages].filter((page) => !this.#known.has(page)));
        for (const page of pages) this.#known.add(page);
        return { ...rest, pages: fresh };
      }
    },
  ],
  [
    'executes what comes too late',
    class extends AnywhereState {
      override apply(each: KvOperation): OperationResult {
        const generation = Math.max(each.request.generation, this.sessions.oldestKept);
        const request = { ...each.request, generation };
        return super.apply(isRecorded(each) ? ({ ...each, request } as KvOperation) : each);
      }
    },
  ],
  [
    'ends the present generation, whichever was meant',
    class extends AnywhereState {
      override apply(each: KvOperation): OperationResult {
        return super.apply(each.kind === 'advance' ? advance(this.sessions.generation) : each);
      }
    },
  ],
  [
    'does not write that a generation has ended',
    class extends AnywhereState {
      override takeChanges() {
        return { ...super.takeChanges(), generation: null };
      }
    },
  ],
];
