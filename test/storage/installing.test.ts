/**
 * Installing any snapshot over whatever a replica may have said: the store can be read back, from every point where a crash
 * may cut it off; what was executed stays executed, and what was promised is as it was.
 */

import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import {
  Command,
  type Deps,
  emptyRecord,
  formatInstance,
  type InstanceId,
  type InstanceRecord,
  Status,
} from '../../src/epaxos/index.ts';
import { KvError } from '../../src/errors.ts';
import type { ByteStore } from '../../src/storage/byte-store.ts';
import { EncodedStorage } from '../../src/storage/encoded-storage.ts';
import { MemoryStorage, type Storage } from '../../src/storage/index.ts';
import { LevelByteStore } from '../../src/storage/level-byte-store.ts';
import { MemoryByteStore } from '../../src/storage/memory.ts';
import { storedRows } from '../support/stored-rows.ts';
import { chunksOf } from './contract-snapshots.ts';
import { FailingStore } from './failing-store.ts';
import { collect, committedRecord, effectsOf, REPLICAS, rowOf } from './samples.ts';

const SLOTS = 4;
const IDS: readonly InstanceId[] = [1, 2, 3].flatMap((replica) =>
  Array.from({ length: SLOTS }, (_, index) => ({ replica, slot: index + 1 })),
);

/** How far an instance has come at a replica that has not pruned it. */
const STAGES = ['unknown', 'promised', 'preAccepted', 'accepted', 'committed', 'executed'] as const;
type Stage = (typeof STAGES)[number];

/** What one replica has of one instance. */
interface View {
  readonly stage: Stage;
  /** Of a promise, or of the no-op: whether the command is known, too. */
  readonly knowsCommand: boolean;
}

interface Side {
  /** In the order of IDS. */
  readonly views: readonly View[];
  readonly pruned: Deps;
  readonly floor: Deps;
}

interface World {
  /** In the order of IDS: what is, or will be, agreed on. */
  readonly noOps: readonly boolean[];
  readonly sender: Side;
  readonly receiver: Side;
  /** What the receiver prunes while it copies, where it has executed it. */
  readonly meanwhile: Deps;
  /** Entries in a chunk. */
  readonly chunkEntries: number;
}

const side: fc.Arbitrary<Side> = fc.record({
  views: fc.array(fc.record({ stage: fc.constantFrom(...STAGES), knowsCommand: fc.boolean() }), {
    minLength: IDS.length,
    maxLength: IDS.length,
  }),
  pruned: fc.tuple(fc.nat(2), fc.nat(2), fc.nat(2)),
  floor: fc.tuple(fc.nat(3), fc.nat(3), fc.nat(3)),
});

const world: fc.Arbitrary<World> = fc.record({
  noOps: fc.array(fc.boolean(), { minLength: IDS.length, maxLength: IDS.length }),
  sender: side,
  receiver: side,
  meanwhile: fc.tuple(fc.nat(SLOTS), fc.nat(SLOTS), fc.nat(SLOTS)),
  chunkEntries: fc.integer({ min: 1, max: 6 }),
});

/** The same, where the sender has executed all that the receiver has, but for no-ops that this one remembers. */
const fitting: fc.Arbitrary<World> = world.map((each) => ({
  ...each,
  sender: {
    ...each.sender,
    views: each.sender.views.map((view, index) => {
      const isFree = each.noOps[index] === true && !isPruned(each.receiver, idAt(index));
      return stageOf(each.receiver, index) === 'executed' && !isFree ? { ...view, stage: 'executed' } : view;
    }),
  },
}));

function idAt(index: number): InstanceId {
  const id = IDS[index];
  if (id === undefined) throw new RangeError(`no instance ${index}`);
  return id;
}

function slotOf(deps: Deps, { replica }: InstanceId): number {
  return deps[replica - 1] ?? 0;
}

function isPruned({ pruned }: Side, id: InstanceId): boolean {
  return id.slot <= slotOf(pruned, id);
}

function stageOf(at: Side, index: number): Stage {
  return isPruned(at, idAt(index)) ? 'executed' : (at.views[index]?.stage ?? 'unknown');
}

function recordOf(id: InstanceId, { stage, knowsCommand }: View, endsAsNoOp: boolean): InstanceRecord | null {
  if (stage === 'unknown') return null;
  const full = committedRecord(id, 'the command of the slot');
  if (stage === 'promised') {
    return { ...emptyRecord(id), ballot: 11, command: knowsCommand ? full.command : null };
  }
  if (stage === 'preAccepted') return { ...full, status: Status.preAccepted };
  const value = endsAsNoOp
    ? { noOp: true, command: knowsCommand ? full.command : null, attributes: { seq: 0, deps: [0, 0, 0] } }
    : {};
  if (stage === 'accepted') {
    return { ...full, ...value, status: Status.accepted, ballot: 8, acceptedBallot: 5 };
  }
  return { ...full, ...value };
}

/** Brings a store to what a side says; its rows and answers bear this name. */
async function fill(storage: Storage, name: string, { noOps, at }: { noOps: readonly boolean[]; at: Side }) {
  const records = IDS.flatMap((id, index) => {
    const view = isPruned(at, id) ? { stage: 'executed' as const, knowsCommand: true } : at.views[index];
    return (view && recordOf(id, view, noOps[index] === true)) ?? [];
  });
  await storage.writeRecords(records, { sync: true });
  const answer = {
    request: { client: name.padEnd(16), sequence: 1, generation: 1 },
    key: 'a',
    result: { version: 1, value: null, previousVersion: 0 },
  };
  await storage.writeEffects(
    effectsOf({
      executed: IDS.filter((_, index) => stageOf(at, index) === 'executed'),
      rows: ['shared', name].map((key) => ({ key, row: rowOf(name) })),
      answers: [answer],
    }),
  );
  if (at.pruned.some((slot) => slot > 0) || at.floor.some((slot) => slot > 0)) {
    await storage.writeEffects(effectsOf({ pruned: { pruned: at.pruned, floor: at.floor } }));
  }
}

/** With its command, which is only in the store if it is executed, in memory. */
function whole(record: InstanceRecord): InstanceRecord {
  return { ...record, command: record.command && new Command(record.command.operations) };
}

/** All that can be read back, but for what is staged. */
async function stateOf(storage: Storage) {
  return {
    pruned: storage.pruned() ?? { pruned: [0, 0, 0], floor: [0, 0, 0] },
    records: new Map(
      (await collect(storage.records())).map((record) => [formatInstance(record.id), whole(record)]),
    ),
    rows: await collect(storedRows(storage)),
    answers: (await collect(storage.answerPages())).map(({ client, size }) => `${client}: ${size}`),
  };
}
type State = Awaited<ReturnType<typeof stateOf>>;

interface Prepared {
  /** What the receiver has when it begins to copy, and when it installs. */
  readonly known: State;
  readonly before: State;
  readonly sent: State;
}

/** Fills and stages, up to the moment before the installation. */
async function prepare(receiver: EncodedStorage, drawn: World): Promise<Prepared> {
  const { noOps, chunkEntries } = drawn;
  const sender = new MemoryStorage({ replicas: REPLICAS });
  await fill(sender, 'sender', { noOps, at: drawn.sender });
  await fill(receiver, 'receiver', { noOps, at: drawn.receiver });
  const known = await stateOf(receiver);
  for (const chunk of await chunksOf(sender.openSnapshot(), 's', chunkEntries)) {
    await receiver.staging.add(1, chunk);
  }
  const { pruned, floor } = drawn.receiver;
  const upTo = drawn.meanwhile.map((last, row) => {
    let slot = pruned[row] ?? 0;
    while (slot < last && stageOf(drawn.receiver, row * SLOTS + slot) === 'executed') slot += 1;
    return slot;
  });
  await receiver.writeEffects(effectsOf({ pruned: { pruned: upTo, floor } }));
  await receiver.writeRecords([], { sync: true });
  return { known, before: await stateOf(receiver), sent: await stateOf(sender) };
}

/** What R9.8 says of the state after an installation. */
function expectInstalled(after: State, { known, before, sent }: Prepared): void {
  expect(after.rows).toEqual(sent.rows);
  expect(after.answers).toEqual(sent.answers);
  expect(after.pruned.floor).toEqual(
    sent.pruned.floor.map((slot, row) => Math.max(slot, before.pruned.floor[row] ?? 0)),
  );
  for (const id of IDS) {
    const name = formatInstance(id);
    const [own, theirs, now] = [known, sent, after].map((state) => state.records.get(name));
    const isForgotten = id.slot <= slotOf(after.pruned.pruned, id);
    if (isForgotten) {
      expect(now, name).toBeUndefined();
    } else if (theirs?.status === Status.executed) {
      const command = theirs.command ?? own?.command ?? null;
      expect(now, name).toEqual({ ...theirs, command });
    } else {
      expect(now, name).toEqual(own);
    }
    const wasExecuted = own?.status === Status.executed || id.slot <= slotOf(before.pruned.pruned, id);
    if (wasExecuted)
      expect(isForgotten || now?.status === Status.executed, `${name} stays executed`).toBe(true);
  }
}

function storageOn(store: ByteStore): EncodedStorage {
  return new EncodedStorage({ store, id: 'a', run: 'f', replicas: REPLICAS });
}

/** @returns false if the disk was gone before it was finished */
async function survives(action: Promise<unknown>): Promise<boolean> {
  return await action.then(
    () => true,
    (error: unknown) => {
      if (error instanceof KvError && error.code === 'storageFailure') return false;
      throw error;
    },
  );
}

describe('whatever is installed over whatever there was', () => {
  test('can be read back, and is what the rule says', async () => {
    let refused = 0;
    await fc.assert(
      fc.asyncProperty(fc.oneof(world, fitting), async (drawn) => {
        const store = new MemoryByteStore(new Map());
        const receiver = storageOn(store);
        const prepared = await prepare(receiver, drawn);
        const isInstalled = await receiver.staging.install();
        const after = await stateOf(storageOn(new MemoryByteStore(store.crash(0))));
        if (isInstalled) expectInstalled(after, prepared);
        else {
          refused += 1;
          expect(after).toEqual(prepared.before);
        }
      }),
      { numRuns: 300 },
    );
    expect(refused).toBeGreaterThan(0);
    expect(refused).toBeLessThan(250);
  });

  test('can be read back from wherever a crash cuts it off, in memory', async () => {
    let cuts = 0;
    await fc.assert(
      fc.asyncProperty(fitting, fc.constantFrom(0, 1, 9), async (drawn, keepUnsynced) => {
        const store = new MemoryByteStore(new Map());
        const prepared = await prepare(storageOn(store), drawn);
        const contents = new Map(store.crash(0));
        for (let writes = 0; ; writes += 1) {
          const failing = new FailingStore(new MemoryByteStore(contents), writes);
          if (await survives(storageOn(failing).staging.install())) break;
          cuts += 1;
          const left = storageOn(new MemoryByteStore(failing.inner.crash(keepUnsynced)));
          await left.recover();
          const found = await stateOf(left);
          if (left.staging.status() !== null) expect(found).toEqual(prepared.before);
          else expectInstalled(found, prepared);
        }
      }),
      { numRuns: 60 },
    );
    expect(cuts).toBeGreaterThan(120);
  });

  describe('on disk', () => {
    let root: string;
    beforeAll(async () => {
      root = await mkdtemp(join(tmpdir(), 'epaxos-installing-'));
    });
    afterAll(() => rm(root, { recursive: true }));

    test('can be read back from wherever a crash cuts it off', async () => {
      let stores = 0;
      let cuts = 0;
      await fc.assert(
        fc.asyncProperty(fitting, async (drawn) => {
          for (let writes = 0, isFinished = false; !isFinished; writes += 1) {
            stores += 1;
            const location = join(root, `${stores}`);
            const store = await LevelByteStore.open({ location, create: true });
            const prepared = await prepare(storageOn(store), drawn);
            isFinished = await survives(storageOn(new FailingStore(store, writes)).staging.install());
            await store.close();
            if (!isFinished) cuts += 1;
            const again = await LevelByteStore.open({ location, create: false });
            const left = storageOn(again);
            await left.recover();
            const found = await stateOf(left);
            if (left.staging.status() !== null) expect(found).toEqual(prepared.before);
            else expectInstalled(found, prepared);
            await again.close();
          }
        }),
        { numRuns: 6 },
      );
      expect(cuts).toBeGreaterThan(12);
    });
  });
});
