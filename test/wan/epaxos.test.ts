/** The production core over long distances, in virtual time: none of this depends on the speed of the machine. */
import { describe, expect, test } from 'vitest';
import { idealMs, type Region, regionsOf, SITE_COUNTS, type SiteCount } from '../../bench/wan/regions.ts';
import { report } from '../../bench/wan/report.ts';
import { measure } from '../../bench/wan/results.ts';
import { DEFAULT_OPTIONS, SETTINGS, type Setting } from '../../bench/wan/settings.ts';
import type { Table } from '../../bench/wan/table.ts';
import { runEpaxos } from '../../bench/wan/world.ts';

const OPTIONS = { ...DEFAULT_OPTIONS, warmUpMs: 1_000, measuredMs: 10_000 };

const IDEALS: Record<SiteCount, Partial<Record<Region, number>>> = {
  3: { CA: 72, VA: 72, IR: 88 },
  5: { CA: 72, VA: 88, IR: 145, OR: 93, JP: 121 },
};

function settingNamed(name: string): Setting {
  const setting = SETTINGS.find((each) => each.name === name);
  if (setting === undefined) throw new Error(`no setting ${name}`);
  return setting;
}

describe.each(SITE_COUNTS)('%i regions', (sites) => {
  const regions = [...regionsOf(sites).entries()];

  test('the ideal is the round trip to the closest fast quorum', () => {
    expect(Object.fromEntries(regions.map(([at, region]) => [region, idealMs(sites, at)]))).toEqual(
      IDEALS[sites],
    );
  });

  test('without conflicts every region commits on the fast path, within 2 % of the ideal', () => {
    const { samples, programs } = runEpaxos({ sites, setting: settingNamed('conflict-0'), options: OPTIONS });
    for (const [at] of regions) {
      const { count, p50 } = samples.percentiles(['commit'], at);
      expect(count).toBeGreaterThan(200);
      expect(p50 / idealMs(sites, at)).toBeGreaterThan(1);
      expect(p50 / idealMs(sites, at)).toBeLessThanOrEqual(1.02);
    }
    for (const { counts } of programs) {
      expect(counts.paths).toMatchObject({ slow: 0, recovery: 0 });
      expect(counts.recoveries).toBe(0);
    }
  });

  test('under full conflict nothing is recovered, and no write waits for more than two rounds of agreement', () => {
    const { samples, programs } = runEpaxos({
      sites,
      setting: settingNamed('conflict-100'),
      options: OPTIONS,
    });
    for (const { counts } of programs) expect(counts.recoveries).toBe(0);
    const slowest = Math.max(...regions.map(([at]) => idealMs(sites, at)));
    expect(samples.percentiles(['write']).p50).toBeLessThan(2.3 * slowest);
  });
});

test('the keys are drawn as the setting says', () => {
  // Within 0.01.
  const options = { ...OPTIONS, warmUpMs: 0, clientsPerRegion: 50 };
  const quarter = runEpaxos({ sites: 3, setting: settingNamed('conflict-25'), options });
  expect(shareOf('hot', quarter.programs[0]?.table)).toBeCloseTo(0.25, 1.7);
  const zipf = runEpaxos({ sites: 3, setting: settingNamed('zipf'), options });
  let sum = 0;
  for (let rank = 1; rank <= options.keys; rank += 1) sum += rank ** -0.99;
  expect(shareOf('shared 0', zipf.programs[0]?.table)).toBeCloseTo(1 / sum, 1.7);
  const [writes, reads] = (['write', 'read'] as const).map(
    (measure) => zipf.samples.percentiles([measure]).count,
  );
  expect((writes ?? 0) / ((writes ?? 0) + (reads ?? 0))).toBeCloseTo(options.writeRatio, 1.7);
});

test('a run is a function of its seed', () => {
  const settings = [settingNamed('zipf')];
  const printed = (seed: number) => {
    const options = { ...OPTIONS, measuredMs: 3_000, seed };
    return report(measure({ sites: 5, settings, options, lease: false }), null);
  };
  const first = printed(1);
  expect(printed(1)).toBe(first);
  expect(printed(2)).not.toBe(first);
});

/** The share of all writes that went to one key. */
function shareOf(key: string, table: Table | undefined): number {
  const rows = [...(table?.rows ?? [])];
  const all = rows.reduce((sum, [, { version }]) => sum + version, 0);
  return (table?.rows.get(key)?.version ?? 0) / all;
}
