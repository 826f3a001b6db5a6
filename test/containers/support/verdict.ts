/** What must hold once everything is well again, whatever was done to the cluster. */
import { expect } from 'vitest';
import { connect } from '../../../src/client/index.ts';
import { checkLinearizability, type HistoryOperation } from '../../sim/checkers/linearizability.ts';
import type { ContainerCluster, Table } from './cluster.ts';
import type { Recorder } from './recorder.ts';
import { report } from './report.ts';

/** Steps of the search for an order, for each key; far more than a history in order needs. */
const MOST_STEPS = 200_000;
const READ_TIMEOUT_MS = 30_000;

/**
 * Reads every key at every replica, and stops the cluster. Then every replica must hold the same table, every
 * acknowledged write must be in it or have been overwritten, and the history must be linearizable.
 */
export async function expectAllWell(
  scenario: string,
  cluster: ContainerCluster,
  { recorder, keys }: { readonly recorder: Recorder; readonly keys: readonly string[] },
): Promise<void> {
  const { counts, errors, longestStallMs } = recorder;
  let verdict = 'failed';
  let lost: readonly HistoryOperation[] = [];
  try {
    await cluster.untilConnected();
    await readEverywhere(cluster, recorder, keys);
    await cluster.untilConverged();
    const tables = await cluster.stopAndReadTables();
    lost = lostWrites(recorder.history, tables[0] ?? new Map());
    expect(lost, 'acknowledged writes that are not there').toEqual([]);
    for (const table of tables) expect(table).toEqual(tables[0]);
    expect(checkLinearizability(recorder.history, MOST_STEPS)).toEqual({ type: 'linearizable' });
    verdict = 'linearizable, tables equal';
  } finally {
    const replicas = cluster.ids.length;
    report({ scenario, replicas, ...counts, lost: lost.length, longestStallMs, errors, verdict });
  }
}

async function readEverywhere(
  cluster: ContainerCluster,
  recorder: Recorder,
  keys: readonly string[],
): Promise<void> {
  const readers = cluster.endpoints.map((endpoint) =>
    connect({ endpoints: endpoint, timeoutMs: READ_TIMEOUT_MS }),
  );
  const { notApplied } = recorder.counts;
  await Promise.all(readers.flatMap((reader) => keys.map((key) => recorder.get(reader, key))));
  for (const reader of readers) reader.close();
  expect(recorder.counts.notApplied, `failed reads at the end (${recorder.errors})`).toBe(notApplied);
}

/**
 * Acknowledged writes that must be seen in the table, and are not. Only those are judged that nothing can have
 * overwritten: every other write of the key was answered before they began.
 */
export function lostWrites(history: readonly HistoryOperation[], table: Table): readonly HistoryOperation[] {
  const lastAnswer = new Map<string, { latest: HistoryOperation; second: number }>();
  for (const operation of history) {
    if (operation.kind === 'get') continue;
    const known = lastAnswer.get(operation.key);
    if (known === undefined) lastAnswer.set(operation.key, { latest: operation, second: 0 });
    else if (operation.answeredAt > known.latest.answeredAt) {
      lastAnswer.set(operation.key, { latest: operation, second: known.latest.answeredAt });
    } else known.second = Math.max(known.second, operation.answeredAt);
  }
  return [...lastAnswer.values()].flatMap(({ latest, second }) => {
    if (latest.result === null || second > latest.invokedAt) return [];
    return (table.get(latest.key)?.value ?? null) === latest.value ? [] : [latest];
  });
}
