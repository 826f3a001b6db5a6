/**
 * A store with tables and a log, of which every state is known that it has had; and what becomes of it when one of its
 * files is damaged.
 */
import { cp, mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { KvError } from '../../src/errors.ts';
import type { ByteStore, ByteWrite } from '../../src/storage/byte-store.ts';
import { openLevelStorage } from '../../src/storage/index.ts';
import {
  ALL_KEYS,
  BATCH_RANGE,
  commandKey,
  GENERATION_KEY,
  PRUNED_KEY,
  parseBatchKey,
  peerKey,
  RESERVATION_KEY,
  recordKey,
  rowKey,
} from '../../src/storage/keys.ts';
import { openChecked } from '../../src/storage/level.ts';
import { scrubEntries } from '../../src/storage/scrub.ts';
import { checkTables } from '../../src/storage/tables.ts';
import { Prng } from '../../src/util/prng.ts';
import { collect } from './samples.ts';

/** What a store holds: keys and values in hex. */
type Contents = ReadonlyMap<string, string>;

export const FILE_KINDS = ['table', 'log', 'MANIFEST', 'CURRENT', 'LOG', 'LOCK'] as const;
export type FileKind = (typeof FILE_KINDS)[number];

const NAMES: Readonly<Record<FileKind, RegExp>> = {
  table: /\.ldb$/,
  log: /\.log$/,
  MANIFEST: /^MANIFEST-/,
  CURRENT: /^CURRENT$/,
  LOG: /^LOG(\.old)?$/,
  LOCK: /^LOCK$/,
};

export const OUTCOMES = ['refused', 'noticed', 'harmless', 'older'] as const;
/**
 * `refused`: at opening, with a message; `noticed`: in reading, with a message; `harmless`: all is there; `older`: the store
 * is what it was some batches ago.
 */
export type Outcome = (typeof OUTCOMES)[number];
export type Tally = Record<Outcome, number>;

/** So few that LevelDB merges no tables, at a time of its own: a seed is to damage the same bytes each time. */
const SESSIONS = 3;
const BATCHES = 40;
const KEYS = 250;

export class DamageBench {
  readonly #root: string;
  /** By the number of the newest batch. */
  readonly #states: ReadonlyMap<number, Contents>;
  readonly #newest: number;

  private constructor(root: string, states: ReadonlyMap<number, Contents>) {
    this.#root = root;
    this.#states = states;
    this.#newest = Math.max(...states.keys());
  }

  /** A store under `root`, an empty directory. */
  static async make(root: string, seed: number): Promise<DamageBench> {
    const random = new Prng(seed);
    const directory = join(root, 'whole');
    const identity = { cluster: 'orders', replica: 1, replicas: 3 };
    await (await openLevelStorage({ directory, identity })).close();
    const states = new Map<number, Contents>();
    // Opening makes a table of the log.
    for (let session = 0; session < SESSIONS; session += 1) {
      const store = await openChecked(join(directory, 'store'));
      for (let batch = 0; batch < BATCHES; batch += 1) {
        await store.write(drawBatch(random), { sync: batch % 4 === 0 });
        const contents = await contentsOf(store);
        states.set(batchOf(contents), contents);
      }
      await store.close();
    }
    return new DamageBench(root, states);
  }

  /** How many files of that kind the store has. */
  async count(kind: FileKind): Promise<number> {
    return (await this.#filesOf(kind)).length;
  }

  /**
   * Damages a copy of the store, and looks at it.
   * @throws Error if what is left differs from what was written without a word
   */
  async run(kind: FileKind, seed: number): Promise<Outcome> {
    const random = new Prng(seed);
    const name = pick(random, await this.#filesOf(kind));
    const directory = join(this.#root, 'damaged');
    await rm(directory, { recursive: true, force: true });
    await mkdir(directory);
    await cp(join(this.#root, 'whole'), directory, { recursive: true });
    const location = join(directory, 'store');
    const what = await damage(join(location, name), random);
    const outcome = await this.#look(location, `${name}, seed ${seed}, ${what}`);
    const mayBeOlder = kind === 'log' || kind === 'MANIFEST' || kind === 'CURRENT';
    if (outcome === 'older' && !mayBeOlder) throw new Error(`${name}, seed ${seed}, ${what}: lost batches`);
    return outcome;
  }

  async #look(location: string, title: string): Promise<Outcome> {
    let store: ByteStore;
    try {
      store = await openChecked(location);
    } catch (error) {
      if (error instanceof KvError && error.code === 'storageFailure' && error.message !== '')
        return 'refused';
      throw new Error(`${title}: it ended with something else`, { cause: error });
    }
    try {
      await collect(scrubEntries(store));
      await collect(checkTables(location));
      return await this.#compare(store, title);
    } catch (error) {
      if (error instanceof KvError && error.code === 'storageFailure' && error.message !== '')
        return 'noticed';
      throw error;
    } finally {
      await store.close();
    }
  }

  async #compare(store: ByteStore, title: string): Promise<Outcome> {
    const found = await contentsOf(store);
    // Without an identity a replica refuses the store.
    if (!found.has('00')) return 'refused';
    const batch = batchOf(found);
    const written = this.#states.get(batch);
    if (written === undefined || !isEqual(written, found)) throw new Error(`${title}: a silent difference`);
    for (const place of this.#states.get(this.#newest)?.keys() ?? []) {
      const value = store.get(Buffer.from(place, 'hex'));
      if (hexOf(value) !== written.get(place)) throw new Error(`${title}: get differs at ${place}`);
    }
    return batch === this.#newest ? 'harmless' : 'older';
  }

  async #filesOf(kind: FileKind): Promise<string[]> {
    const names = await readdir(join(this.#root, 'whole', 'store'));
    return names.filter((name) => NAMES[kind].test(name)).sort();
  }
}

/** @returns what was done, in words */
async function damage(path: string, random: Prng): Promise<string> {
  const bytes = await readFile(path);
  const at = random.integer(0, Math.max(0, bytes.length - 1));
  const kind = bytes.length === 0 ? 3 : random.integer(0, 3);
  switch (kind) {
    case 0: {
      const bit = random.integer(0, 7);
      bytes.writeUInt8(bytes.readUInt8(at) ^ (1 << bit), at);
      await writeFile(path, bytes);
      return `bit ${bit} of byte ${at} flipped`;
    }
    case 1: {
      const end = Math.min(bytes.length, at + random.integer(1, pick(random, [16, 512, 65_536])));
      await writeFile(path, bytes.fill(0, at, end));
      return `bytes ${at} to ${end} zeroed`;
    }
    case 2:
      await writeFile(path, bytes.subarray(0, at));
      return `cut off at ${at}`;
    default:
      await rm(path);
      return 'missing';
  }
}

function drawBatch(random: Prng): ByteWrite[] {
  const writes: ByteWrite[] = [];
  for (let count = random.integer(1, 8); count > 0; count -= 1) {
    const id = { replica: random.integer(1, 3), slot: random.integer(1, 60) };
    const row = rowKey(`key ${random.integer(1, KEYS)}`);
    const key = pick(random, [row, row, row, recordKey(id), commandKey(id)]);
    writes.push({
      key,
      value: random.next() < 0.2 ? null : drawBytes(random, pick(random, [10, 100, 3_000])),
    });
  }
  const fact = pick(random, [RESERVATION_KEY, PRUNED_KEY, GENERATION_KEY, peerKey(2), peerKey(3)]);
  writes.push({ key: fact, value: drawBytes(random, 20) });
  return writes;
}

/** Half of them can be compressed. */
function drawBytes(random: Prng, most: number): Buffer {
  const bytes = Buffer.alloc(random.integer(0, most), 'text ');
  if (random.next() < 0.5) for (let at = 0; at < bytes.length; at += 1) bytes[at] = random.integer(0, 255);
  return bytes;
}

async function contentsOf(store: ByteStore): Promise<Contents> {
  const contents = new Map<string, string>();
  for await (const [key, value] of store.entries(ALL_KEYS))
    contents.set(hexOf(key) ?? '', hexOf(value) ?? '');
  return contents;
}

function batchOf(contents: Contents): number {
  const first = Buffer.from(BATCH_RANGE.start).toString('hex');
  const notes = [...contents.keys()].filter((key) => key.startsWith(first));
  return notes.length === 1 ? parseBatchKey(Buffer.from(notes[0] ?? '', 'hex')) : 0;
}

function isEqual(left: Contents, right: Contents): boolean {
  return left.size === right.size && [...left].every(([key, value]) => right.get(key) === value);
}

function hexOf(bytes: Uint8Array | undefined): string | undefined {
  return bytes && Buffer.from(bytes).toString('hex');
}

function pick<T>(random: Prng, choices: readonly T[]): T {
  const choice = choices[random.integer(0, choices.length - 1)];
  if (choice === undefined) throw new Error('there is nothing to choose from');
  return choice;
}
