/** The answer of `epaxos health` as text, as cells of a table and as JSON. */
import { milliseconds } from './duration.ts';
import type { HealthCheck } from './health.ts';

/** A line an endpoint. */
export function healthAsText(checks: readonly HealthCheck[]): string {
  const lines = checks.map(({ endpoint, tookMs, error }) =>
    error === null
      ? `${endpoint} is healthy: a read took ${milliseconds(tookMs)}`
      : `${endpoint} is unhealthy after ${milliseconds(tookMs)}: ${error.message}`,
  );
  return `${lines.join('\n')}\n`;
}

/** The cells of a table, an endpoint a row, with their heads. */
export function healthAsCells(checks: readonly HealthCheck[]): {
  readonly head: string[];
  readonly rows: readonly (readonly string[])[];
} {
  return {
    head: ['endpoint', 'healthy', 'took', 'error'],
    rows: checks.map(({ endpoint, tookMs, error }) => [
      endpoint,
      error === null ? 'yes' : 'no',
      milliseconds(tookMs),
      error?.message ?? '',
    ]),
  };
}

export function healthAsJson(checks: readonly HealthCheck[]): object[] {
  return checks.map(({ endpoint, tookMs, error }) => ({
    endpoint,
    healthy: error === null,
    tookMs,
    error: error === null ? null : { code: error.code, message: error.message },
  }));
}
