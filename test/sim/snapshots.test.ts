/**
 * Installing a snapshot, step by step: what the simulated disk makes of it, and why a snapshot that lacks what was
 * executed before is refused.
 */

import { describe, expect, test } from 'vitest';
import {
  Command,
  type Envelope,
  emptyRecord,
  formatInstance,
  type InstanceRecord,
  Proposal,
  Replica,
  type ReplicaId,
  replicaIds,
  Status,
} from '../../src/epaxos/index.ts';
import { Sessions } from '../../src/kv/index.ts';
import { sessionsOf } from '../storage/samples.ts';
import { putOperation } from '../support/kv-operations.ts';
import { recover } from '../support/recover.ts';
import { Disk } from './disk.ts';
import { storedPage } from './disk-state.ts';
import { chunkOf, type Snapshot } from './snapshot.ts';

const CLIENT = 'client'.padEnd(16);

function put(key: string, sequence: number) {
  const request = { client: CLIENT, sequence, generation: 1 };
  return putOperation({ request, key: Buffer.from(key), value: Buffer.from('v'), returnPrevious: false });
}

/** Cores with disks, and a network that delivers at once what is not lost. */
class Cluster {
  readonly ids: readonly ReplicaId[];
  /** Decides which messages arrive. */
  passes: (from: ReplicaId, envelope: Envelope) => boolean = () => true;
  readonly #cores = new Map<ReplicaId, Replica>();
  readonly #disks = new Map<ReplicaId, Disk>();
  readonly #logs = new Map<ReplicaId, string[]>();

  constructor(replicas: number) {
    this.ids = replicaIds(replicas);
    for (const id of this.ids) {
      this.#disks.set(id, new Disk({ replicas, encoded: true }));
      this.#logs.set(id, []);
      this.#start(id);
    }
  }

  core(id: ReplicaId): Replica {
    return this.#cores.get(id) ?? expect.fail(`replica ${id} is down`);
  }

  disk(id: ReplicaId): Disk {
    return this.#disks.get(id) ?? expect.fail(`no replica ${id}`);
  }

  /** What a replica has executed, in order; one that has installed a snapshot, since then. */
  log(id: ReplicaId): string[] {
    return this.#logs.get(id) ?? expect.fail(`no replica ${id}`);
  }

  stop(id: ReplicaId): void {
    this.#cores.delete(id);
  }

  propose(id: ReplicaId, key: string, sequence: number): void {
    this.core(id).propose(new Proposal(put(key, sequence)));
    this.settle();
  }

  /** Lets time pass at some replicas. */
  tick(ticks: number, ids: readonly ReplicaId[] = [...this.#cores.keys()]): void {
    for (let tick = 0; tick < ticks; tick += 1) {
      for (const id of ids) this.core(id).tick();
      this.settle();
    }
  }

  settle(): void {
    while ([...this.#cores.values()].some((core) => core.hasReady())) {
      for (const id of this.#cores.keys()) this.#turn(id);
    }
  }

  snapshot(source: ReplicaId, id: string): Snapshot {
    return this.disk(source).snapshot({ id, source });
  }

  /** False if it is refused. */
  install(id: ReplicaId, snapshot: Snapshot): boolean {
    const disk = this.disk(id);
    disk.stage(chunkOf(snapshot, { after: 0, count: 1_000 }));
    if (!disk.beginInstallation()) return false;
    disk.complete({ sync: true });
    this.#logs.set(id, []);
    this.#start(id);
    this.settle();
    return true;
  }

  #start(id: ReplicaId): void {
    const core = new Replica({
      id,
      replicas: this.ids.length,
      seed: id,
      timing: { silentTicks: 30, flushTicks: 1 },
      limits: { retainedInstances: 0, reservedSlots: 0 },
    });
    core.restore(this.disk(id).load());
    for (const peer of this.ids) if (peer !== id) core.setReachable(peer, true);
    this.#cores.set(id, core);
  }

  #turn(id: ReplicaId): void {
    const { records, messages, executions, pruned } = this.core(id).takeReady();
    const disk = this.disk(id);
    disk.begin({ records });
    disk.complete({ sync: true });
    for (const envelope of messages) {
      if (this.passes(id, envelope)) this.#cores.get(envelope.to)?.step(id, envelope.message);
    }
    disk.begin({ executed: executions.map((execution) => execution.id), pruned });
    disk.complete({ sync: true });
    this.log(id).push(...executions.map((execution) => formatInstance(execution.id)));
  }
}

/**
 * Replica 1 has forgotten a without replica 3, and opens a snapshot for it. Before that arrives, replica 3 has learned a
 * from replica 2, and executed x, as have the others: they forget it. Replica 1 proposes y on the same key, and need not
 * name x. If the snapshot were installed, x and y would both be executed again at replica 3, and nothing says in which
 * order: y would come first.
 */
test('N = 3: what was told to be executed is not taken back by a snapshot', () => {
  const cluster = new Cluster(3);
  cluster.passes = (from, { to }) => from !== 3 && to !== 3;
  cluster.propose(1, 'other', 1);
  cluster.tick(40, [1]);
  cluster.tick(20, [2]);
  cluster.tick(2, [1]);
  const pruned = () => cluster.ids.map((id) => cluster.core(id).state.space.pruned());
  expect(pruned()).toEqual([
    [1, 0, 0],
    [0, 0, 0],
    [0, 0, 0],
  ]);
  const early = cluster.snapshot(1, 'early');
  cluster.passes = (_, { to, message }) => !(to === 3 && message.type === 'watermarks');
  cluster.propose(2, 'key', 2);
  cluster.tick(45);
  expect(pruned()[1]).toEqual([1, 1, 0]);
  cluster.propose(1, 'key', 3);
  expect(cluster.core(1).state.space.get({ replica: 1, slot: 2 }).attributes?.deps).toEqual([1, 0, 0]);

  expect(cluster.install(3, early)).toBe(false);
  expect(cluster.disk(3).staged).toBeNull();
  expect(cluster.install(3, cluster.snapshot(1, 'later'))).toBe(true);
  cluster.passes = () => true;
  cluster.tick(45);
  expect(cluster.ids.map((id) => cluster.core(id).state.space.executed())).toEqual(
    cluster.ids.map(() => [2, 1, 0]),
  );
});

/**
 * The same where everything that is forgotten becomes a floor: y, known to replicas 1 and 5 alone and proposed without x, is
 * confirmed by a recovery, for nobody in it remembers x. That is right, as everybody has executed x, as long as nobody takes
 * that back.
 */
test('N = 5: what was told to be executed is not taken back by a snapshot', () => {
  const cluster = new Cluster(5);
  cluster.passes = (from, { to }) => from !== 4 && to !== 4;
  cluster.propose(2, 'other', 1);
  cluster.tick(40, [3]);
  cluster.tick(20, [1, 2, 5]);
  cluster.tick(2, [3]);
  const pruned = () => cluster.ids.map((id) => cluster.core(id).state.space.row(2).pruned);
  expect(pruned()).toEqual([0, 0, 1, 0, 0]);
  const early = cluster.snapshot(3, 'early');
  cluster.passes = () => true;
  cluster.tick(25, [1, 2, 4, 5]);

  cluster.passes = (from, { to, message }) => from === 1 && to === 5 && message.type === 'preAccept';
  cluster.propose(1, 'key', 2); // y
  cluster.passes = (from, { to, message }) => {
    if (message.type === 'preAccept') return from === 2 && (to === 3 || to === 4);
    return message.type !== 'watermarks' || to !== 4;
  };
  cluster.propose(2, 'key', 3); // x
  cluster.tick(25);
  expect(pruned()).toEqual([2, 2, 2, 1, 2]);
  expect(cluster.log(4)).toEqual(['2.1', '2.2']);

  cluster.stop(1);
  cluster.passes = (from, { to, message }) => message.type === 'commit' || (from !== 4 && to !== 4);
  recover(cluster.core(5), { replica: 1, slot: 1 });
  cluster.settle();
  expect(cluster.log(5)).toEqual(['2.1', '2.2', '1.1']);
  expect(cluster.core(5).state.space.get({ replica: 1, slot: 1 }).attributes?.deps).toEqual([0, 1, 0, 0, 0]);

  expect(cluster.install(4, early)).toBe(false);
  expect(cluster.log(4)).toEqual(['2.1', '2.2', '1.1']);
});

describe('the simulated disk', () => {
  const attributes = { seq: 1, deps: [0, 0, 0] };
  const stamp = { epoch: 1, id: { replica: 1, slot: 1 }, place: 0 };
  const row = (value: string) => ({ version: 1, value: Buffer.from(value), stamp });

  function record(replica: ReplicaId, slot: number, fields: Partial<InstanceRecord> = {}): InstanceRecord {
    const command = new Command([put('key', slot)]);
    return {
      ...emptyRecord({ replica, slot }),
      status: Status.committed,
      command,
      attributes,
      initial: attributes,
      ...fields,
    };
  }

  function diskWith(...batches: readonly Parameters<Disk['begin']>[0][]): Disk {
    const disk = new Disk({ replicas: 3, encoded: true });
    for (const batch of batches) {
      disk.begin(batch);
      disk.complete({ sync: true });
    }
    return disk;
  }

  const sender = () => {
    const answer = {
      request: { client: CLIENT, sequence: 2, generation: 1 },
      key: 'key',
      result: { version: 2, value: null, previousVersion: 0 },
    };
    return diskWith(
      { records: [record(1, 1), record(1, 2), record(1, 3)] },
      {
        executed: [record(1, 1).id, record(1, 2).id],
        rows: new Map([['new', row('new')]]),
        pages: Array.from(sessionsOf([answer]).pages(), storedPage),
      },
      { pruned: { pruned: [1, 0, 0], floor: [1, 0, 0] } },
    ).snapshot({ id: 's', source: 1 });
  };
  const promised = record(2, 1, { status: Status.accepted, ballot: 5, acceptedBallot: 5 });
  const receiver = () =>
    diskWith(
      { records: [record(1, 1), promised, record(3, 1)] },
      { executed: [record(1, 1).id], rows: new Map([['old', row('old')]]) },
    );
  const ids = (disk: Disk) =>
    disk.load().records.map(({ id, status, ballot }) => `${formatInstance(id)}: ${status} at ${ballot}`);

  test('a snapshot takes the place of the state, save what was said of instances that are open in it', () => {
    const disk = receiver();
    disk.stage(chunkOf(sender(), { after: 0, count: 100 }));
    expect(disk.beginInstallation()).toBe(true);
    disk.complete({ sync: true });
    expect(ids(disk)).toEqual(['1.2: 4 at 0', '2.1: 2 at 5', '3.1: 3 at 0']);
    const { rows, pages, pruned, installed, executions } = disk.load();
    expect([...rows.keys()]).toEqual(['new']);
    expect(new Sessions(pages).find({ client: CLIENT, sequence: 2, generation: 1 }, 'key')?.version).toBe(2);
    expect({ pruned, installed, executions }).toEqual({
      pruned: { pruned: [1, 0, 0], floor: [1, 0, 0] },
      installed: 's',
      executions: 2,
    });
    expect(disk.staged).toBeNull();
  });

  test.each([0, 1])('a crash in the middle leaves all or nothing of it: %i', (kept) => {
    const disk = receiver();
    const before = ids(disk);
    disk.stage(chunkOf(sender(), { after: 0, count: 100 }));
    expect(disk.beginInstallation()).toBe(true);
    disk.crash(1 + kept);
    expect(disk.load().installed).toBe(kept === 1 ? 's' : null);
    expect(disk.staged?.complete).toBe(kept === 1 ? undefined : true);
    if (kept === 0) expect(ids(disk)).toEqual(before);
  });

  test('a crash takes the last chunks, or none, and the rest is gone on with', () => {
    const disk = receiver();
    const snapshot = sender();
    for (const after of [0, 1, 2]) disk.stage(chunkOf(snapshot, { after, count: 1 }));
    expect(disk.staged).toMatchObject({ complete: true, entries: snapshot.entries });
    disk.crash(2);
    expect(disk.staged).toMatchObject({ complete: false, entries: snapshot.entries.slice(0, 2) });
    disk.stage(chunkOf(snapshot, { after: 2, count: 9 }));
    expect(disk.staged).toMatchObject({ complete: true, entries: snapshot.entries });
    disk.stage(chunkOf({ ...snapshot, id: 'another' }, { after: 0, count: 1 }));
    expect(disk.staged).toMatchObject({ complete: false, entries: snapshot.entries.slice(0, 1) });
  });

  test('what was executed and forgotten here must be in it', () => {
    const disk = diskWith(
      { records: [record(3, 1)] },
      { executed: [record(3, 1).id], pruned: { pruned: [0, 0, 1], floor: [0, 0, 0] } },
    );
    disk.stage(chunkOf(sender(), { after: 0, count: 100 }));
    expect(disk.beginInstallation()).toBe(false);
    expect(disk.staged).toBeNull();
    disk.crash(1);
    expect(disk.load().installed).toBeNull();
  });
});
