/** The two loops, in virtual time: what is sent when, and what counts where. */
import { describe, expect, it } from 'vitest';
import { KvError } from '../../src/errors.ts';
import { fillKeys, Load, type LoadOptions } from '../../src/load/index.ts';
import { VirtualClock, VirtualStore } from './virtual-store.ts';

function setUp(options: Partial<LoadOptions> & { readonly stores?: number; readonly delayMs?: number } = {}) {
  const clock = new VirtualClock();
  const stores = Array.from(
    { length: options.stores ?? 1 },
    () => new VirtualStore(clock, options.delayMs ?? 10),
  );
  const load = new Load({
    clients: stores,
    depth: 1,
    rate: null,
    operations: null,
    keys: { distribution: 'uniform', keys: 100 },
    valueSize: 10,
    readRatio: 0,
    seed: 1,
    clock,
    ...options,
  });
  return { clock, load, stores, store: stores[0] as VirtualStore };
}

/** A bucket is never wider than a thirty-second of its value. */
function about(latencyMs: number) {
  return expect.toSatisfy((actual: number) => actual >= latencyMs && actual <= latencyMs * (1 + 1 / 32));
}

describe('a closed loop', () => {
  it('keeps as many under way at each client as its depth says, and counts answers a window', async () => {
    const { clock, load, stores } = setUp({ stores: 3, depth: 4, delayMs: 10 });
    load.start();
    await clock.pass(35);
    expect(stores.map(({ underWay, mostUnderWay }) => [underWay, mostUnderWay])).toEqual([
      [4, 4],
      [4, 4],
      [4, 4],
    ]);
    load.beginWindow();
    await clock.pass(100);
    const ended = load.endWindow();
    await clock.pass(10);
    const { durationMs, answered, errors, unsent, puts, gets } = await ended;
    // In each of ten periods every place sends one operation; all of these are answered.
    expect({ durationMs, answered, errors, unsent }).toEqual({
      durationMs: 100,
      answered: 120,
      errors: {},
      unsent: 0,
    });
    expect([puts.total, gets.total, puts.percentileMs(50)]).toEqual([120, 0, about(10)]);
  });

  it('counts a slow operation in full in the window that sent it', async () => {
    const { clock, load, store } = setUp();
    load.start();
    load.beginWindow();
    await clock.pass(15);
    store.delayMs = 1000;
    await clock.pass(10); // at 20 the next one is sent, which takes long
    const ended = load.endWindow();
    store.delayMs = 10;
    load.beginWindow();
    await clock.pass(2000);
    const next = load.endWindow();
    await clock.pass(10);
    expect((await ended).puts.percentileMs(100)).toEqual(about(1000));
    expect((await next).puts.percentileMs(100)).toEqual(about(10));
  });

  it('ends by itself after so many operations', async () => {
    const { clock, load, stores } = setUp({ stores: 2, depth: 3, operations: 20 });
    load.beginWindow();
    load.start();
    await clock.pass(10_000);
    await load.finished;
    expect(stores.map(({ puts }) => puts.length).reduce((sum, count) => sum + count)).toBe(20);
    expect(await load.endWindow()).toMatchObject({ answered: 20, errors: {} });
    expect(load.answered).toBe(20);
  });

  it('stops when told, after what is under way', async () => {
    const { clock, load, store } = setUp({ depth: 2 });
    load.start();
    await clock.pass(5);
    const stopped = load.stop();
    expect(store.underWay).toBe(2);
    await clock.pass(10);
    await stopped;
    expect(store.puts).toHaveLength(2);
  });

  it('reads and writes in the ratio it was given, the same at every run', async () => {
    const runs = await Promise.all(
      [1, 1, 2].map(async (seed) => {
        const { clock, load, store } = setUp({ depth: 10, operations: 2000, readRatio: 0.25, seed });
        load.start();
        await clock.pass(10_000);
        return store;
      }),
    );
    const [first, again, other] = runs;
    expect(first?.gets.length).toBeGreaterThan(400);
    expect(first?.gets.length).toBeLessThan(600);
    expect(again?.gets).toEqual(first?.gets);
    expect(other?.gets).not.toEqual(first?.gets);
  });

  it('only reads, or only writes, at the ends of the range', async () => {
    for (const readRatio of [0, 1]) {
      const { clock, load, store } = setUp({ operations: 50, readRatio });
      load.start();
      await clock.pass(1000);
      expect([store.gets.length, store.puts.length]).toEqual([50 * readRatio, 50 * (1 - readRatio)]);
    }
  });
});

describe('errors', () => {
  const overloaded = new KvError('overloaded', 'full', { outcome: 'notApplied' });

  it('are counted by code, and do not become a busy loop', async () => {
    const { clock, load, store } = setUp({ depth: 2 });
    store.error = overloaded;
    load.beginWindow();
    load.start();
    await clock.pass(50);
    const ended = load.endWindow();
    await clock.pass(10);
    const { answered, errors } = await ended;
    expect(answered).toBe(0);
    expect(Object.keys(errors)).toEqual(['overloaded']);
    expect(errors.overloaded).toBeGreaterThan(1);
    expect(errors.overloaded).toBeLessThanOrEqual(2 * 51);
    store.error = null;
    await clock.pass(50);
    expect(load.answered).toBeGreaterThan(0);
  });

  it('count as operations sent', async () => {
    const { clock, load, store } = setUp({ operations: 5 });
    store.error = overloaded;
    load.beginWindow();
    load.start();
    await clock.pass(100);
    await load.finished;
    expect((await load.endWindow()).errors).toEqual({ overloaded: 5 });
  });

  it('that are bugs end the load and its window', async () => {
    const { clock, load, store } = setUp({ depth: 3 });
    store.error = new TypeError('x is not a function');
    load.beginWindow();
    load.start();
    await clock.pass(10);
    await expect(load.finished).rejects.toThrow(TypeError);
    await expect(load.endWindow()).rejects.toThrow(TypeError);
    await expect(load.stop()).rejects.toThrow(TypeError);
  });
});

describe('an open loop', () => {
  it('sends at its rate, whatever the store does, over all clients', async () => {
    const { clock, load, stores } = setUp({ stores: 2, depth: 100, rate: 1000, delayMs: 20 });
    load.start();
    await clock.pass(50);
    load.beginWindow();
    await clock.pass(1000);
    const ended = load.endWindow();
    await clock.pass(20);
    const { answered, unsent, puts } = await ended;
    expect([answered, unsent]).toEqual([expect.toSatisfy((count) => Math.abs(count - 1000) <= 1), 0]);
    expect(puts.percentileMs(50)).toEqual(about(20));
    const [one = 0, two = 0] = stores.map((store) => store.puts.length);
    expect(Math.abs(one - two)).toBeLessThanOrEqual(1);
  });

  it('counts a stall for everyone who would have come meanwhile', async () => {
    const { clock, load, store } = setUp({ depth: 1, rate: 100, delayMs: 1 });
    load.start();
    load.beginWindow();
    await clock.pass(95);
    store.stalledUntilMs = 1095; // the one sent at 100 is answered then
    await clock.pass(1405);
    const ended = load.endWindow();
    await clock.pass(10);
    const { answered, unsent, puts } = await ended;
    expect([answered, unsent]).toEqual([150, 0]);
    // 100 of 150 were to be sent during the stall; a closed loop would have seen one slow operation.
    expect(puts.percentileMs(100)).toEqual(about(995));
    expect(puts.percentileMs(70)).toBeGreaterThan(400);
    expect(puts.percentileMs(20)).toBeLessThan(10);
  });

  it('never has more under way than there are places, and tells what it could not send', async () => {
    const { clock, load, store } = setUp({ depth: 2, rate: 1000, delayMs: 10 });
    load.beginWindow();
    load.start();
    await clock.pass(1000);
    const ended = load.endWindow();
    await clock.pass(10);
    const { answered, unsent } = await ended;
    expect(store.mostUnderWay).toBe(2);
    expect(answered).toBeLessThan(210);
    expect(answered + unsent).toBe(1000);
  });

  it('ends by itself after so many operations', async () => {
    const { clock, load, store } = setUp({ depth: 5, rate: 100, operations: 30 });
    load.start();
    await clock.pass(1000);
    await load.finished;
    expect(store.puts).toHaveLength(30);
  });
});

it('filling puts every key once', async () => {
  const clock = new VirtualClock();
  const stores = [new VirtualStore(clock, 1), new VirtualStore(clock, 1)];
  const filled = fillKeys({ clients: stores, depth: 3, keys: 100, valueSize: 5, seed: 1 });
  await clock.pass(1000);
  await filled;
  const keys = stores.flatMap(({ puts }) => puts).sort();
  expect(keys).toEqual(
    Array.from({ length: 100 }, (_, number) => `bench/${String(number).padStart(10, '0')}`),
  );
  const broken = new VirtualStore(clock, 1);
  broken.error = new KvError('noQuorum', 'nobody there', { outcome: 'unknown' });
  await expect(
    fillKeys({ clients: [broken], depth: 1, keys: 1, valueSize: 5, seed: 1 }),
  ).rejects.toMatchObject({ code: 'noQuorum' });
});
