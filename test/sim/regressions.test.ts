/** Faults that the simulator has found, each reduced to the few steps that show it. */
import { expect, test } from 'vitest';
import {
  type Envelope,
  type InstanceRecord,
  Proposal,
  Replica,
  type ReplicaId,
  replicaIds,
} from '../../src/epaxos/index.ts';
import { getOperation, putOperation } from '../support/kv-operations.ts';
import { recover } from '../support/recover.ts';
import { drawOptions } from './options.ts';
import { simulate } from './world.ts';

const CLIENT = 'client'.padEnd(16);

function put(sequence: number) {
  const request = { client: CLIENT, sequence, generation: 1 };
  return putOperation({ request, key: Buffer.from('k'), value: Buffer.from('v'), returnPrevious: false });
}

function get(sequence: number) {
  return getOperation({ request: { client: CLIENT, sequence, generation: 1 }, key: Buffer.from('k') });
}

/** Cores without disks, and a network that delivers at once what is not held up. */
class Cores {
  readonly cores = new Map<ReplicaId, Replica>();
  /** What every replica has recorded last of the instances of replica 2. */
  readonly records = new Map<ReplicaId, InstanceRecord>();
  readonly replicas: number;

  constructor(replicas: number) {
    this.replicas = replicas;
    const timing = { flushTicks: 1 };
    for (const id of replicaIds(replicas))
      this.cores.set(id, new Replica({ id, replicas, seed: id, timing }));
  }

  core(id: ReplicaId): Replica {
    const core = this.cores.get(id);
    if (core === undefined) throw new RangeError(`no replica ${id}`);
    return core;
  }

  /** Has everything sent and delivered, until nothing is left, save what `passes` says no to. */
  settle(passes: (from: ReplicaId, envelope: Envelope) => boolean = () => true): void {
    for (let sent = 1; sent > 0; ) {
      sent = 0;
      for (const [from, core] of this.cores) {
        if (!core.hasReady()) continue;
        const ready = core.takeReady();
        for (const record of ready.records) if (record.id.replica === 2) this.records.set(from, record);
        for (const envelope of ready.messages) {
          if (!passes(from, envelope)) continue;
          this.core(envelope.to).step(from, envelope.message);
          sent += 1;
        }
      }
    }
  }

  /** Lets time pass. */
  tick(ticks: number, passes?: (from: ReplicaId, envelope: Envelope) => boolean): void {
    for (let tick = 0; tick < ticks; tick += 1) {
      for (const core of this.cores.values()) core.tick();
      this.settle(passes);
    }
  }
}

/**
 * N = 5. Replica 1 knows x, executed everywhere; the others, who know that it is, have forgotten it. Replica 2 proposes
 * c without x in its deps and commits on the fast path, with 3 and 4, who do not know better. Replica 1 recovers c,
 * with 3 and 4: asked to validate, it remembers x, committed without c, and commits a no-op instead of c.
 */
test('what some have forgotten and others have not never contradicts a fast commit (R2.7, R5.6)', () => {
  const cores = new Cores(5);
  for (const [id, core] of cores.cores) {
    for (const peer of cores.cores.keys()) if (peer !== id) core.setReachable(peer, true);
  }
  cores.core(1).propose(new Proposal(put(1)));
  const isNewsForOne = (envelope: Envelope) => envelope.to === 1 && envelope.message.type === 'watermarks';
  cores.tick(60, (_, envelope) => !isNewsForOne(envelope));
  const pruned = (id: ReplicaId) => cores.core(id).state.space.row(1).pruned;
  expect([1, 2, 3, 4, 5].map(pruned)).toEqual([0, 1, 1, 1, 1]);

  const among =
    (group: readonly ReplicaId[]) =>
    (from: ReplicaId, { to }: Envelope) =>
      group.includes(from) && group.includes(to);
  cores.core(2).propose(new Proposal(put(2)));
  // Its commit reaches nobody.
  cores.settle((from, envelope) => among([2, 3, 4])(from, envelope) && envelope.message.type !== 'commit');
  const id = { replica: 2, slot: 1 };
  expect(cores.records.get(2)).toMatchObject({ id, noOp: false });

  recover(cores.core(1), id);
  cores.settle(among([1, 3, 4]));
  const recovered = cores.core(1).state.space.get(id);
  const committed = cores.core(2).state.space.get(id);
  expect({ noOp: recovered.noOp, deps: recovered.attributes?.deps }).toEqual({
    noOp: committed.noOp,
    deps: committed.attributes?.deps,
  });
});

/**
 * N = 3. Replica 2 answers the first read round of replica 1, which crashes before the answer comes. Replicas 2 and 3
 * commit a write. Then the late answer arrives in the first read round of the restarted replica 1, and was taken for an
 * answer to that one: the read did not see the write.
 */
test('an answer to a read from before a restart is not taken for one to a later read (R8.1)', () => {
  const cores = new Cores(3);
  const late: Envelope[] = [];
  cores.core(1).read(get(1));
  cores.settle((_, envelope) => {
    if (envelope.message.type === 'readReply') late.push(envelope);
    return envelope.message.type === 'readRequest';
  });
  expect(late.length).toBeGreaterThan(0);

  cores.core(2).propose(new Proposal(put(2)));
  cores.settle((from, { to }) => from !== 1 && to !== 1);
  expect(cores.core(2).status().rows[1]).toMatchObject({ executed: 1 });

  const restarted = new Replica({ id: 1, replicas: 3, seed: 11 });
  restarted.read(get(3));
  restarted.takeReady();
  for (const { message } of late) restarted.step(2, message);
  expect(restarted.hasReady() ? restarted.takeReady().reads : []).toEqual([]);
});

/**
 * Several replicas recover one instance over ways that take longer than their first delays. Each ended the others'
 * rounds by its Prepare, and since a round that ends by a promise to a rival counted as no refusal, nobody's delay grew:
 * they went on for ever.
 */
test('rivals in a recovery let one of them finish (R5.9)', () => {
  const replicas = 7;
  for (let seed = 1; seed <= 4; seed += 1) {
    const { network, faults, workload, ...others } = drawOptions(seed, replicas);
    const { violation } = simulate({
      ...others,
      timing: { suspectTicks: 2, patientTicks: 2, maxRecoveryTicks: 400 },
      tickMs: network.baseMs.slice(0, replicas).map(() => 10),
      network: { ...network, baseMs: network.baseMs.map((_, link) => 20 + (link % 3) * 10), jitterMs: 10 },
      faults: { ...faults, kinds: ['crash', 'isolate'], rounds: 2 },
      workload: { ...workload, clients: 3, operationsPerClient: 10, thinkMs: 60 },
    });
    expect(violation).toBeNull();
  }
});
