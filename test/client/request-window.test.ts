/** The limit on how many requests of a client are under way at once. */
import { describe, expect, it } from 'vitest';
import type { Request } from '../../src/client/request.ts';
import { RequestIds } from '../../src/client/request-ids.ts';
import { RequestWindow } from '../../src/client/request-window.ts';
import { requestOf } from './request-world.ts';

function windowOf(limits: {
  readonly requests?: number;
  readonly bytes?: number;
  readonly waiting?: number;
}) {
  const begun: Request[] = [];
  const all = { requests: 2, bytes: 1000, waiting: 10, ...limits };
  const window = new RequestWindow(all, (request) => begun.push(request));
  return { window, begun };
}

const requests = (count: number) => Array.from({ length: count }, () => requestOf());

describe('RequestWindow', () => {
  it('lets so many begin at once, the others in order as places become free', () => {
    const { window, begun } = windowOf({});
    const all = requests(5);
    for (const request of all) window.enter(request);
    expect(begun).toEqual(all.slice(0, 2));
    window.leave(all[1] as Request);
    expect(begun).toEqual(all.slice(0, 3));
    window.leave(all[0] as Request);
    window.leave(all[2] as Request);
    expect(begun).toEqual(all);
    for (const request of all.slice(3)) window.leave(request);
    const [again] = requests(1);
    window.enter(again as Request);
    expect(begun.at(-1)).toBe(again);
  });

  it('counts bytes as well, and lets nobody pass who came later', () => {
    const { window, begun } = windowOf({ requests: 10, bytes: 100 });
    const [first, large, small] = [60, 50, 10].map((size) => requestOf({ operation: new Uint8Array(size) }));
    for (const request of [first, large, small]) window.enter(request as Request);
    expect(begun).toEqual([first]);
    window.leave(first as Request);
    expect(begun).toEqual([first, large, small]);
  });

  it('counts a request as long as it was when it began, also if it is named anew meanwhile', () => {
    const { window, begun } = windowOf({ requests: 10, bytes: 100 });
    for (let generation = 1_000; generation < 2_000; generation += 1) {
      const request = requestOf();
      const ids = new RequestIds();
      ids.learn(generation);
      window.enter(request);
      request.renew(ids);
      window.leave(request);
    }
    const [first, second] = [60, 50].map((size) => requestOf({ operation: new Uint8Array(size) }));
    for (const request of [first, second]) window.enter(request as Request);
    expect(begun).not.toContain(second);
  });

  it('lets one that is over the limit have its turn alone', () => {
    const { window, begun } = windowOf({ bytes: 100 });
    const huge = requestOf({ operation: new Uint8Array(500) });
    const next = requestOf();
    window.enter(huge);
    window.enter(next);
    expect(begun).toEqual([huge]);
    window.leave(huge);
    expect(begun).toEqual([huge, next]);
  });

  it('lets go of who gives up waiting, and the next one has the turn', () => {
    const { window, begun } = windowOf({ requests: 1 });
    const [first, second, third] = requests(3) as [Request, Request, Request];
    for (const request of [first, second, third]) window.enter(request);
    window.leave(second);
    window.leave(first);
    expect(begun).toEqual([first, third]);
  });

  it('refuses when too many wait', () => {
    const { window } = windowOf({ requests: 1, waiting: 1 });
    for (const request of requests(2)) window.enter(request);
    expect(() => window.enter(requestOf())).toThrow(
      expect.objectContaining({ code: 'overloaded', outcome: 'notApplied' }),
    );
  });

  it('goes on where requests end as they begin', () => {
    const ended: Request[] = [];
    const window = new RequestWindow({ requests: 1, bytes: 1000, waiting: 100_000 }, (request) => {
      if (request === first) return;
      ended.push(request);
      window.leave(request);
    });
    const first = requestOf();
    window.enter(first);
    const waiting = requests(50_000);
    for (const request of waiting) window.enter(request);
    window.leave(first);
    expect(ended).toHaveLength(waiting.length);
  });
});
