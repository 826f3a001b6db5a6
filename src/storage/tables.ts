/** All of LevelDB's tables in a directory: what is wrong with them (table-file.ts). */
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { KvError } from '../errors.ts';
import { tablesInUse } from './manifest.ts';
import { checkTable, type TableReport } from './table-file.ts';

/**
 * Looks at the tables in use, one at each step. What is being written just now is not in use yet, and what a merge that
 * was cut off has left never will be. To be done before the database is opened, too: LevelDB ends the process where it
 * meets a damaged table, or merges it into a new one.
 * @throws KvError storageFailure if a table is damaged
 */
export async function* checkTables(location: string): AsyncIterable<{ readonly bytes: number }> {
  const inUse = await tablesInUse(location);
  for (const name of await tablesIn(location)) {
    if (!inUse.has(Number.parseInt(name, 10))) continue;
    const path = join(location, name);
    const report = await reportOn(path);
    if (report === null) continue;
    const { bytes, damage } = report;
    if (damage !== null) {
      const message = `${path} is damaged: ${damage}; its store must not be used any more`;
      throw new KvError('storageFailure', message);
    }
    yield { bytes };
  }
}

/** Null: it is there no longer, merged with others into a new one. */
async function reportOn(path: string): Promise<TableReport | null> {
  try {
    return await checkTable(path);
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return null;
    throw unreadable(path, error);
  }
}

/** In the order of their names. */
async function tablesIn(location: string): Promise<string[]> {
  const names = await readdir(location).catch((error: unknown) => {
    throw unreadable(location, error);
  });
  return names.filter((name) => /^\d+\.(ldb|sst)$/.test(name)).sort();
}

function unreadable(path: string, error: unknown): KvError {
  const reason = error instanceof Error ? error.message : String(error);
  return new KvError('storageFailure', `cannot read ${path}: ${reason}`, { cause: error });
}
