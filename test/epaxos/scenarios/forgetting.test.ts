/** Counterexample: forgetting what all have executed, while one replica does not know yet that all have (N = 5). */
import { expect, test } from 'vitest';
import { CoreCluster } from '../../support/core-cluster.ts';
import { put } from '../../support/core-operations.ts';

test('an instance committed fast by those who have forgotten x is not refuted by one who still knows x', () => {
  const cluster = new CoreCluster(5);
  cluster.propose(2, put('x', 'key'));
  cluster.settle();
  const forgotten = (id: number) => cluster.replica(id).state.space.row(2).pruned === 1;
  // Watermarks reach everybody but 5: it executed x as well, but does not know that all have.
  for (let tick = 0; tick < 100 && ![1, 2, 3, 4].every(forgotten); tick += 1) {
    cluster.tick();
    if (cluster.inFlight({ to: 5, type: 'watermarks' }) > 0) cluster.drop({ to: 5, type: 'watermarks' });
    cluster.settle();
  }
  expect([1, 2, 3, 4, 5].map(forgotten)).toEqual([true, true, true, true, false]);
  cluster.clear();

  const y = cluster.propose(1, put('y', 'key'));
  cluster.deliver({ type: 'preAccept', to: [3, 4], about: y });
  cluster.deliver({ type: 'preAcceptReply', about: y });
  expect(cluster.look(1, y)).toMatchObject({ status: 'executed', value: 'y' }); // and the client is answered
  cluster.clear(); // the commits are lost
  cluster.crash(1);
  cluster.crash(4);
  cluster.recover(5, y);
  cluster.settle();
  expect(cluster.look(5, y)).toMatchObject({ value: 'y' });
});
