/** A replica never answers from an empty disk under an identity that has run before: its peers remember (R6.5). */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, renameSync, rmSync } from 'node:fs';
import { describe, expect, it, vi } from 'vitest';
import { createPeerStores } from '../../src/node/peer-stores.ts';
import { MemoryStorage, openLevelStorage } from '../../src/storage/index.ts';
import { PROGRAM } from '../support/child-process.ts';
import { Cluster, WAIT } from './servers.ts';

async function allMet(cluster: Cluster, ids: readonly number[]): Promise<void> {
  for (const id of ids) {
    const others = ids.filter((other) => other !== id);
    await expect
      .poll(async () => {
        const { peers } = await cluster.status(id);
        return others.every((other) =>
          peers.some(({ replica, reachable }) => replica === other && reachable),
        );
      }, WAIT)
      .toBe(true);
  }
}

describe('a replica whose data directory is gone', () => {
  it('is told so by its peers and ends, and the others go on without it', async () => {
    const cluster = await Cluster.start();
    await allMet(cluster, [1, 2, 3]);
    await cluster.put(3, 'a', 'before');
    await cluster.stop(3);
    rmSync(cluster.config(3).dataDir, { recursive: true });

    const emptied = await cluster.start(3);
    const failure = await emptied.failed;
    expect(failure).toMatchObject({
      code: 'dataDirectoryMismatch',
      message: expect.stringMatching(
        /^replica 3 has run before with another data directory.*bring back the old/,
      ),
    });
    await expect(cluster.put(3, 'a', 'from nowhere')).rejects.toMatchObject({ outcome: 'notApplied' });
    await cluster.stop(3);

    await cluster.put(1, 'a', 'after');
    expect(await cluster.value(2, 'a')).toBe('after');

    // Once more: the peers remember it over their own restarts.
    await Promise.all([cluster.stop(1), cluster.stop(2)]);
    await Promise.all([cluster.start(1), cluster.start(2)]);
    await allMet(cluster, [1, 2]);
    expect(await (await cluster.start(3)).failed).toMatchObject({ code: 'dataDirectoryMismatch' });
    expect(await cluster.value(1, 'a')).toBe('after');
  });

  it('ends as a process with an error, and says why in its log', { timeout: 90_000 }, async () => {
    const cluster = await Cluster.start();
    await allMet(cluster, [1, 2, 3]);
    await cluster.stop(3);
    const { dataDir, peers } = cluster.config(3);
    rmSync(dataDir, { recursive: true });
    const list = Array.from(peers, ([id, address]) => `${id}=${address}`).join(',');
    const flags = ['--id', '3', '--peers', list, '--data-dir', dataDir];
    const child = spawn(process.execPath, [PROGRAM, 'server', ...flags], {
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    const giveUp = setTimeout(() => child.kill('SIGKILL'), 80_000);
    let output = '';
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      output += text;
    });
    const [code] = await once(child, 'close');
    clearTimeout(giveUp);
    expect(code).toBe(1);
    const fatal = output.split('\n').find((line) => line.includes('the replica cannot go on'));
    expect(fatal).toMatch(/replica 3 has run before with another data directory.*new cluster must be made/);
  });

  it('is let in again with its old data directory', async () => {
    const cluster = await Cluster.start();
    await allMet(cluster, [1, 2, 3]);
    await cluster.put(3, 'a', '1');
    await cluster.stop(3);
    const elsewhere = await cluster.start(3, { storage: new MemoryStorage({ replicas: 3 }) });
    expect(await elsewhere.failed).toMatchObject({ code: 'dataDirectoryMismatch' });
    await cluster.stop(3);
    await cluster.start(3);
    await allMet(cluster, [1, 2, 3]);
    expect(await cluster.value(3, 'a')).toBe('1');
  });
});

describe('a replica whose data directory is an older copy', () => {
  it('is told so by who has heard of more, and ends; with the newest one it goes on', async () => {
    const cluster = await Cluster.start();
    await allMet(cluster, [1, 2, 3]);
    await cluster.put(3, 'a', '1');
    await cluster.stop(3);
    const { dataDir } = cluster.config(3);
    cpSync(dataDir, `${dataDir}.old`, { recursive: true });
    await cluster.start(3);
    await allMet(cluster, [1, 2, 3]);
    await cluster.put(3, 'a', '2');

    // What a peer hears first after its start it remembers at once.
    await cluster.stop(1);
    const { id, cluster: name, peers, dataDir: directory } = cluster.config(1);
    const identity = { cluster: name, replica: id, replicas: peers.size };
    const storage = await openLevelStorage({ directory, identity });
    const remember = vi.spyOn(storage, 'rememberPeerMark');
    await cluster.start(1, { storage });
    await expect.poll(() => remember.mock.calls.filter(([peer]) => peer === 3).length, WAIT).toBe(1);

    await cluster.stop(3);
    renameSync(dataDir, `${dataDir}.newest`);
    cpSync(`${dataDir}.old`, dataDir, { recursive: true });
    expect(await (await cluster.start(3)).failed).toMatchObject({
      code: 'dataDirectoryMismatch',
      message: expect.stringMatching(/^replica 1 has heard .* older copy, or damaged at its end.*bring back/),
    });
    await expect(cluster.put(3, 'a', 'from the past')).rejects.toMatchObject({ outcome: 'notApplied' });
    await cluster.stop(3);

    rmSync(dataDir, { recursive: true });
    renameSync(`${dataDir}.newest`, dataDir);
    await cluster.start(3);
    await allMet(cluster, [1, 2, 3]);
    expect(await cluster.value(3, 'a')).toBe('2');
  });
});

describe('the stores of peers', () => {
  it('are written down at first contact, and found again by the next process', async () => {
    const storage = new MemoryStorage({ replicas: 3 });
    const fail = (error: unknown) => expect.fail(String(error));
    const stores = createPeerStores(storage, fail);
    expect(stores.own).toBe(storage.id);
    expect(stores.accepts(2, 'two')).toBe(true);
    expect(stores.accepts(2, 'other')).toBe(false); // before it is written
    // It is on disk by itself: whatever else is lost with the process, this is not.
    await expect.poll(() => storage.peerStore(2), WAIT).toBe('two');
    const again = createPeerStores(storage.crash(), fail);
    expect(again.accepts(2, 'other')).toBe(false);
    expect(again.accepts(2, 'two')).toBe(true);
    expect(again.accepts(3, 'three')).toBe(true);
  });

  it('that cannot be written down are told', async () => {
    const storage = new MemoryStorage({ replicas: 3 });
    const failures: unknown[] = [];
    const stores = createPeerStores(storage, (error) => failures.push(error));
    storage.rememberPeerStore = () => Promise.reject(new Error('the disk is gone'));
    stores.accepts(2, 'two');
    await expect.poll(() => failures, WAIT).toHaveLength(1);
  });

  it('remember the newest that was heard of each, and on disk what came first and then some of it', () => {
    const storage = new MemoryStorage({ replicas: 3 });
    const remember = vi.spyOn(storage, 'rememberPeerMark').mockResolvedValue();
    const stores = createPeerStores(storage, (error) => expect.fail(String(error)));
    expect(stores.heardOf(2)).toBeNull();
    expect(stores.accepts(2, 'two')).toBe(true);
    for (let batch = 1; batch <= 130; batch += 1) stores.heard(2, { run: 'a', batch });
    stores.heard(2, { run: 'a', batch: 5 }); // an earlier one that comes late
    expect(stores.heardOf(2)).toEqual({ run: 'a', batch: 130 });
    expect(remember.mock.calls.map(([, , { batch }]) => batch)).toEqual([1, 66]);
    stores.heard(2, { run: 'b', batch: 131 });
    expect(stores.heardOf(2)).toEqual({ run: 'b', batch: 131 });
  });
});
