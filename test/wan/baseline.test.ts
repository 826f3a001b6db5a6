/** The baseline of the figures over long distances: what Multi-Paxos takes can be computed by hand. */
import { describe, expect, test } from 'vitest';
import { quorumRoundTripMs, regionsOf, roundTripMs, SITE_COUNTS } from '../../bench/wan/regions.ts';
import { DEFAULT_OPTIONS, type Setting } from '../../bench/wan/settings.ts';
import { runMultiPaxos } from '../../bench/wan/world.ts';

const CALM: Setting = { name: 'calm', title: 'calm', conflict: 0 };
const OPTIONS = { ...DEFAULT_OPTIONS, clientsPerRegion: 1, jitter: 0, warmUpMs: 0, measuredMs: 5_000 };

const runs = SITE_COUNTS.flatMap((sites) =>
  regionsOf(sites).map((region, leader) => ({ sites, region, leader })),
);

describe.each(runs)('Multi-Paxos, $sites regions, leader in $region', ({ sites, leader }) => {
  const size = (sites + 1) / 2;
  const majorityMs = quorumRoundTripMs(sites, { at: leader, size });

  test('one client: the way to the leader, a majority, and a sync for a write', () => {
    const { samples } = runMultiPaxos({ sites, setting: CALM, options: OPTIONS, leader });
    for (const at of regionsOf(sites).keys()) {
      const wayMs = roundTripMs(at, leader);
      expect(samples.percentiles(['write'], at).p50).toBeCloseTo(wayMs + majorityMs + OPTIONS.syncMs, 6);
      expect(samples.percentiles(['read'], at).p50).toBeCloseTo(wayMs + majorityMs, 6);
    }
  });

  test('under a lease a read is the way to the leader', () => {
    const { samples } = runMultiPaxos({ sites, setting: CALM, options: OPTIONS, leader, lease: true });
    for (const at of regionsOf(sites).keys()) {
      expect(samples.percentiles(['read'], at).p50).toBeCloseTo(roundTripMs(at, leader), 6);
    }
  });
});
