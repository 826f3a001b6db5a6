/** Where a data directory may be: a fresh volume; and places where none can be, refused in words. */
import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { openLevelStorage, type Storage } from '../../src/storage/index.ts';
import { failureOf } from '../support/failure-of.ts';

let root = '';
let directory = '';
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'epaxos-directory-'));
  directory = join(root, 'data');
});
afterEach(() => rm(root, { recursive: true }));

function open(where: string): Promise<Storage> {
  return openLevelStorage({ directory: where, identity: { cluster: 'orders', replica: 1, replicas: 3 } });
}

test('may be the root of a fresh volume, with what file systems put there', async () => {
  await mkdir(join(directory, 'lost+found'), { recursive: true });
  await mkdir(join(directory, '.snapshot'));
  await writeFile(join(directory, '.DS_Store'), '');
  await writeFile(join(directory, '.nfs000000000012'), '');
  const storage = await open(directory);
  expect(await readdir(directory)).toEqual(
    expect.arrayContaining(['.DS_Store', '.nfs000000000012', '.snapshot', 'lost+found', 'store']),
  );
  await storage.close();
  await (await open(directory)).close();
});

test('of a volume with foreign files beside is refused, naming those only', async () => {
  await mkdir(join(directory, 'lost+found'), { recursive: true });
  await writeFile(join(directory, 'thesis.txt'), 'chapter 1');
  const failure = await failureOf(open(directory));
  expect(failure.code).toBe('dataDirectoryMismatch');
  expect(failure.message).toContain('other files (thesis.txt)');
});

test.each([
  ['below /proc', '/proc/epaxos/data', 'ENOENT'],
  ['below a directory in which nothing can be made', '/sys/epaxos', ''],
  ['below a file', fileURLToPath(new URL('level.test.ts/data', import.meta.url)), 'ENOTDIR'],
])('%s is refused in words', async (_where, impossible, reason) => {
  const failure = await failureOf(open(impossible));
  expect(failure.code).toBe('storageFailure');
  expect(failure.message).toContain(`cannot use the data directory ${impossible}: ${reason}`);
});

test('in which no store can be made is refused in words', async () => {
  await mkdir(directory);
  await writeFile(join(directory, 'store.new'), 'a file');
  const failure = await failureOf(open(directory));
  expect(failure.code).toBe('storageFailure');
  expect(failure.message).toContain(`cannot open ${join(directory, 'store.new')}: `);
});
