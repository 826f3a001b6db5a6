/** The limit on how many requests of a client are under way at once. */
import { describe, expect, it } from 'vitest';
import { CallSlots } from '../../src/client/call-slots.ts';
import { createDeferred } from '../../src/util/deferred.ts';

const limits = (signal = new AbortController().signal, timeoutMs = 30_000) => ({ timeoutMs, signal });

describe('CallSlots', () => {
  it('runs so many at once, the others in order as slots become free', async () => {
    const slots = new CallSlots({ active: 2, waiting: 10 });
    const works = Array.from({ length: 5 }, () => createDeferred<void>());
    const begun: number[] = [];
    const runs = works.map((work, index) =>
      slots.run(limits(), () => {
        begun.push(index);
        return work.promise;
      }),
    );
    expect(begun).toEqual([0, 1]);
    works[1]?.resolve();
    await runs[1];
    await expect.poll(() => begun).toEqual([0, 1, 2]);
    works[0]?.reject(new Error('failed'));
    await expect(runs[0]).rejects.toThrow('failed');
    await expect.poll(() => begun).toEqual([0, 1, 2, 3]);
    for (const work of works.slice(2)) work.resolve();
    await Promise.all(runs.slice(1));
    expect(begun).toEqual([0, 1, 2, 3, 4]);
  });

  it('lets go of who gives up waiting, and the next one has the turn', async () => {
    const slots = new CallSlots({ active: 1, waiting: 10 });
    const first = createDeferred<void>();
    const controller = new AbortController();
    const running = slots.run(limits(), () => first.promise);
    const never = () => Promise.reject(new Error('ran'));
    const cancelled = slots.run(limits(controller.signal), never);
    const late = slots.run(limits(undefined, 1), never);
    const last = slots.run(limits(), () => Promise.resolve('served'));
    controller.abort();
    await expect(cancelled).rejects.toMatchObject({ code: 'cancelled', outcome: 'notApplied' });
    await expect(late).rejects.toMatchObject({ code: 'deadlineExceeded', outcome: 'notApplied' });
    first.resolve();
    await running;
    expect(await last).toBe('served');
    expect(await slots.run(limits(), () => Promise.resolve('again'))).toBe('again');
  });

  it('refuses when too many wait', async () => {
    const slots = new CallSlots({ active: 1, waiting: 1 });
    const first = createDeferred<void>();
    const runs = [slots.run(limits(), () => first.promise), slots.run(limits(), () => Promise.resolve())];
    await expect(slots.run(limits(), () => Promise.resolve())).rejects.toMatchObject({
      code: 'overloaded',
      outcome: 'notApplied',
    });
    first.resolve();
    await Promise.all(runs);
  });
});
