/** Reading from a LevelDB database: what is opened for it is closed again. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Level } from 'level';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { type Database, LevelReader, seal } from '../../src/storage/level-reader.ts';

let location: string;
let database: Database;
beforeEach(async () => {
  location = await mkdtemp(join(tmpdir(), 'epaxos-reader-'));
  database = new Level(location, { keyEncoding: 'view', valueEncoding: 'view' });
  await database.open();
  for (const name of ['a', 'b', 'c']) {
    await database.put(Buffer.from(name), seal(Buffer.from(name), Buffer.from('value')));
  }
});
afterEach(async () => {
  await database.close();
  await rm(location, { recursive: true });
});

test.each([
  ['gone through', 3],
  ['broken off', 1],
])('an iteration that was %s leaves no iterator open', async (_how, most) => {
  const opened = [vi.spyOn(database, 'iterator'), vi.spyOn(database, 'keys')];
  const reader = new LevelReader({ location, database });
  const range = { start: Buffer.from('a'), end: Buffer.from('d') };
  for (const source of [reader.entries(range), reader.keys(range)]) {
    let count = 0;
    for await (const _each of source) {
      count += 1;
      if (count === most && most < 3) break;
    }
    expect(count).toBe(most);
  }
  const iterators = opened.flatMap(({ mock }) => mock.results.map(({ value }) => value));
  expect(iterators.length).toBeGreaterThanOrEqual(2);
  for (const iterator of iterators) {
    await expect(iterator.next()).rejects.toMatchObject({ code: 'LEVEL_ITERATOR_NOT_OPEN' });
  }
});
