/** What is counted of own instances, and when. */
import { expect, it } from 'vitest';
import type { InstanceId, TraceEvent } from '../../src/epaxos/index.ts';
import { InstanceLatencyCounters } from '../../src/node/instance-latencies.ts';
import { LatencyHistogram } from '../../src/util/latency-histogram.ts';

function setUp() {
  let nowMs = 1000;
  const clock = { nowMs: () => nowMs, every: () => () => {}, soon: () => {} };
  const latencies = new InstanceLatencyCounters({ id: 1, clock });
  const at = (ms: number) => {
    nowMs = 1000 + ms;
  };
  return { latencies, at };
}

const own = (slot: number): InstanceId => ({ replica: 1, slot });
const proposed = (slot: number, operations = 1): TraceEvent => ({
  type: 'proposed',
  id: own(slot),
  operations,
});
const committed = (id: InstanceId): TraceEvent => ({ type: 'committed', id, path: 'fast' });

/** Each number of microseconds below 64 has a bucket of its own. */
function recorded(counts: readonly number[]): number[] {
  return counts.flatMap((count, microseconds) => Array.from({ length: count }, () => microseconds));
}

it('counts from proposed to committed, to executed, and between the two', () => {
  const { latencies, at } = setUp();
  latencies.proposed([proposed(1, 3), proposed(2, 4)]);
  at(0.01);
  latencies.committed([committed(own(1))]);
  at(0.02);
  latencies.committed([committed(own(2))]);
  at(0.05);
  latencies.executed([
    { id: own(1), command: null },
    { id: own(2), command: null },
  ]);
  const { operations, commit, execute, executionDelay } = latencies.counts();
  expect(operations).toBe(7);
  expect(recorded(commit)).toEqual([10, 20]);
  expect(recorded(execute)).toEqual([50, 50]);
  expect(recorded(executionDelay)).toEqual([30, 40]);
});

it('counts neither the instances of others, nor those that an earlier process proposed', () => {
  const { latencies } = setUp();
  const other = { replica: 2, slot: 1 };
  latencies.proposed([proposed(1)]);
  latencies.committed([committed(other), committed(own(9))]);
  latencies.executed([
    { id: other, command: null },
    { id: own(9), command: null },
  ]);
  expect(latencies.counts()).toEqual({ operations: 1, commit: [], execute: [], executionDelay: [] });
});

it('counts each instance once, and none that a snapshot settled', () => {
  const { latencies } = setUp();
  latencies.proposed([proposed(1), proposed(2)]);
  for (let time = 0; time < 2; time += 1) {
    latencies.committed([committed(own(1))]);
    latencies.executed([{ id: own(1), command: null }]);
  }
  latencies.forgetOpen();
  latencies.committed([committed(own(2))]);
  latencies.executed([{ id: own(2), command: null }]);
  const { commit, execute } = latencies.counts();
  expect([new LatencyHistogram(commit).total, new LatencyHistogram(execute).total]).toEqual([1, 1]);
});
