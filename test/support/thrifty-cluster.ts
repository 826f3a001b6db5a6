/** Clusters in thrifty mode (R3.8), and who is sent what by replica 1. */
import { CoreCluster, type CoreClusterOptions } from './core-cluster.ts';
import { put } from './core-operations.ts';

export function thriftyCluster(replicas: number, options: CoreClusterOptions = {}): CoreCluster {
  return new CoreCluster(replicas, { ...options, thrifty: true });
}

/** To whom messages of a type are in flight, in order. */
export function receivers(cluster: CoreCluster, type: 'preAccept' | 'accept' | 'commit'): number[] {
  return cluster.messages({ from: 1, type }).map((line) => Number(line[2]));
}

/** Who gets the whole command with the Commit, and who only that it is the one that was sent. */
export function commits(cluster: CoreCluster): { whole: number[]; brief: number[] } {
  const lines = cluster.messages({ from: 1, type: 'commit' });
  const to = (isBrief: boolean) =>
    lines.filter((line) => line.includes(' sent ') === isBrief).map((line) => Number(line[2]));
  return { whole: to(false), brief: to(true) };
}

/** Replica `knowing` has pre-accepted a write of x by `owner`, of which replica 1 has not heard. */
export function addRival(cluster: CoreCluster, owner: number, knowing: number): void {
  cluster.replica(owner).setRoundTrip(knowing, 1);
  cluster.propose(owner, put('rival', 'x'));
  cluster.deliver({ from: owner, to: knowing, type: 'preAccept' });
  cluster.clear();
}
