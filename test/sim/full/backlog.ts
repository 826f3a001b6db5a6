/**
 * What the replicas of a world had done before it begins: many writes, of which the last replica has missed nearly all. The
 * others have forgotten the first of these, so that it needs a snapshot with all the rest.
 */
import { Command, emptyRecord, FIRST_EPOCH, type InstanceRecord, Status } from '../../../src/epaxos/index.ts';
import { asKvOperation, type OperationResult, Sessions, type StampedRow } from '../../../src/kv/index.ts';
import { EncodedStorage } from '../../../src/storage/encoded-storage.ts';
import { LevelByteStore } from '../../../src/storage/level-byte-store.ts';
import { putOperation } from '../../support/kv-operations.ts';
import type { History } from '../history.ts';
import type { Observers } from '../observers.ts';
import { SimulatedDatabase } from './database.ts';
import type { FullMachine } from './machine.ts';

/** Executed by all. */
const KNOWN = 10;
/** Forgotten by all but the last replica. */
const PRUNED = 20;
const BATCH = 1_000;
const CLIENT = 'backlog'.padEnd(16);
const RESULT: OperationResult = { version: 1, value: null, previousVersion: 0 };

export interface BacklogParts {
  readonly machines: readonly FullMachine[];
  readonly observers: Observers;
  readonly history: History;
  /** How many instances the others have executed and not forgotten. */
  readonly kept: number;
}

/** Fills the volumes of machines that have not been started yet. */
export async function fillBacklog({ machines, observers, history, kept }: BacklogParts): Promise<void> {
  const last = machines.at(-1);
  const all = Array.from({ length: PRUNED + kept }, (_, index) => recordOf(index + 1, machines.length));
  for (const { command } of all) {
    for (const each of command?.operations ?? [])
      history.giveUp(history.begin(asKvOperation(each)), 'unknown');
  }
  for (const machine of machines) {
    const records = machine === last ? all.slice(0, KNOWN) : all;
    observers.written(machine.id, records);
    observers.executed(machine.id, {
      executions: records,
      results: records.map(() => RESULT),
      rows: new Map(),
    });
    await store(machine, records, machine === last ? 0 : PRUNED);
  }
}

/** A put of a key of its own. */
function recordOf(slot: number, replicas: number): InstanceRecord {
  const operation = putOperation({
    request: { client: CLIENT, sequence: slot, generation: 1 },
    key: Buffer.from(`backlog ${slot}`),
    value: Buffer.from(`${slot}`),
    returnPrevious: false,
  });
  const attributes = { seq: 1, deps: new Array<number>(replicas).fill(0) };
  return {
    ...emptyRecord({ replica: 1, slot }),
    status: Status.committed,
    command: new Command([operation]),
    attributes,
    initial: attributes,
  };
}

async function store(
  { volume, storeId, world }: FullMachine,
  records: readonly InstanceRecord[],
  pruned: number,
): Promise<void> {
  const { replicas } = world.options;
  let executions = 0;
  const database = new SimulatedDatabase(volume, {
    step: () => true,
    afterDisk: (_kind, done) => done(null),
    afterCompaction: (done) => done(),
    lineageAfter: (_changes, before) => ({ ...before, executions }),
    stirred: () => {},
  });
  const bytes = await LevelByteStore.over({
    location: 'a backlog',
    database: database.asLevel,
    directory: database.directory,
    writeBufferBytes: volume.writeBufferBytes,
  });
  const storage = new EncodedStorage({ store: bytes, id: storeId, replicas });
  const sessions = new Sessions();
  for (let from = 0; from < records.length; from += BATCH) {
    const batch = records.slice(from, from + BATCH);
    await storage.writeRecords(batch, { sync: false });
    const operations = batch.flatMap(({ command }) => command?.operations.map(asKvOperation) ?? []);
    executions += batch.length;
    await storage.writeEffects({
      rows: new Map(batch.flatMap(rowsOf)),
      pages: new Set(operations.map(({ request, key }) => sessions.record({ request, key, result: RESULT }))),
      generation: null,
      executed: batch.map(({ id }) => id),
      pruned: null,
    });
  }
  if (pruned > 0) {
    const upTo = new Array<number>(replicas).fill(0).with(0, pruned);
    const nothing = { rows: new Map(), pages: [], generation: null, executed: [] };
    await storage.writeEffects({ ...nothing, pruned: { pruned: upTo, floor: upTo } });
  }
  await storage.writeRecords([], { sync: true });
  volume.closed();
}

/** What an instance that is alone on its keys leaves in the table. */
function rowsOf({ id, command }: InstanceRecord): [string, StampedRow | null][] {
  const operations = command?.operations.map(asKvOperation) ?? [];
  return operations.map((each, place) => {
    if (each.kind !== 'put') return [each.key, null];
    return [each.key, { version: 1, value: each.value, stamp: { epoch: FIRST_EPOCH, id, place } }];
  });
}
