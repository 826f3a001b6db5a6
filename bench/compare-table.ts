/** The results of the comparison as tables in Markdown. */
import type { Line } from './compare-lines.ts';
import type { Figures } from './measure.ts';
import { median } from './process-use.ts';

/** One line in one round: the best run of each side. */
export interface RoundResult {
  readonly first: Figures;
  /** Null if there is nothing to compare with. */
  readonly second: Figures | null;
}

export interface LineResult {
  readonly line: Line;
  readonly rounds: readonly RoundResult[];
}

/** The ratios of a line, round by round. */
export function ratiosOf({ line, rounds }: LineResult): readonly number[] {
  return rounds.flatMap(({ first, second }) =>
    second === null ? [] : line.value(first) / line.value(second),
  );
}

/** Whether the median of the ratios keeps to the bar; null without anything to compare with. */
export function isMet(result: LineResult): boolean | null {
  const ratios = ratiosOf(result);
  if (ratios.length === 0) return null;
  const { bar } = result.line;
  const ratio = median(ratios);
  return 'atLeast' in bar ? ratio >= bar.atLeast : ratio <= bar.atMost;
}

/** The line of every bar. */
export function barTable(results: readonly LineResult[], fastPathRatio: number | null): string {
  const rows = results.map((result) => {
    const { line, rounds } = result;
    const ratios = ratiosOf(result);
    const value = (figures: readonly (Figures | null)[]) => {
      const values = figures.flatMap((one) => (one === null ? [] : line.value(one)));
      return values.length === 0 ? '-' : `${number(median(values))} ${line.unit}`;
    };
    const met = isMet(result);
    return [
      line.title,
      value(rounds.map(({ first }) => first)),
      value(rounds.map(({ second }) => second)),
      ratios.length === 0 ? '-' : number(median(ratios)),
      ratios.length === 0 ? '-' : `${number(Math.min(...ratios))} to ${number(Math.max(...ratios))}`,
      'atLeast' in line.bar ? `at least ${line.bar.atLeast}` : `at most ${line.bar.atMost}`,
      met === null ? '-' : met ? 'yes' : 'no',
    ];
  });
  if (fastPathRatio !== null) {
    const percent = `${number(100 * fastPathRatio)} %`;
    rows.push(['fast path, 3 replicas', percent, '-', '-', '-', '100 %', fastPathRatio === 1 ? 'yes' : 'no']);
  }
  return table(['what', 'first', 'second', 'ratio', 'rounds', 'bar', 'met'], rows);
}

/** Everything else that was measured: of each side of each line, the medians of its rounds. */
export function figureTable(results: readonly LineResult[]): string {
  const rows = results.flatMap(({ line, rounds }) =>
    line.sides.flatMap((side, index) => {
      const figures = rounds.flatMap((round) => (index === 0 ? round.first : (round.second ?? [])));
      if (figures.length === 0) return [];
      const middle = (value: (one: Figures) => number | null | undefined) => {
        const values = figures.flatMap((one) => value(one) ?? []);
        return values.length === 0 ? '-' : number(median(values));
      };
      const failed = figures.flatMap(({ errors }) => Object.values(errors));
      return [
        [
          line.name,
          `${side}, ${commonest(figures.map(({ label }) => label))}`,
          middle(({ perSecond }) => perSecond),
          ...(['p50', 'p99', 'p999'] as const).map((name) => middle(({ latencyMs }) => latencyMs[name])),
          middle(({ commitMs }) => commitMs?.p50),
          middle(({ commitMs }) => commitMs?.p99),
          middle(({ executeMs }) => executeMs?.p50),
          middle(({ executeMs }) => executeMs?.p99),
          middle(({ operationsPerInstance }) => operationsPerInstance),
          middle(({ serverCpuMicroseconds }) => serverCpuMicroseconds),
          middle(({ loadCpuMicroseconds }) => loadCpuMicroseconds),
          middle(({ residentMib }) => residentMib),
          String(failed.reduce((sum, count) => sum + count, 0)),
        ],
      ];
    }),
  );
  const latencies = [
    'p50 ms',
    'p99 ms',
    'p99.9 ms',
    'commit p50',
    'commit p99',
    'execute p50',
    'execute p99',
  ];
  const costs = ['operations an instance', 'CPU µs', 'CPU of the load µs', 'memory MiB', 'errors'];
  return table(['line', 'run', 'a second', ...latencies, ...costs], rows);
}

export function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  return [head, head.map(() => '---'), ...rows].map((cells) => `| ${cells.join(' | ')} |`).join('\n');
}

/** With about three digits that count. */
export function number(value: number): string {
  if (value >= 100) return String(Math.round(value));
  return value >= 10 ? value.toFixed(1) : value.toFixed(2);
}

function commonest(labels: readonly string[]): string {
  const counts = new Map<string, number>();
  for (const label of labels) counts.set(label, (counts.get(label) ?? 0) + 1);
  return [...counts].sort(([, one], [, other]) => other - one)[0]?.[0] ?? '';
}
