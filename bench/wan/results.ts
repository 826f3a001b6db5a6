/** Everything that is measured for one number of regions. */
import { regionsOf, type SiteCount } from './regions.ts';
import type { Percentiles, Samples } from './samples.ts';
import type { Setting, WorldOptions } from './settings.ts';
import { runEpaxos, runMultiPaxos } from './world.ts';

/** EPaxos in one setting. */
export interface SettingResult {
  readonly setting: Setting;
  readonly samples: Samples;
  /** By region: the share of its replica's instances that were committed by the fast path, 0 to 1. */
  readonly fastShares: readonly number[];
  readonly recoveries: number;
}

export interface Results {
  readonly sites: SiteCount;
  readonly settings: readonly SettingResult[];
  /** By leader: Multi-Paxos, which does not look at keys, so that one setting stands for all. */
  readonly leaders: readonly Samples[];
  /** The leader with which the slowest hundredth of all operations, of all regions, waits least. */
  readonly bestLeader: number;
}

export function measure(parts: {
  readonly sites: SiteCount;
  readonly settings: readonly Setting[];
  readonly options: WorldOptions;
  /** Whether the leader of Multi-Paxos reads without asking. */
  readonly lease: boolean;
}): Results {
  const { sites, options, lease } = parts;
  const settings = parts.settings.map((setting) => measureSetting({ sites, setting, options }));
  const setting = parts.settings.at(-1) ?? { name: 'none', title: 'none', conflict: 0 };
  const leaders = regionsOf(sites).map(
    (_, leader) => runMultiPaxos({ sites, setting, options, leader, lease }).samples,
  );
  const p99s = leaders.map((samples) => executed(samples).p99);
  return { sites, settings, leaders, bestLeader: p99s.indexOf(Math.min(...p99s)) };
}

/** Operations of both kinds, from the client's call to its answer; of one region, or of all. */
export function executed(samples: Samples, region?: number): Percentiles {
  return samples.percentiles(['write', 'read'], region);
}

function measureSetting(parts: {
  readonly sites: SiteCount;
  readonly setting: Setting;
  readonly options: WorldOptions;
}): SettingResult {
  const { samples, programs } = runEpaxos(parts);
  const counts = programs.map((program) => program.counts);
  return {
    setting: parts.setting,
    samples,
    fastShares: counts.map(({ paths }) => paths.fast / (paths.fast + paths.slow + paths.recovery)),
    recoveries: counts.reduce((sum, { recoveries }) => sum + recoveries, 0),
  };
}
