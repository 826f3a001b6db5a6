/** The contract of the storage port, continued: entries of a snapshot that are too large for one chunk come in pieces. */
import { describe, expect, test } from 'vitest';
import { cutIntoChunks } from '../../src/node/snapshot-chunks.ts';
import type { Storage } from '../../src/storage/index.ts';
import type { SnapshotChunk } from '../../src/wire/index.ts';
import type { StoreMaker } from './contract.ts';
import { contentsOf } from './contract-snapshots.ts';
import { codeOf, collect, committedRecord, effectsOf, rowOf } from './samples.ts';

const CHUNK_BYTES = 300;
const NOTHING_PRUNED = { pruned: [0, 0, 0], floor: [0, 0, 0] };
const CLIENT = 'client'.padEnd(16);

/** A store with a command, a page of answers and a row that are larger than a chunk, and small ones around them. */
async function fill(storage: Storage): Promise<void> {
  const records = [1, 2, 3].map((slot) =>
    committedRecord({ replica: 2, slot }, 'x'.repeat(slot === 2 ? 1_000 : 1)),
  );
  await storage.writeRecords(records, { sync: true });
  const answers = [1, 2, 3, 4, 70, 140].map((sequence) => ({
    request: { client: CLIENT, sequence, generation: 1 },
    key: 'a',
    result: { version: sequence + 1, value: Buffer.alloc(400, sequence), previousVersion: sequence },
  }));
  const rows = [10, 2_000, 20, 30].map((length, index) => ({
    key: `${index}`,
    row: rowOf('y'.repeat(length)),
  }));
  const executed = records.map(({ id }) => id);
  await storage.writeEffects(effectsOf({ executed, answers, rows, pruned: NOTHING_PRUNED }));
}

/** With every answer that is kept. */
async function everythingIn(storage: Storage): Promise<unknown> {
  const pages = await collect(storage.answerPages());
  const values = pages.flatMap(({ others }) =>
    Array.from(others ?? [], ([name, { result }]) => [name, result]),
  );
  return { ...((await contentsOf(storage)) as object), values };
}

export function testPieces(create: () => Promise<Storage>, reopen: StoreMaker['reopen']): void {
  const chunksOfSender = async (): Promise<SnapshotChunk[]> => {
    const sender = await create();
    await fill(sender);
    const view = sender.openSnapshot();
    const cuts = await collect(cutIntoChunks(view.entries(null), { offset: 0, chunkBytes: CHUNK_BYTES }));
    await view.close();
    return cuts.map((cut) => ({ id: 's', pruned: view.pruned, ...cut }));
  };

  describe('a snapshot with large entries', () => {
    test('is staged piece by piece, over restarts, and is whole when it is installed', async () => {
      const sender = await create();
      await fill(sender);
      const chunks = await chunksOfSender();
      expect(chunks.filter(({ rest }) => rest > 0).length).toBeGreaterThan(15);
      let storage = await create();
      for (const [index, chunk] of chunks.entries()) {
        await storage.staging.add(2, chunk);
        if (index % 4 === 0) storage = await reopen(storage);
        const { part } = storage.staging.status() ?? {};
        expect(part?.rest ?? 0).toBe(chunk.rest);
      }
      expect(await storage.staging.install()).toBe(true);
      expect(await everythingIn(await reopen(storage))).toEqual(await everythingIn(sender));
    });

    test('leaves nothing in another one if it is dropped within an entry', async () => {
      const storage = await create();
      const chunks = await chunksOfSender();
      const cut = chunks.findIndex(({ rest }) => rest > 0);
      for (const chunk of chunks.slice(0, cut + 2)) await storage.staging.add(2, { ...chunk, id: 'first' });
      for (const chunk of chunks) await storage.staging.add(2, chunk);
      expect(await storage.staging.install()).toBe(true);
      const sender = await create();
      await fill(sender);
      expect(await everythingIn(storage)).toEqual(await everythingIn(sender));
    });

    test('is refused where a piece does not belong behind the one before, and changes nothing', async () => {
      const storage = await create();
      const chunks = await chunksOfSender();
      const cut = chunks.findIndex(({ rest }) => rest > 0);
      for (const chunk of chunks.slice(0, cut + 1)) await storage.staging.add(2, chunk);
      const before = storage.staging.status();
      expect(before?.part).toMatchObject({ bytes: expect.any(Number), rest: chunks[cut]?.rest });
      const next = chunks[cut + 1] ?? expect.fail('a chunk');
      const [piece] = next.entries;
      if (piece === undefined) expect.fail('a piece');
      const key = Buffer.concat([piece.key, Buffer.from([1])]);
      const wrong: readonly (readonly [what: string, chunk: SnapshotChunk])[] = [
        ['of another entry', { ...next, entries: [{ ...piece, key }] }],
        ['too short', { ...next, rest: 0 }],
        ['too long', { ...next, rest: next.rest + 1 }],
        [
          'of nothing',
          { ...next, entries: [{ ...piece, value: Buffer.alloc(0) }], rest: before?.part?.rest ?? 0 },
        ],
        ['none, at the end', { ...next, entries: [], rest: 0, done: true }],
        ['not the last, at the end', { ...next, done: true }],
        ['the next entry', chunks.at(-1) ?? next],
      ];
      for (const [what, chunk] of wrong) {
        const refusal = await storage.staging.add(2, chunk).then(() => 'taken', codeOf);
        expect([what, refusal]).toEqual([what, 'invalidArgument']);
        expect(storage.staging.status()).toEqual(before);
      }
      for (const chunk of chunks.slice(cut + 1)) await storage.staging.add(2, chunk);
      expect(await storage.staging.install()).toBe(true);
    });

    test('is refused where it ends within an entry, whatever entry that is', async () => {
      const chunks = await chunksOfSender();
      const cuts = chunks.flatMap(({ rest }, index) =>
        rest > 0 && (chunks[index - 1]?.rest ?? 0) === 0 ? [index] : [],
      );
      expect(cuts.length).toBeGreaterThan(2);
      for (const cut of cuts) {
        const storage = await create();
        for (const chunk of chunks.slice(0, cut + 1)) await storage.staging.add(2, chunk);
        const last: SnapshotChunk = { id: 's', pruned: NOTHING_PRUNED, entries: [], rest: 0, done: true };
        expect(await storage.staging.add(2, last).then(() => 'taken', codeOf)).toBe('invalidArgument');
        expect(storage.staging.status()?.complete).toBe(false);
      }
    });

    test('is refused where an entry would be larger than any can be', async () => {
      const storage = await create();
      const [chunk] = await chunksOfSender();
      const [first] = chunk?.entries ?? [];
      if (chunk === undefined || first === undefined) expect.fail('an entry');
      const huge = { ...chunk, entries: [first], rest: 2 ** 31, done: false };
      expect(await storage.staging.add(2, huge).then(() => 'taken', codeOf)).toBe('invalidArgument');
      expect(storage.staging.status()).toBeNull();
    });
  });
}
