/** The figures of each scenario, collected over all test files and printed as a table at the end. */
import { appendFileSync, mkdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { ROOT } from './engine.ts';
import type { Counts } from './recorder.ts';

/** One JSON object a line. */
export const REPORT_FILE = join(ROOT, '.test-results', 'containers.jsonl');

export interface ScenarioReport extends Counts {
  readonly scenario: string;
  readonly replicas: number;
  /** Acknowledged writes that were not there at the end. */
  readonly lost: number;
  readonly longestStallMs: number;
  /** How many operations failed with which code. */
  readonly errors: string;
  readonly verdict: string;
}

export interface StartReport {
  readonly replicas: number;
  /** From the call of `docker compose up` until every replica serves. */
  readonly readyMs: number;
}

export function report(line: ScenarioReport | StartReport): void {
  mkdirSync(dirname(REPORT_FILE), { recursive: true });
  appendFileSync(REPORT_FILE, `${JSON.stringify(line)}\n`);
}

/** Prints what was reported as Markdown. @param imageBytes the size of the image */
export function printReport(imageBytes: string): void {
  const lines = readFileSync(REPORT_FILE, 'utf8').trim().split('\n');
  const reports = lines.map((line) => JSON.parse(line) as ScenarioReport | StartReport);
  const rows = reports.map((one) => {
    if (!('scenario' in one)) return `start of ${one.replicas} replicas: ready after ${seconds(one.readyMs)}`;
    const { scenario, replicas, attempted, acknowledged, unknown, notApplied, lost } = one;
    const cells = [scenario, replicas, attempted, acknowledged, unknown, notApplied, lost];
    return `| ${[...cells, seconds(one.longestStallMs), one.verdict].join(' | ')} |${one.errors && ` ${one.errors}`}`;
  });
  process.stdout.write(`\nimage: ${Math.round(Number(imageBytes) / 1e6)} MB\n${rows.join('\n')}\n`);
}

function seconds(milliseconds: number): string {
  return `${(milliseconds / 1000).toFixed(1)} s`;
}
