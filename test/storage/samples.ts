/** Things to store, and how to read all of something. */

import { Command, type InstanceId, type InstanceRecord, Status } from '../../src/epaxos/index.ts';
import { KvError } from '../../src/errors.ts';
import { type AnswerPage, type RecordedAnswer, Sessions, type StampedRow } from '../../src/kv/index.ts';
import type { Effects, Storage } from '../../src/storage/index.ts';
import { putOperation } from '../support/kv-operations.ts';

/** N of every store of these tests. */
export const REPLICAS = 3;

export async function collect<T>(items: AsyncIterable<T>): Promise<T[]> {
  const result: T[] = [];
  for await (const item of items) result.push(item);
  return result;
}

/** A committed record with one put; `text` tells records of one instance apart. */
export function committedRecord(id: InstanceId, text = 'value'): InstanceRecord {
  const operation = putOperation({
    request: { client: 'c'.repeat(16), sequence: id.slot, generation: 1 },
    key: Buffer.from('key'),
    value: Buffer.from(text),
    returnPrevious: false,
  });
  return {
    id,
    status: Status.committed,
    ballot: 0,
    acceptedBallot: 0,
    command: new Command([operation]),
    noOp: false,
    attributes: { seq: 1, deps: [0, 0, 0] },
    initial: null,
    follower: null,
  };
}

/** Rows and answers as lists, and nothing of what is not named. */
export function effectsOf(
  some: Partial<Omit<Effects, 'rows' | 'pages'>> & {
    readonly rows?: readonly { readonly key: string; readonly row: StampedRow | null }[];
    readonly answers?: readonly RecordedAnswer[];
  },
): Effects {
  const { rows = [], answers = [], ...rest } = some;
  return {
    generation: null,
    executed: [],
    pruned: null,
    ...rest,
    rows: new Map(rows.map(({ key, row }) => [key, row])),
    pages: pagesOf(answers),
  };
}

/** The pages of these answers, of whatever generations they are. */
export function pagesOf(answers: readonly RecordedAnswer[]): AnswerPage[] {
  const generations = new Set(answers.map(({ request }) => request.generation));
  return [...generations].flatMap((generation) => {
    const sessions = new Sessions([], generation);
    for (const answer of answers) if (answer.request.generation === generation) sessions.record(answer);
    return [...sessions.pages()];
  });
}

export function sessionsOf(answers: readonly RecordedAnswer[]): Sessions {
  const sessions = new Sessions();
  for (const answer of answers) sessions.record(answer);
  return sessions;
}

/** The answers that a store holds. */
export async function storedSessions(storage: Storage): Promise<Sessions> {
  return new Sessions(await collect(storage.answerPages()), storage.generation());
}

export function rowOf(text: string, version = 1): StampedRow {
  const stamp = { epoch: 1, id: { replica: 2, slot: 300 }, place: version };
  return { value: Buffer.from(text), version, stamp };
}

/** The code of a KvError that was thrown; anything else is thrown again. */
export function codeOf(error: unknown): string {
  if (error instanceof KvError) return error.code;
  throw error;
}
