/**
 * What the replicas of a world had done before it begins: many writes, of which the last replica has missed nearly all. The
 * others have forgotten the first of these, so that it needs a snapshot with all the rest.
 */
import {
  Command,
  emptyRecord,
  FIRST_EPOCH,
  type InstanceId,
  type InstanceRecord,
  Status,
} from '../../../src/epaxos/index.ts';
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
  /** How many replicas have missed these, the last ones. */
  readonly behind: number;
  /** How many instances each of those had begun, which the others settled as no-ops without having heard of a command. */
  readonly abandoned: number;
}

/** Fills the volumes of machines that have not been started yet. */
export async function fillBacklog(parts: BacklogParts): Promise<void> {
  const { machines, observers, history, kept, behind, abandoned } = parts;
  const replicas = machines.length;
  const all = slots(PRUNED + kept).map((slot) => recordOf({ replica: 1, slot }, replicas));
  const late = machines.slice(-behind);
  const begun = late.flatMap(({ id: replica }) =>
    slots(abandoned).map((slot) => ({
      ...recordOf({ replica, slot }, replicas),
      status: Status.preAccepted,
    })),
  );
  for (const { command } of [...all, ...begun]) {
    for (const each of command?.operations ?? [])
      history.giveUp(history.begin(asKvOperation(each)), 'unknown');
  }
  const settled = begun.map(({ id }) => noOpOf(id, replicas));
  for (const machine of machines) {
    const isLate = late.includes(machine);
    const executed = isLate ? all.slice(0, KNOWN) : [...all, ...settled];
    const open = isLate ? begun.filter(({ id }) => id.replica === machine.id) : [];
    observers.written(machine.id, [...executed, ...open]);
    observers.executed(machine.id, {
      executions: executed,
      results: executed.flatMap(({ command }) => command?.operations.map(() => RESULT) ?? []),
      rows: new Map(),
    });
    await store(machine, { executed, open, pruned: isLate ? 0 : PRUNED });
  }
}

function slots(count: number): number[] {
  return Array.from({ length: count }, (_, index) => index + 1);
}

function noOpOf(id: InstanceId, replicas: number): InstanceRecord {
  return {
    ...emptyRecord(id),
    status: Status.committed,
    noOp: true,
    attributes: { seq: 0, deps: new Array<number>(replicas).fill(0) },
  };
}

/** A put of a key of its own. */
function recordOf(id: InstanceId, replicas: number): InstanceRecord {
  const { replica, slot } = id;
  const operation = putOperation({
    request: {
      client: replica === 1 ? CLIENT : `abandoned ${replica}`.padEnd(16),
      sequence: slot,
      generation: 1,
    },
    key: Buffer.from(replica === 1 ? `backlog ${slot}` : `abandoned ${replica} ${slot}`),
    value: Buffer.from(`${slot}`),
    returnPrevious: false,
  });
  const attributes = { seq: 1, deps: new Array<number>(replicas).fill(0) };
  return {
    ...emptyRecord(id),
    status: Status.committed,
    command: new Command([operation]),
    attributes,
    initial: attributes,
  };
}

async function store(
  { volume, storeId, world }: FullMachine,
  contents: {
    readonly executed: readonly InstanceRecord[];
    readonly open: readonly InstanceRecord[];
    /** So many of the first ones of replica 1 are forgotten. */
    readonly pruned: number;
  },
): Promise<void> {
  const { executed, open, pruned } = contents;
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
  const storage = new EncodedStorage({ store: bytes, id: storeId, run: '0b', replicas });
  const sessions = new Sessions();
  for (let from = 0; from < executed.length; from += BATCH) {
    const batch = executed.slice(from, from + BATCH);
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
  await storage.writeRecords(open, { sync: true });
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
