/**
 * How answers are printed: `simple` for people and pipes, `json` for programs, `table` for reading.
 * A printer only makes text; the commands write it.
 */
import Table from 'cli-table3';
import type { DeleteResult, Entry, PutResult, ReplicaReport } from '../client/index.ts';
import type { BatchSummary } from './batch.ts';
import { batchAsCells, batchAsText } from './batch-format.ts';
import type { BenchSummary } from './bench.ts';
import { benchAsCells, benchAsText } from './bench-format.ts';
import type { HealthCheck } from './health.ts';
import { healthAsCells, healthAsJson, healthAsText } from './health-format.ts';
import { probeAsJson, probeAsTable } from './probe-format.ts';
import { type StatusTableOptions, statusAsJson, statusAsTable } from './status-format.ts';

export const OUTPUT_FORMATS = ['simple', 'json', 'table'] as const;
export type OutputFormat = (typeof OUTPUT_FORMATS)[number];

/** One of several keys that were asked for; null: it does not exist. */
export interface Lookup {
  /** The key as it was given. */
  readonly name: string;
  readonly key: Uint8Array;
  readonly entry: Entry | null;
}

/** Turns each kind of answer into what goes to standard output. */
export interface Printer {
  /** @param isTerminal whether a person reads it; only then may a newline follow a bare value */
  entry(entry: Entry, isTerminal: boolean): string | Uint8Array;
  /** Several keys, in the order in which they were asked for. */
  entries(rows: readonly Lookup[]): string | Uint8Array;
  put(key: Uint8Array, result: PutResult): string | Uint8Array;
  deleted(key: Uint8Array, result: DeleteResult): string | Uint8Array;
  status(reports: readonly ReplicaReport[], options: StatusTableOptions): string;
  health(checks: readonly HealthCheck[]): string;
  probe(reports: readonly ReplicaReport[]): string;
  batch(summary: BatchSummary): string;
  bench(summary: BenchSummary): string;
}

const simple: Printer = {
  // Exact bytes through a pipe, so that binary values survive; a newline for people only.
  entry: (entry, isTerminal) => (isTerminal ? withNewline(entry.value) : entry.value),
  entries: (rows) =>
    Buffer.concat(
      rows.flatMap(({ name, entry }) =>
        entry === null ? [] : [Buffer.from(`${name}\n`), withNewline(entry.value)],
      ),
    ),
  put: (_key, result) => lineAndPrevious('OK', result.previous),
  deleted: (_key, result) => lineAndPrevious(result.deleted ? '1' : '0', result.previous),
  status: (reports, options) => `${statusAsTable(reports, options)}\n`,
  health: healthAsText,
  probe: (reports) => `${probeAsTable(reports)}\n`,
  batch: batchAsText,
  bench: benchAsText,
};

const json: Printer = {
  entry: (entry) => jsonLine(rowAsJson(entry.key, entry)),
  entries: (rows) => jsonLine(rows.map(({ key, entry }) => rowAsJson(key, entry))),
  put: (key, result) =>
    jsonLine({ key: base64(key), version: result.version, previous: previousAsJson(result.previous) }),
  deleted: (key, result) =>
    jsonLine({
      key: base64(key),
      deleted: result.deleted ? 1 : 0,
      version: result.version,
      previous: previousAsJson(result.previous),
    }),
  status: (reports) => jsonLine(statusAsJson(reports)),
  health: (checks) => jsonLine(healthAsJson(checks)),
  probe: (reports) => jsonLine(probeAsJson(reports)),
  batch: jsonLine,
  bench: jsonLine,
};

const ENTRY_HEAD = ['key', 'value', 'version'];

const table: Printer = {
  entry: (entry) => tableOf(ENTRY_HEAD, [[entry.key, entry.value, entry.version]]),
  entries: (rows) =>
    tableOf(
      ENTRY_HEAD,
      rows.map(({ key, entry }) => [key, entry?.value ?? '', entry?.version ?? 0]),
    ),
  put: (key, result) =>
    tableOf(['key', 'version', 'previous'], [[key, result.version, result.previous?.value ?? '']]),
  deleted: (key, result) =>
    tableOf(['key', 'deleted', 'previous'], [[key, result.deleted ? 1 : 0, result.previous?.value ?? '']]),
  status: (reports, options) => `${statusAsTable(reports, options)}\n`,
  health: (checks) => {
    const { head, rows } = healthAsCells(checks);
    return tableOf(head, rows);
  },
  probe: (reports) => `${probeAsTable(reports)}\n`,
  batch: (summary) => {
    const { head, cells } = batchAsCells(summary);
    return tableOf(head, [cells]);
  },
  bench: (summary) => {
    const { head, rows } = benchAsCells(summary);
    return tableOf(head, rows);
  },
};

export const PRINTERS: Readonly<Record<OutputFormat, Printer>> = { simple, json, table };

const MAX_CELL = 60;

/** Bytes as one short line of text: as they are if that can be read, otherwise in base64 and marked so. */
export function printable(bytes: Uint8Array): string {
  const text = Buffer.from(bytes).toString('utf8');
  const isText = Buffer.from(text, 'utf8').equals(bytes) && !/[\p{Cc}\p{Cf}]/u.test(text);
  const shown = isText ? text : `base64:${base64(bytes)}`;
  const characters = [...shown];
  return characters.length <= MAX_CELL ? shown : `${characters.slice(0, MAX_CELL - 1).join('')}…`;
}

/** A table with a head; bytes are shown as {@link printable}. */
export function tableOf(
  head: string[],
  rows: readonly (readonly (string | number | Uint8Array)[])[],
): string {
  const result = new Table({ head, style: { head: [], border: [] } });
  for (const row of rows) {
    result.push(row.map((cell) => (cell instanceof Uint8Array ? printable(cell) : String(cell))));
  }
  return `${result.toString()}\n`;
}

function lineAndPrevious(line: string, previous: Entry | null): string | Uint8Array {
  if (previous === null) return `${line}\n`;
  return Buffer.concat([Buffer.from(`${line}\n`), withNewline(previous.value)]);
}

function withNewline(value: Uint8Array): Uint8Array {
  return Buffer.concat([value, Buffer.from('\n')]);
}

function rowAsJson(key: Uint8Array, entry: Entry | null): object {
  return {
    key: base64(key),
    value: entry === null ? null : base64(entry.value),
    version: entry?.version ?? 0,
  };
}

function previousAsJson(previous: Entry | null): object | null {
  return previous === null ? null : { value: base64(previous.value), version: previous.version };
}

function jsonLine(value: unknown): string {
  return `${JSON.stringify(value)}\n`;
}

function base64(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('base64');
}
