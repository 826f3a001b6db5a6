/** The end of a generation is proposed to the core, at a calm moment (R7.13). */
import { expect, it } from 'vitest';
import type { ReplicaId, ReplicaStatus, RowProgress } from '../../src/epaxos/index.ts';
import { asKvOperation, Sessions } from '../../src/kv/index.ts';
import { Advancer } from '../../src/node/advancer.ts';
import { anyRequest } from '../kv/operations.ts';
import { FakeCore } from './fakes.ts';

const CALM: readonly RowProgress[] = [1, 2, 3].map((replica) => ({
  replica,
  committed: 5,
  executed: 4,
  highest: 5,
  pruned: 0,
}));

/** What an advancer of replica 1 proposes when the time has come, with such a status. */
function proposed(at: { readonly status?: Partial<ReplicaStatus>; readonly reachable?: ReplicaId[] }) {
  const sessions = new Sessions([], 4);
  sessions.record({
    request: { ...anyRequest(), generation: 4 },
    key: 'a',
    result: { version: 1, value: null, previousVersion: 0 },
  });
  const advance = { lastsMs: 100, perRankMs: 10, patienceMs: 10_000, againMs: 50 };
  const advancer = new Advancer({ id: 1, tickMs: 10, advance, sessions });
  const core = new FakeCore();
  const status = core.status.bind(core);
  core.status = () => ({ ...status(), rows: CALM, blockedInstances: 0, ...at.status });
  for (let tick = 1; tick <= 10; tick += 1) {
    expect(core.proposed).toEqual([]);
    advancer.tick(1, { core, sessions, reachable: at.reachable ?? [2, 3] });
  }
  return core.proposed.map(asKvOperation);
}

it('in the ordinary way, as the end of the present generation', () => {
  expect(proposed({})).toMatchObject([{ kind: 'advance', generation: 4 }]);
});

it('not while something is blocked', () => {
  expect(proposed({ status: { blockedInstances: 1 } })).toEqual([]);
});

it('not while an instance of a silent replica is open, but of one that is heard it may be', () => {
  const rows = CALM.map((row) => (row.replica === 3 ? { ...row, highest: 6 } : row));
  expect(proposed({ status: { rows } })).toHaveLength(1);
  expect(proposed({ status: { rows }, reachable: [2] })).toEqual([]);
  expect(proposed({ reachable: [2] })).toHaveLength(1);
});

it('its own open instances are no hindrance', () => {
  const rows = CALM.map((row) => (row.replica === 1 ? { ...row, highest: 9 } : row));
  expect(proposed({ status: { rows }, reachable: [] })).toHaveLength(1);
});

/** An advancer that has something to propose, whatever is open; and lets a thousand ticks pass for a core. */
function impatient(): (core: FakeCore) => void {
  const sessions = new Sessions();
  sessions.record({
    request: anyRequest(),
    key: 'a',
    result: { version: 1, value: null, previousVersion: 0 },
  });
  const advance = { lastsMs: 100, perRankMs: 10, patienceMs: 10, againMs: 50 };
  const advancer = new Advancer({ id: 1, tickMs: 10, advance, sessions });
  return (core) => {
    for (let tick = 1; tick <= 1_000; tick += 1) advancer.tick(1, { core, sessions, reachable: [] });
  };
}

it('once for each generation and core: a replica that hears nothing would otherwise go on opening instances that all wait for', () => {
  const letPass = impatient();
  const [first, second] = [new FakeCore(), new FakeCore()];
  for (const core of [first, second]) {
    letPass(core);
    expect(core.proposed).toHaveLength(1);
  }
});

it('again where the core had no room for it', () => {
  const letPass = impatient();
  const core = new FakeCore();
  const propose = core.propose.bind(core);
  let refusals = 0;
  core.propose = (proposal) => {
    refusals += 1;
    return refusals > 3 && propose(proposal);
  };
  letPass(core);
  expect([refusals, core.proposed.length]).toEqual([4, 1]);
});
