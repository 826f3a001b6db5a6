/** One plot a setting: for each region the latencies of EPaxos, and of Multi-Paxos with each leader, as bars. */
import { idealMs, regionsOf } from './regions.ts';
import type { Results, SettingResult } from './results.ts';
import type { Percentiles } from './samples.ts';
import { Svg } from './svg.ts';

const WIDTH = 860;
const LEFT = 215;
const RIGHT = 130;
const TOP = 78;
const ROW = 17;
const BAR = 11;
const PANEL_GAP = 32;
const BOTTOM = 30;

/** From the median to the 99th percentile, ever lighter. */
const BLUE = ['#1f5fa8', '#7fb0e0', '#cfe2f5'] as const;
const GREY = ['#5f6368', '#a9adb2', '#dfe1e4'] as const;

interface Bar {
  readonly label: string;
  readonly values: Percentiles;
  readonly fills: readonly string[];
}

export function plot(results: Results, result: SettingResult): string {
  const regions = regionsOf(results.sites);
  const panels = regions.map((_, at) => barsOf(results, result, at));
  const rows = panels[0]?.length ?? 0;
  const height = TOP + regions.length * (rows * ROW + PANEL_GAP) + BOTTOM;
  const svg = new Svg({ width: WIDTH, height });
  const scale = scaleFor(Math.max(...panels.flat().map(({ values }) => values.p99)));
  const title = `${regions.length} regions, ${result.setting.title}: latency in milliseconds`;
  svg.text({ x: 16, y: 26, text: title, size: 17, bold: true });
  legend(svg);
  drawAxis(svg, scale, { top: TOP, bottom: height - BOTTOM });
  panels.forEach((bars, at) => {
    const top = TOP + at * (rows * ROW + PANEL_GAP) + 22;
    const ideal = idealMs(results.sites, at);
    svg.text({ x: 16, y: top - 5, text: `clients in ${regions[at]}`, size: 13, bold: true });
    bars.forEach((bar, row) => {
      drawBar(svg, scale, bar, top + row * ROW);
    });
    const x = scale.x(ideal);
    svg.line({ x, fromY: top - 4, toY: top + rows * ROW, stroke: '#c62828', width: 1.5, dashed: true });
    svg.text({ x: x + 4, y: top - 6, text: `ideal ${ideal}`, size: 11, fill: '#c62828' });
  });
  return svg.toString(title);
}

function barsOf(results: Results, { samples }: SettingResult, at: number): Bar[] {
  const leaders = regionsOf(results.sites).map((region, leader): Bar => {
    const values = results.leaders[leader]?.percentiles(['write'], at) ?? NOTHING;
    const best = leader === results.bestLeader ? ' (best)' : '';
    return { label: `Multi-Paxos, leader ${region}${best}`, values, fills: GREY };
  });
  return [
    { label: 'EPaxos, write committed', values: samples.percentiles(['commit'], at), fills: BLUE },
    { label: 'EPaxos, write executed', values: samples.percentiles(['write'], at), fills: BLUE },
    { label: 'EPaxos, read', values: samples.percentiles(['read'], at), fills: BLUE },
    ...leaders,
  ];
}

const NOTHING: Percentiles = { count: 0, p50: 0, p95: 0, p99: 0 };

function drawBar(svg: Svg, scale: Scale, bar: Bar, y: number): void {
  const { p50, p95, p99 } = bar.values;
  svg.text({ x: LEFT - 8, y: y + BAR - 1.5, text: bar.label, size: 11.5, anchor: 'end' });
  // The longest first: the shorter ones lie on it.
  [p99, p95, p50].forEach((value, index) => {
    const fill = bar.fills[2 - index] ?? '';
    svg.rect({ x: LEFT, y, width: scale.x(value) - LEFT, height: BAR, fill });
  });
  const text = [p50, p95, p99].map((value) => value.toFixed(0)).join(' / ');
  svg.text({ x: WIDTH - 16, y: y + BAR - 1.5, text, size: 11.5, anchor: 'end' });
}

function legend(svg: Svg): void {
  const names = ['p50', 'to p95', 'to p99'];
  names.forEach((name, index) => {
    const x = 16 + index * 92;
    svg.rect({ x, y: 40, width: 12, height: 12, fill: BLUE[index] ?? '' });
    svg.rect({ x: x + 14, y: 40, width: 12, height: 12, fill: GREY[index] ?? '' });
    svg.text({ x: x + 31, y: 50.5, text: name });
  });
  svg.line({ x: 302, fromY: 39, toY: 53, stroke: '#c62828', width: 1.5, dashed: true });
  svg.text({ x: 310, y: 50.5, text: 'ideal: round trip to the closest fast quorum' });
  svg.text({ x: WIDTH - 16, y: 50.5, text: 'p50 / p95 / p99', anchor: 'end' });
}

interface Scale {
  readonly stepMs: number;
  readonly maxMs: number;
  x(milliseconds: number): number;
}

/** From zero to a round number above the greatest value. */
function scaleFor(greatestMs: number): Scale {
  const stepMs = [25, 50, 100, 200, 500, 1000].find((step) => greatestMs / step <= 8) ?? 5000;
  const maxMs = Math.ceil(greatestMs / stepMs) * stepMs;
  return { stepMs, maxMs, x: (milliseconds) => LEFT + (milliseconds / maxMs) * (WIDTH - LEFT - RIGHT) };
}

function drawAxis(svg: Svg, scale: Scale, range: { readonly top: number; readonly bottom: number }): void {
  for (let tick = 0; tick <= scale.maxMs; tick += scale.stepMs) {
    const x = scale.x(tick);
    svg.line({ x, fromY: range.top, toY: range.bottom, stroke: '#e3e3e3' });
    for (const y of [range.top - 5, range.bottom + 15]) {
      svg.text({ x, y, text: `${tick}`, size: 11, anchor: 'middle', fill: '#555555' });
    }
  }
}
