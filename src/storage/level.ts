/**
 * Opening a data directory. It holds one directory, `store`, with a LevelDB database; nothing else is in it
 * but, for a moment at the very first start, `store.new`, and what belongs to its volume. A new database is made there, given its identity,
 * and only then renamed: so a directory never has a store without identity, wherever a first start is cut
 * off, and whatever else is found was made by somebody else and is left alone (R6.5).
 */
import { readdir, rename } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { isClusterSize } from '../epaxos/index.ts';
import { KvError } from '../errors.ts';
import { assert } from '../util/assert.ts';
import { makeDirectory } from '../util/make-directory.ts';
import { PROGRAM_VERSION } from '../util/program-version.ts';
import type { ByteStore } from './byte-store.ts';
import { EncodedStorage } from './encoded-storage.ts';
import {
  decodeIdentity,
  describeIdentity,
  drawRunId,
  drawStoreId,
  encodeIdentity,
  type FormattedIdentity,
  type StoredIdentity,
  sameIdentity,
  withFormat,
} from './identity.ts';
import { IDENTITY_KEY } from './keys.ts';
import { LevelByteStore } from './level-byte-store.ts';
import { PinnedStore } from './pinned-store.ts';
import type { Identity, Storage } from './storage.ts';
import { syncDirectory } from './sync-directory.ts';
import { checkTables } from './tables.ts';

const STORE = 'store';
const NEW_STORE = 'store.new';
/**
 * What file systems and those who mount them put into the root of a volume, which may be a data directory: ext4's place
 * for what a repair finds, snapshots of NFS servers and ZFS, files that NFS keeps as somebody has them open, macOS's notes.
 */
const OF_VOLUME = [/^lost\+found$/, /^\.snapshots?$/, /^\.zfs$/, /^\.nfs/, /^\.DS_Store$/];

/**
 * Opens the data directory of a replica; makes it where there is none, in an empty one or an empty volume. What a crash cut off in
 * the installation of a snapshot is finished first.
 * @throws KvError dataDirectoryMismatch if it holds anybody else's data, dataDirectoryLocked if a process has
 *   it open, storageFailure if it cannot be used or what it holds is damaged
 */
export async function openLevelStorage(options: {
  readonly directory: string;
  readonly identity: Identity;
}): Promise<Storage> {
  const directory = resolve(options.directory);
  const identity = withFormat(options.identity);
  assert(isClusterSize(identity.replicas), `a cluster has 3, 5 or 7 replicas, not ${identity.replicas}`);
  if (await prepareDirectory(directory)) await createStore(directory, identity);
  const location = join(directory, STORE);
  const store = await openChecked(location);
  try {
    const stored = checkIdentity({ directory, asked: identity, stored: store.get(IDENTITY_KEY) });
    const storage = new EncodedStorage({
      store,
      id: stored.store,
      run: drawRunId(),
      replicas: identity.replicas,
      scrubFiles: () => checkTables(location),
    });
    await storage.recover();
    return storage;
  } catch (error) {
    await store.close();
    throw error;
  }
}

/**
 * Opens a store that is there, and all of whose tables have good checksums.
 * @throws KvError dataDirectoryLocked or storageFailure, as {@link openLevelStorage}
 */
export async function openChecked(location: string): Promise<ByteStore> {
  for await (const _ of checkTables(location)); // it throws
  const store = await LevelByteStore.open({ location, create: false });
  try {
    return await PinnedStore.over(store);
  } catch (error) {
    await store.close();
    throw error;
  }
}

/** Makes the directory where it is missing. True if there is no store in it yet. */
async function prepareDirectory(directory: string): Promise<boolean> {
  let found: string[];
  try {
    const created = await makeDirectory(directory);
    if (created !== undefined) await syncDirectory(dirname(created));
    found = await readdir(directory);
  } catch (error) {
    throw unusable(directory, error);
  }
  if (found.includes(STORE)) return false;
  const foreign = found.filter((name) => name !== NEW_STORE && !isOfVolume(name));
  if (foreign.length > 0) {
    throw new KvError(
      'dataDirectoryMismatch',
      `${directory} holds no store of this program, but other files (${foreign.slice(0, 3).join(', ')}); ` +
        "choose the replica's own data directory, or an empty one if the replica never ran before",
    );
  }
  return true;
}

function isOfVolume(name: string): boolean {
  return OF_VOLUME.some((pattern) => pattern.test(name));
}

async function createStore(directory: string, identity: FormattedIdentity): Promise<void> {
  const location = join(directory, NEW_STORE);
  const store = await LevelByteStore.open({ location, create: true });
  try {
    const value = encodeIdentity({ ...identity, store: drawStoreId() });
    await store.write([{ key: IDENTITY_KEY, value }], { sync: true });
  } finally {
    await store.close();
  }
  try {
    await rename(location, join(directory, STORE));
    await syncDirectory(directory);
  } catch (error) {
    throw unusable(directory, error);
  }
}

function checkIdentity(options: {
  readonly directory: string;
  readonly asked: FormattedIdentity;
  readonly stored: Uint8Array | undefined;
}): StoredIdentity {
  const { directory, asked } = options;
  const wanted = describeIdentity(asked);
  if (!options.stored) {
    throw new KvError(
      'dataDirectoryMismatch',
      `${directory} holds a store without identity, but ${wanted} was asked for; choose the replica's own data directory`,
    );
  }
  const stored = readIdentity(directory, options.stored);
  if (sameIdentity(stored, asked)) return stored;
  if (stored.format !== asked.format) throw otherFormat(directory, { stored, asked });
  throw new KvError(
    'dataDirectoryMismatch',
    `${directory} belongs to ${describeIdentity(stored)}, but ${wanted} was asked for; ` +
      "choose the replica's own data directory, or an empty one if the replica never ran before",
  );
}

function otherFormat(
  directory: string,
  { stored, asked }: { readonly stored: StoredIdentity; readonly asked: FormattedIdentity },
): KvError {
  const isOlder = stored.format < asked.format;
  return new KvError(
    'dataDirectoryMismatch',
    `${directory} has format ${stored.format}, of ${isOlder ? 'an earlier' : 'a later'} version of this program, and this ` +
      `version (${PROGRAM_VERSION}) reads and writes format ${asked.format} only; nothing in it was changed: start it with ` +
      'that version, or, to go on with this one, begin a new cluster in empty directories and copy the keys over ' +
      'with the clients of both',
  );
}

function readIdentity(directory: string, bytes: Uint8Array): StoredIdentity {
  try {
    return decodeIdentity(bytes);
  } catch (error) {
    throw unusable(directory, error);
  }
}

function unusable(directory: string, error: unknown): KvError {
  const reason = error instanceof Error ? error.message : String(error);
  return new KvError('storageFailure', `cannot use the data directory ${directory}: ${reason}`, {
    cause: error,
  });
}
