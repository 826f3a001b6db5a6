/** When the end of a generation is proposed, on virtual ticks (R7.13); and that no request outlives one. */
import { describe, expect, it } from 'vitest';
import { type AdvanceMoment, AdvanceTiming, DEFAULT_ADVANCE } from '../../src/node/advance-timing.ts';
import { TIMEOUTS } from '../../src/node/timeouts.ts';

const TICK_MS = 10;
const LIMITS = { lastsMs: 1_000, perRankMs: 100, patienceMs: 2_000, againMs: 500 };

/** The ticks at which it proposes. @param at what is so at a tick, where it is not as usual */
function proposals(
  upTo: number,
  at: (tick: number) => Partial<AdvanceMoment> = () => ({}),
  options: { readonly rank?: number; readonly generation?: number } = {},
): number[] {
  const { rank = 0, generation = 1 } = options;
  const timing = new AdvanceTiming({ limits: LIMITS, tickMs: TICK_MS, rank, generation });
  const ticks: number[] = [];
  for (let tick = 1; tick <= upTo; tick += 1) {
    const moment = { ticks: 1, generation: 1, hasNews: true, isCalm: () => true, ...at(tick) };
    if (timing.tick(moment)) ticks.push(tick);
  }
  return ticks;
}

describe('the end of a generation is proposed', () => {
  it('when it has lasted long enough, and again if nothing comes of it', () => {
    expect(proposals(210)).toEqual([100, 150, 200]);
  });

  it('by others somewhat later, so that they need not', () => {
    expect(proposals(130, undefined, { rank: 2 })).toEqual([120]);
  });

  it('counted from when it began here', () => {
    expect(proposals(250, (tick) => ({ generation: tick < 90 ? 1 : 2 }))).toEqual([190, 240]);
    expect(proposals(120, undefined, { generation: 1 })).toEqual([100]);
  });

  it('counted anew also where the end of the one before was proposed here', () => {
    expect(proposals(250, (tick) => ({ generation: tick < 110 ? 1 : 2 }))).toEqual([100, 210]);
  });

  it('not if nothing was recorded in it', () => {
    expect(proposals(400, (tick) => ({ hasNews: tick >= 333 }))).toEqual([333, 383]);
  });

  it('at a calm moment', () => {
    expect(proposals(190, (tick) => ({ isCalm: () => tick % 70 === 0 }))).toEqual([140]);
  });

  it('at any moment, when no calm one has come for long', () => {
    expect(proposals(400, () => ({ isCalm: () => false }))).toEqual([300, 350, 400]);
  });

  it('without looking at how things are before its time', () => {
    expect(() =>
      proposals(99, () => ({
        isCalm: () => {
          throw new Error('asked too early');
        },
      })),
    ).not.toThrow();
  });

  it('with the ticks that a resting loop slept through', () => {
    expect(proposals(8, () => ({ ticks: 25 }))).toEqual([4, 6, 8]);
  });
});

it('no request waits for longer than a generation lasts, so that none is too old by then', () => {
  expect(TIMEOUTS.maxMs).toBeLessThanOrEqual(DEFAULT_ADVANCE.lastsMs);
});
