/**
 * Latency over long distances, in virtual time: EPaxos, Multi-Paxos and the ideal, side by side (docs/wan.md).
 * Prints Markdown tables; with --out they go into DIR/wan.md, and a plot for each setting into DIR/wan/. The same
 * arguments give the same figures on every machine.
 *
 *   npx tsx bench/wan/main.ts [--sites 3|5] [--setting NAME] [--seed 1] [--seconds 120] [--clients 10]
 *                             [--jitter 0.01] [--sync-ms 0.2] [--lease] [--out DIR]
 */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { assert } from '../../src/util/assert.ts';
import { replaceGenerated } from './document.ts';
import { plot } from './plot.ts';
import { SITE_COUNTS } from './regions.ts';
import { plotName, report } from './report.ts';
import { measure, type Results } from './results.ts';
import { DEFAULT_OPTIONS, SETTINGS, type WorldOptions } from './settings.ts';

const { values } = parseArgs({
  options: {
    sites: { type: 'string' },
    setting: { type: 'string' },
    seed: { type: 'string', default: `${DEFAULT_OPTIONS.seed}` },
    seconds: { type: 'string', default: `${DEFAULT_OPTIONS.measuredMs / 1000}` },
    clients: { type: 'string', default: `${DEFAULT_OPTIONS.clientsPerRegion}` },
    jitter: { type: 'string', default: `${DEFAULT_OPTIONS.jitter}` },
    'sync-ms': { type: 'string', default: `${DEFAULT_OPTIONS.syncMs}` },
    lease: { type: 'boolean', default: false },
    out: { type: 'string' },
  },
});

const options: WorldOptions = {
  ...DEFAULT_OPTIONS,
  seed: Number(values.seed),
  measuredMs: Number(values.seconds) * 1000,
  clientsPerRegion: Number(values.clients),
  jitter: Number(values.jitter),
  syncMs: Number(values['sync-ms']),
};
const siteCounts = SITE_COUNTS.filter((sites) => values.sites === undefined || `${sites}` === values.sites);
const settings = SETTINGS.filter(({ name }) => values.setting === undefined || name === values.setting);
assert(siteCounts.length > 0, `--sites is ${SITE_COUNTS.join(' or ')}`);
assert(settings.length > 0, `--setting is one of ${SETTINGS.map(({ name }) => name).join(', ')}`);
for (const [name, value] of Object.entries(options)) assert(value >= 0, `${name} is a number`);
const isWhole = values.sites === undefined && values.setting === undefined;
assert(
  values.out === undefined || isWhole,
  'documents are written for all settings at once: leave out --sites, --setting',
);

const startedMs = performance.now();
const all = siteCounts.map((sites) => measure({ sites, settings, options, lease: values.lease }));
const { out } = values;
if (out === undefined) console.log(all.map((results) => report(results, null)).join('\n\n'));
else writeDocuments(out, all);
console.error(`took ${((performance.now() - startedMs) / 1000).toFixed(1)} s`);

function writeDocuments(directory: string, everything: readonly Results[]): void {
  mkdirSync(path.join(directory, 'wan'), { recursive: true });
  for (const results of everything) {
    for (const result of results.settings) {
      const file = path.join(directory, 'wan', `${plotName(results, result)}.svg`);
      writeFileSync(file, plot(results, result));
    }
  }
  const document = path.join(directory, 'wan.md');
  const tables = everything.map((results) => report(results, 'wan')).join('\n\n');
  const generated = `${describeOptions(options, values.lease)}\n\n${tables}`;
  writeFileSync(document, replaceGenerated(readFileSync(document, 'utf8'), generated));
}

function describeOptions(world: WorldOptions, lease: boolean): string {
  const { seed, clientsPerRegion, measuredMs, syncMs, jitter, keys } = world;
  return [
    `Seed ${seed}, ${clientsPerRegion} clients a region, ${measuredMs / 1000} virtual seconds after ${world.warmUpMs / 1000} of warm-up,`,
    `${syncMs} ms a sync, jitter ±${100 * jitter} %, Zipf over ${keys} keys, Multi-Paxos reads ${lease ? 'under a lease' : 'by a majority'}.`,
  ].join('\n');
}
