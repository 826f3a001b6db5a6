/** The measured figures as Markdown tables. */
import { idealMs, regionsOf } from './regions.ts';
import { executed, type Results, type SettingResult } from './results.ts';
import type { Percentiles } from './samples.ts';

const COUNT_WORDS = { 3: 'Three', 5: 'Five' } as const;

/** The file, without its ending, of the plot of one setting. */
export function plotName({ sites }: Results, { setting }: SettingResult): string {
  return `${sites}-regions-${setting.name}`;
}

/** @param plots where the plots are, relative to the document; null for no links */
export function report(results: Results, plots: string | null): string {
  const sections = [
    `### ${COUNT_WORDS[results.sites]} regions`,
    commitSection(results),
    tailSection(results),
    ...results.settings.map((setting) => settingSection(results, setting, plots)),
    paxosSection(results),
  ];
  return sections.filter((section) => section !== '').join('\n\n');
}

/** The bar: the median commit without conflicts, beside the round trip that it cannot do without. */
function commitSection({ sites, settings }: Results): string {
  const calm = settings.find(({ setting }) => setting.name === 'conflict-0');
  if (calm === undefined) return '';
  const rows = regionsOf(sites).map((region, at) => {
    const { p50, p95, p99 } = calm.samples.percentiles(['commit'], at);
    const ideal = idealMs(sites, at);
    return [region, `${ideal}`, ms(p50), ms(p95), ms(p99), (p50 / ideal).toFixed(3)];
  });
  return [
    'Commit at conflict 0, in milliseconds:',
    table(['region', 'ideal', 'p50', 'p95', 'p99', 'p50 / ideal'], rows),
  ].join('\n\n');
}

/** EPaxos beside the leader that is placed best, over all regions. */
function tailSection(results: Results): string {
  const { settings, leaders, bestLeader, sites } = results;
  const best = leaders[bestLeader];
  if (best === undefined) return '';
  const leader = executed(best);
  const rows = settings.map(({ setting, samples }) => {
    const all = executed(samples);
    const write = samples.percentiles(['write']);
    const read = samples.percentiles(['read']);
    return [
      setting.title,
      three(all),
      (all.p50 / leader.p50).toFixed(2),
      (all.p99 / leader.p99).toFixed(2),
      (write.p99 / best.percentiles(['write']).p99).toFixed(2),
      (read.p99 / best.percentiles(['read']).p99).toFixed(2),
    ];
  });
  const heads = ['setting', 'EPaxos', 'p50 ratio', 'p99 ratio', 'p99 ratio, writes', 'p99 ratio, reads'];
  return [
    `Executed, reads and writes of all regions, p50 / p95 / p99 in milliseconds, and EPaxos divided by Multi-Paxos with its
leader in ${regionsOf(sites)[bestLeader]}, the best place (${three(leader)}):`,
    table(heads, rows),
  ].join('\n\n');
}

function settingSection(results: Results, result: SettingResult, plots: string | null): string {
  const { sites, leaders, bestLeader } = results;
  const { setting, samples, fastShares } = result;
  const rows = regionsOf(sites).map((region, at) => {
    const best = leaders[bestLeader];
    const ratio = best === undefined ? Number.NaN : executed(samples, at).p99 / executed(best, at).p99;
    return [
      region,
      `${idealMs(sites, at)}`,
      three(samples.percentiles(['commit'], at)),
      three(samples.percentiles(['write'], at)),
      three(samples.percentiles(['read'], at)),
      ratio.toFixed(2),
      `${(100 * (fastShares[at] ?? 0)).toFixed(1)} %`,
      `${executed(samples, at).count}`,
    ];
  });
  const heads = [
    'region',
    'ideal',
    'commit',
    'write executed',
    'read',
    'p99 ratio',
    'fast path',
    'operations',
  ];
  const parts = [`#### ${COUNT_WORDS[sites]} regions, ${setting.title}`, table(heads, rows)];
  if (plots !== null) {
    const alt = `Latency by region, ${COUNT_WORDS[sites].toLowerCase()} regions, ${setting.title}`;
    parts.push(`![${alt}](${plots}/${plotName(results, result)}.svg)`);
  }
  return parts.join('\n\n');
}

function paxosSection({ sites, leaders, bestLeader }: Results): string {
  const regions = regionsOf(sites);
  const rows = leaders.map((samples, at) => [
    at === bestLeader ? `${regions[at]} (best)` : `${regions[at]}`,
    ...regions.map((_, region) => three(samples.percentiles(['write'], region))),
    three(executed(samples)),
  ]);
  return [
    `#### ${COUNT_WORDS[sites]} regions, Multi-Paxos`,
    'Writes by region of the client, then reads and writes of all regions; p50 / p95 / p99 in milliseconds:',
    table(['leader', ...regions.map((region) => `client in ${region}`), 'all'], rows),
  ].join('\n\n');
}

function three({ p50, p95, p99 }: Percentiles): string {
  return `${ms(p50)} / ${ms(p95)} / ${ms(p99)}`;
}

function ms(value: number): string {
  return value.toFixed(1);
}

function table(heads: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]) => `| ${cells.join(' | ')} |`;
  return [line(heads), line(heads.map(() => '---')), ...rows.map(line)].join('\n');
}
