/**
 * How long from `npm start` to the first put that is answered? In a checkout that is built, with an empty data
 * directory, by a client that asks again and again.
 *
 *   npx tsx bench/first-put.ts [--trials 5]
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { connect, KvError } from '../src/client/index.ts';
import { freeBasePort } from '../test/support/free-ports.ts';

const CHECKOUT = fileURLToPath(new URL('..', import.meta.url));
const GIVE_UP_MS = 60_000;

/** Milliseconds from the start of npm to the answer. */
async function runTrial(): Promise<number> {
  const basePort = await freeBasePort(3);
  const dataDir = mkdtempSync(join(tmpdir(), 'epaxos-first-put-'));
  const startedMs = performance.now();
  const npm = spawn('npm', ['start', '--', '--base-port', `${basePort}`, '--data-dir', dataDir], {
    cwd: CHECKOUT,
    stdio: 'ignore',
    detached: true,
  });
  try {
    while (!(await isPut(basePort))) {
      if (performance.now() - startedMs > GIVE_UP_MS) throw new Error('no put was answered');
    }
    return performance.now() - startedMs;
  } finally {
    if (npm.pid !== undefined) process.kill(-npm.pid, 'SIGTERM');
    await once(npm, 'close');
    rmSync(dataDir, { recursive: true });
  }
}

async function isPut(basePort: number): Promise<boolean> {
  const endpoints = [0, 1, 2].map((offset) => `127.0.0.1:${basePort + offset}`);
  // A new client each time: one that is kept would back off.
  const client = connect({ endpoints, timeoutMs: 500 });
  try {
    await client.put('first', 'put');
    return true;
  } catch (error) {
    if (error instanceof KvError) return false;
    throw error;
  } finally {
    client.close();
  }
}

const { values } = parseArgs({ options: { trials: { type: 'string', default: '5' } } });
const samples: number[] = [];
while (samples.length < Number(values.trials)) samples.push(await runTrial());
console.log(`npm start to the first put, ms: ${samples.map(Math.round).join(' ')}`);
