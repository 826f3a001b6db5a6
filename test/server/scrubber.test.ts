/** The pass over the store for damage, in the background (R6.14). */
import { describe, expect, test } from 'vitest';
import { KvError } from '../../src/errors.ts';
import type { Logger } from '../../src/server/logger.ts';
import { Scrubber } from '../../src/server/scrubber.ts';
import { MemoryStorage, type ScrubbedSlice } from '../../src/storage/index.ts';
import { Cluster, WAIT } from './servers.ts';

const QUICK = { sliceMs: 0, passMs: 0 };

function logInto(lines: unknown[]): Pick<Logger, 'debug'> {
  return { debug: (line: unknown) => void lines.push(line) };
}

describe('the scrubber', () => {
  test('tells of every pass, and begins the next one', async () => {
    const lines: unknown[] = [];
    const scrubber = new Scrubber({
      storage: {
        async *scrub() {
          yield { entries: 2, bytes: 20 };
          yield { entries: 1, bytes: 10 };
        },
      },
      limits: QUICK,
      logger: logInto(lines),
      onDamage: (error) => {
        throw error;
      },
    });
    await expect.poll(() => lines.length, WAIT).toBeGreaterThan(2);
    await scrubber.stop();
    expect(lines[0]).toMatchObject({ entries: 3, bytes: 30 });
  });

  test('stops in the middle of a pass, and of a pause', async () => {
    let steps = 0;
    const scrubber = new Scrubber({
      storage: {
        async *scrub(): AsyncIterable<ScrubbedSlice> {
          for (;;) {
            steps += 1;
            yield { entries: 1, bytes: 1 };
          }
        },
      },
      limits: { sliceMs: 3_600_000, passMs: 3_600_000 },
      logger: logInto([]),
      onDamage: (error) => {
        throw error;
      },
    });
    await expect.poll(() => steps, WAIT).toBe(1);
    await scrubber.stop();
    expect(steps).toBe(1);
  });
});

test('a replica whose store is found damaged ends, as after a write that failed', async () => {
  const storage = new MemoryStorage({ replicas: 3 });
  let isDamaged = false;
  storage.scrub = async function* () {
    if (isDamaged) throw new KvError('storageFailure', 'the store is damaged');
    yield { entries: 1, bytes: 1 };
  };
  const cluster = await Cluster.create();
  const { failed } = await cluster.start(3, { storage, scrub: QUICK });
  isDamaged = true;
  expect(await failed).toMatchObject({ code: 'storageFailure', message: 'the store is damaged' });
  await expect(cluster.put(3, 'a', 'too late')).rejects.toMatchObject({ outcome: 'notApplied' });
});
