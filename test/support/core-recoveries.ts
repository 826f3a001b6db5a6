/** Two recoveries at N = 5 that contradict each other. */
import { expect } from 'vitest';
import { CoreCluster } from './core-cluster.ts';
import { put } from './core-operations.ts';

/**
 * 1.1 and 2.1 are open, each coordinator without the other’s; 1.1 is also at `first`, 2.1 at `second`. Each is being
 * recovered with a quorum that has the other’s coordinator in it, 1.1 by replica 3, and each will find the other to contradict.
 */
export function begunRecoveries(first: number[], second: number[], recoverer = 5): CoreCluster {
  const cluster = new CoreCluster(5);
  cluster.propose(1, put('a', 'x'));
  cluster.deliver({ type: 'preAccept', to: first });
  cluster.clear();
  cluster.propose(2, put('b', 'x'));
  cluster.deliver({ type: 'preAccept', to: second });
  cluster.clear();
  cluster.recover(3, '1.1');
  cluster.deliver({ type: 'prepare', to: [2, 4] });
  cluster.drop({ type: 'prepare' });
  cluster.recover(recoverer, '2.1');
  cluster.deliver({ type: 'prepare', to: [1, recoverer === 5 ? 4 : 5] });
  cluster.drop({ type: 'prepare' });
  return cluster;
}

/** The same, and both wait. */
export function waitingRecoveries(first: number[], second: number[]): CoreCluster {
  const cluster = begunRecoveries(first, second);
  cluster.deliver({ type: 'prepareReply' });
  cluster.deliver({ type: 'validate' });
  cluster.deliver({ type: 'validateReply' });
  expect(cluster.inFlight({ type: 'accept' })).toBe(0);
  return cluster;
}
