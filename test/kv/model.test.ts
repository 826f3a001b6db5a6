/**
 * The state machine against a plain model that shares no code with it, over any order of operations, repetitions,
 * writes of the effects, crashes and ends of generations; and proof that the comparison finds a broken state machine.
 */
import { isDeepStrictEqual } from 'node:util';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { KvError } from '../../src/errors.ts';
import {
  AnswerPage,
  type KvOperation,
  type KvState,
  type OperationResult,
  PAGE_SEQUENCES,
  type PutOperation,
  type Row,
  Sessions,
  type StampedRow,
} from '../../src/kv/index.ts';
import { BROKEN_MACHINES, KEYS, type Machine } from './broken-machines.ts';
import { AnywhereState, advance, del, describeOperation, get, multiGet, put } from './operations.ts';

const CLIENTS = ['client-number-01', 'client-number-02'];
const SEQUENCES = [1, 2, 3, PAGE_SEQUENCES - 1, PAGE_SEQUENCES, 3 * PAGE_SEQUENCES];
const GENERATIONS = [1, 2, 3];
/** Every name that a request can have here. */
const REQUESTS = CLIENTS.flatMap((client) =>
  SEQUENCES.flatMap((sequence) =>
    GENERATIONS.flatMap((generation) =>
      KEYS.map((key) => ({ request: { client, sequence, generation }, key })),
    ),
  ),
);

type Answer = unknown;

/** What there is, as text: keys to values and versions, the generation, and what each request that is kept answered. */
class Model {
  generation = 1;
  rows = new Map<string, { readonly value: string; readonly version: number }>();
  answers = new Map<
    string,
    { readonly version: number; readonly value: string | null; readonly previousVersion: number }
  >();

  copy(): Model {
    const copy = new Model();
    copy.rows = new Map(this.rows);
    copy.answers = new Map(this.answers);
    copy.generation = this.generation;
    return copy;
  }

  run(operation: KvOperation): Answer {
    if (operation.kind === 'advance') {
      this.#advance(operation.generation);
      return { version: 0, value: null, previousVersion: 0 };
    }
    if (operation.kind === 'multiGet') {
      const rows = operation.keys.map((key) => this.rows.get(key) ?? null);
      return { version: 0, value: null, previousVersion: 0, rows };
    }
    const { value, version } = this.rows.get(operation.key) ?? { value: null, version: 0 };
    if (operation.kind === 'get') return { version, value, previousVersion: 0 };
    const { generation } = operation.request;
    if (!operation.unrecorded && generation > this.generation) return 'invalidArgument';
    if (!operation.unrecorded && generation < this.generation - 1) return 'requestTooOld';
    const name = nameOf(operation);
    const before = operation.unrecorded ? undefined : this.answers.get(name);
    if (before !== undefined) return before;
    if (operation.kind === 'delete') this.rows.delete(operation.key);
    else this.rows.set(operation.key, { value: textOf(operation.value), version: version + 1 });
    const answer = {
      version: operation.kind === 'put' ? version + 1 : version,
      value: operation.returnPrevious ? value : null,
      previousVersion: operation.returnPrevious ? version : 0,
    };
    if (!operation.unrecorded) this.answers.set(name, answer);
    return answer;
  }

  #advance(generation: number): void {
    if (generation !== this.generation) return;
    this.generation += 1;
    for (const name of [...this.answers.keys()]) {
      if (Number(name.split('/')[2]) < this.generation - 1) this.answers.delete(name);
    }
  }
}

function nameOf({ request, key }: Pick<KvOperation, 'request' | 'key'>): string {
  return `${request.client}/${request.sequence}/${request.generation}/${key}`;
}

function textOf(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('latin1');
}

function rowAsText(row: Row | null | undefined) {
  return row ? { value: textOf(row.value), version: row.version } : null;
}

function answerAsText({ value, rows, ...answer }: OperationResult): Answer {
  const asText = { ...answer, value: value && textOf(value) };
  return rows === undefined ? asText : { ...asText, rows: rows.map(rowAsText) };
}

type Maker = (parts: ConstructorParameters<typeof KvState>[0]) => Machine;

/** What applying an operation says: an answer, or the code of a refusal. */
function answerOf(apply: () => OperationResult): Answer {
  try {
    return answerAsText(apply());
  } catch (error) {
    if (!(error instanceof KvError) || error.outcome !== 'unknown') throw error;
    return error.code;
  }
}

/** Compares very often: so the way that explains a difference is gone only where there is one. */
function same(actual: unknown, expected: unknown, what: string): void {
  if (!isDeepStrictEqual(actual, expected)) expect(actual, what).toEqual(expected);
}

/** A state machine beside the model, with a store that loses what was not written. */
class World {
  readonly #make: Maker;
  readonly #table = new Map<string, StampedRow>();
  readonly #pages = new Map<string, AnswerPage>();
  #generation = 1;
  #model = new Model();
  /** As the store has it. */
  #stored = new Model();
  #machine: Machine;
  /** Executed since the last time that changes were taken; and those that were taken, as long as they are being written. */
  #since: KvOperation[] = [];
  #writing: KvOperation[] | null = null;

  constructor(make: Maker) {
    this.#make = make;
    this.#machine = this.#restored();
  }

  execute(operation: KvOperation): void {
    same(
      answerOf(() => this.#machine.apply(operation)),
      this.#model.run(operation),
      describeOperation(operation),
    );
    this.#since.push(operation);
  }

  take(): void {
    if (this.#writing !== null) return;
    this.#writing = this.#since;
    this.#since = [];
    const { rows, pages: live, generation } = this.#machine.takeChanges();
    const pages = [...live].map(copyOf); // they go on changing
    this.#write = () => {
      for (const [key, row] of rows) {
        if (row === null) this.#table.delete(key);
        else this.#table.set(key, { ...row, value: Uint8Array.from(row.value) });
      }
      for (const page of pages) this.#pages.set(`${page.generation}/${page.client}/${page.number}`, page);
      this.#generation = generation ?? this.#generation;
    };
    this.#taken = this.#model.copy();
  }

  write(): void {
    if (this.#writing === null) return;
    this.#write();
    this.#writing = null;
    this.#stored = this.#taken;
    this.#machine.written();
    const rows = [...this.#table].map(([key, row]) => [key, rowAsText(row)]);
    expect(new Map(rows as [string, Row][])).toEqual(this.#stored.rows);
  }

  flush(): void {
    this.write();
    this.take();
    this.write();
  }

  /** Everything that was not written is lost, and executed again: with the same answers. */
  crash(): void {
    const again = [...(this.#writing ?? []), ...this.#since];
    this.#writing = null;
    this.#since = [];
    this.#model = this.#stored.copy();
    this.#machine = this.#restored();
    for (const operation of again) this.execute(operation);
  }

  /** All that can be seen from outside. */
  compare(): void {
    const { sessions } = this.#machine;
    const expectedRow = (key: string) => this.#model.rows.get(key) ?? null;
    for (const key of KEYS) same(rowAsText(this.#machine.row(key)), expectedRow(key), key);
    const changed = this.#machine.changedRows();
    for (const [key, row] of changed)
      same(rowAsText(row), expectedRow(key), `${key} among those that changed`);
    const unstored = KEYS.filter(
      (key) => !isDeepStrictEqual(this.#model.rows.get(key), this.#stored.rows.get(key)),
    );
    same(
      unstored.filter((key) => changed.has(key)),
      unstored,
      'what is not stored is among those that changed',
    );
    let bytes = 0;
    for (const operation of REQUESTS) {
      const answer = this.#model.answers.get(nameOf(operation));
      const found = sessions.find(operation.request, operation.key);
      same(found && answerAsText(found), answer, nameOf(operation));
      bytes += answer?.value?.length ?? 0;
    }
    same(
      [sessions.generation, sessions.size, sessions.valueBytes],
      [this.#model.generation, this.#model.answers.size, bytes],
      'generation, answers, and bytes of their values',
    );
  }

  #write = (): void => undefined;
  #taken = new Model();

  #restored(): Machine {
    return this.#make({
      stored: (key) => this.#table.get(key),
      sessions: new Sessions([...this.#pages.values()].map(copyOf), this.#generation),
    });
  }
}

/** A page as it comes from a store. */
function copyOf(page: AnswerPage): AnswerPage {
  const copy = new AnswerPage(page);
  page.forEachPlain((place, version, start, end) => {
    copy.restorePlain(place, { key: page.plain.subarray(start, end), version });
  });
  for (const answer of page.others?.values() ?? []) copy.restore(answer);
  return copy;
}

/** The same, its value in the midst of other bytes: what arrived together with it. */
function amongOthers(operation: PutOperation): PutOperation {
  const { value } = operation;
  const source = Buffer.concat([Buffer.from('before'), value, Buffer.from('behind')]);
  const valueStart = 'before'.length;
  const valueEnd = valueStart + value.length;
  return { ...operation, source, valueStart, valueEnd, value: source.subarray(valueStart, valueEnd) };
}

const key = fc.constantFrom(...KEYS);
const options = fc.record({
  // Few, so that many are repeated, and some name two different requests: R7.6 says what of that.
  request: fc.record({
    client: fc.constantFrom(...CLIENTS),
    sequence: fc.constantFrom(...SEQUENCES),
    generation: fc.constantFrom(1, 1, 2, 3),
  }),
  returnPrevious: fc.boolean(),
  unrecorded: fc.integer({ min: 0, max: 9 }).map((drawn) => drawn === 0),
});
/** Longer ones are not kept in memory when they are in the store. */
const value = fc.oneof(fc.string({ maxLength: 3, unit: 'binary-ascii' }), fc.constant('x'.repeat(1025)));
const operation: fc.Arbitrary<KvOperation> = fc.oneof(
  { weight: 6, arbitrary: fc.tuple(key, value, options).map(([k, v, rest]) => put(k, v, rest)) },
  { weight: 3, arbitrary: fc.tuple(key, value, options).map(([k, v, rest]) => amongOthers(put(k, v, rest))) },
  { weight: 3, arbitrary: fc.tuple(key, options).map(([k, rest]) => del(k, rest)) },
  { weight: 2, arbitrary: key.map((k) => get(k)) },
  // With keys that are named twice, in any order.
  { weight: 2, arbitrary: fc.array(key, { minLength: 1, maxLength: 5 }).map((keys) => multiGet(...keys)) },
);
const step = fc.oneof(
  { weight: 12, arbitrary: operation.map((each) => ({ type: 'execute' as const, operation: each })) },
  { weight: 2, arbitrary: fc.record({ type: fc.constant('repeat' as const), of: fc.nat() }) },
  {
    weight: 3,
    arbitrary: fc.record({ type: fc.constantFrom('take' as const, 'write' as const, 'flush' as const) }),
  },
  { weight: 1, arbitrary: fc.record({ type: fc.constant('crash' as const) }) },
  {
    weight: 1,
    arbitrary: fc.constantFrom(1, 2, 3).map((generation) => ({
      type: 'execute' as const,
      operation: advance(generation),
    })),
  },
);

function property(make: Maker) {
  return fc.property(fc.array(step, { maxLength: 40, size: 'max' }), (steps) => {
    const world = new World(make);
    const executed: KvOperation[] = [];
    for (const each of steps) {
      switch (each.type) {
        case 'execute':
          executed.push(each.operation);
          world.execute(each.operation);
          break;
        case 'repeat': {
          const again = executed[each.of % Math.max(1, executed.length)];
          if (again !== undefined) world.execute(again);
          break;
        }
        default:
          world[each.type]();
      }
      world.compare();
    }
  });
}

it('does what the model does, whatever is repeated, written, lost in a crash or too late', () => {
  fc.assert(
    property((parts) => new AnywhereState(parts)),
    { numRuns: 300 },
  );
});

describe('a state machine is found that', () => {
  it.each(BROKEN_MACHINES)('%s', (_, Broken) => {
    expect(
      fc.check(
        property((parts) => new Broken(parts)),
        { seed: 7, numRuns: 300, endOnFailure: true },
      ).failed,
    ).toBe(true);
  });
});
