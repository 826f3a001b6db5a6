/** After a restart: what is told as executed must be on disk (seed 202475 of the simulator at N = 5). */
import { expect, test } from 'vitest';
import { emptyRecord, Proposal, type Ready, Replica, Status } from '../../../src/epaxos/index.ts';
import { put } from '../../support/core-operations.ts';

function toldAsExecuted({ messages }: Ready): readonly number[] | undefined {
  const told = messages.find(({ message }) => message.type === 'watermarks')?.message;
  return told?.type === 'watermarks' ? told.executed : undefined;
}

test('a no-op that was committed, and lost its mark in the crash, is not told as executed before the mark is on disk', () => {
  const timing = { watermarkTicks: 1, flushTicks: 1 };
  const replica = new Replica({ id: 1, replicas: 3, seed: 1, timing });
  const id = { replica: 2, slot: 1 };
  const attributes = { seq: 0, deps: [0, 0, 0] };
  const record = { ...emptyRecord(id), status: Status.committed, noOp: true, attributes };
  replica.restore({ records: [record], pruned: null, reserved: 0 });
  replica.propose(new Proposal(put('a', 'key')));
  const next = () => {
    replica.tick();
    return replica.takeReady();
  };
  const first = replica.takeReady();
  expect(first).toMatchObject({ sync: true, flush: false, executions: [{ id, command: null }] });
  const second = next();
  expect(toldAsExecuted(second)).toEqual([0, 0, 0]);
  expect(second.flush).toBe(true); // the mark is written after whatever this batch syncs
  const third = next();
  expect(toldAsExecuted(third)).toEqual([0, 0, 0]);
  expect(third.sync).toBe(true); // which brings the mark to disk
  expect(toldAsExecuted(next())).toEqual([0, 1, 0]);
});
