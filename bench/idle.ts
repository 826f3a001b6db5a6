/**
 * What a store costs that nobody uses: processor time of each replica, and of each member of etcd if it is installed,
 * after a load has ended. The build must be fresh.
 *
 *   npx tsx bench/idle.ts [--seconds 20]
 */
import { setTimeout as wait } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { fillKeys } from '../src/load/index.ts';
import { etcdVersion } from './etcd-cluster.ts';
import { cpuSeconds } from './process-use.ts';
import { type RunningStore, startEtcd, startReplicas } from './stores.ts';

/** Until what the load has left to do is done: effects are written every five seconds. */
const SETTLE_MS = 12_000;

const { values: flags } = parseArgs({ options: { seconds: { type: 'string', default: '20' } } });
const seconds = Number(flags.seconds);
if (!(seconds > 0)) throw new Error('--seconds is a number above 0');

async function report(name: string, start: () => Promise<RunningStore>): Promise<void> {
  const store = await start();
  try {
    const clients = store.endpoints.map((address) => store.unary(address));
    await fillKeys({ clients, depth: 64, keys: 10_000, valueSize: 100, seed: 1 });
    for (const client of clients) client.close();
    await wait(SETTLE_MS);
    const before = cpuSeconds(store.pids);
    await wait(seconds * 1000);
    const each = (cpuSeconds(store.pids) - before) / store.pids.length / seconds;
    console.log(`${name}: ${(each * 1000).toFixed(1)} ms of processor time a second`);
  } finally {
    await store.close();
  }
}

await report('a replica', () => startReplicas(3));
if (etcdVersion() !== null) await report('a member of etcd', startEtcd);
