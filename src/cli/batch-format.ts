/** The summary of `epaxos batch-put` as text. */
import type { BatchSummary } from './batch.ts';

/** A few lines for people. */
export function batchAsText(summary: BatchSummary): string {
  const { count, acknowledged, failed, unknown, latencyMs } = summary;
  const seconds = (summary.durationMs / 1000).toFixed(2);
  const rate = Math.round(summary.acknowledgedPerSecond);
  const errors = Object.entries(summary.errors).map(([code, times]) => `${code} ${times}`);
  return [
    `${acknowledged} of ${count} puts acknowledged in ${seconds} s, ${rate} a second`,
    ...(latencyMs === null ? [] : [`latency: ${latencies(latencyMs).join(', ')}`]),
    ...(failed === 0 ? [] : [`not applied: ${failed}`]),
    ...(unknown === 0 ? [] : [`perhaps applied: ${unknown}`]),
    ...(errors.length === 0 ? [] : [`errors: ${errors.join(', ')}`]),
    '',
  ].join('\n');
}

/** The cells of a table of one row, with their heads. */
export function batchAsCells(summary: BatchSummary): {
  readonly head: string[];
  readonly cells: readonly (string | number)[];
} {
  const { acknowledged, failed, unknown, acknowledgedPerSecond, latencyMs } = summary;
  const percentiles = ['p50', 'p90', 'p99', 'max'] as const;
  return {
    head: ['acknowledged', 'not applied', 'perhaps applied', 'a second', ...percentiles],
    cells: [
      acknowledged,
      failed,
      unknown,
      Math.round(acknowledgedPerSecond),
      ...percentiles.map((name) => (latencyMs === null ? '-' : milliseconds(latencyMs[name]))),
    ],
  };
}

function latencies(latencyMs: NonNullable<BatchSummary['latencyMs']>): string[] {
  return Object.entries(latencyMs).map(([name, value]) => `${name} ${milliseconds(value)}`);
}

function milliseconds(value: number): string {
  return `${value.toFixed(value < 10 ? 2 : 0)} ms`;
}
