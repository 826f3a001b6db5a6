/** What was copied of a snapshot that nobody needs any more, as the rest has come otherwise. */

import { describe, expect, it } from 'vitest';
import { KvError } from '../../src/errors.ts';
import { UNWANTED_MS } from '../../src/node/snapshot-fetcher.ts';
import { COPIED, chunk, setUp, stream } from './snapshot-setup.ts';

const CLEARED = 'staging cleared';

function begun() {
  const setting = setUp();
  setting.transport.chunks.push(stream(chunk('s', 'a'), new KvError('connectionLost', 'the source is gone')));
  const passed = async (ms: number) => {
    setting.clock.tickAfter(ms);
    await setting.clock.settle();
  };
  return { ...setting, passed };
}

describe('what was copied of a snapshot', () => {
  it('is dropped when no peer offers one for as long as a source keeps it', async () => {
    const { log, storage, wanted, passed } = begun();
    await wanted();
    await passed(UNWANTED_MS - 1);
    expect(storage.staging.staged).not.toBeNull();
    await passed(1);
    expect(log.slice(1)).toEqual([CLEARED]);
    expect(storage.staging.staged).toBeNull();
  });

  it('by an earlier process is dropped as well', async () => {
    const { log, storage, passed } = begun();
    storage.staging.staged = COPIED;
    await passed(UNWANTED_MS);
    expect(log).toEqual([CLEARED]);
  });

  it('is kept for as long as one is needed, and gone on with', async () => {
    const { log, transport, wanted, passed } = begun();
    await wanted();
    const refused = () => stream(new KvError('connectionLost', 'the source is away'));
    for (let minute = 0; minute < 5; minute += 1) {
      transport.chunks.push(refused());
      await passed(UNWANTED_MS - 1);
      await wanted();
    }
    expect(log).not.toContain(CLEARED);
  });

  it('lets another snapshot be copied from its beginning after it was dropped', async () => {
    const { log, transport, wanted, passed } = begun();
    await wanted();
    await passed(UNWANTED_MS);
    transport.chunks.push(stream(chunk('t', 'b', true)));
    await wanted(3);
    expect(log.slice(1)).toEqual([CLEARED, 'fetch snapshot anew from 3', 'snapshot installed', 'restored']);
  });

  it('ends the replica if it cannot be dropped', async () => {
    const { node, storage, wanted, passed } = begun();
    await wanted();
    storage.staging.clear = () => Promise.reject(new KvError('storageFailure', 'the disk is full'));
    await passed(UNWANTED_MS);
    await expect(node.failed).resolves.toMatchObject({ code: 'storageFailure' });
  });
});
