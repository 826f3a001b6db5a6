/** The check of what lies in stores can fail. */
import { describe, expect, test } from 'vitest';
import {
  commandKey,
  PRUNED_KEY,
  pieceKey,
  prunedNoOpKey,
  recordKey,
  STAGING_KEY,
  stagedKey,
} from '../../../src/storage/keys.ts';
import { seal } from '../../../src/storage/level-reader.ts';
import { encodePruned, keyToString } from '../../../src/wire/index.ts';
import { Violation } from '../checkers/violation.ts';
import { checkLeftovers } from './leftovers.ts';
import { SortedBytes } from './sorted-bytes.ts';

const NOTHING = new Uint8Array(0);
const ID = { replica: 2, slot: 3 };

type Entry = readonly [key: Uint8Array, value: Uint8Array];

function contentsOf(...entries: readonly Entry[]): SortedBytes {
  const contents = new SortedBytes();
  contents.apply(entries.map(([key, value]) => [keyToString(key), seal(key, value)]));
  return contents;
}

function refusal(check: () => void): string | null {
  try {
    check();
    return null;
  } catch (error) {
    if (error instanceof Violation) return error.check;
    throw error;
  }
}

describe('what lies in a store', () => {
  const checked = (...entries: readonly Entry[]) =>
    refusal(() => checkLeftovers(contentsOf(...entries), { name: 'a store', replicas: 3 }));
  const pruned = (slot: number) =>
    [PRUNED_KEY, encodePruned({ pruned: [0, slot, 0], floor: [0, 0, 0] })] as const;

  test.each([
    ['an entry', stagedKey(recordKey(ID))],
    ['a piece', pieceKey(0)],
    ['a no-op', prunedNoOpKey(recordKey(ID))],
  ])('%s of a copy is not there without its note', (_what, key) => {
    expect(checked([key, NOTHING])).toBe('bounds');
    expect(checked([key, NOTHING], [STAGING_KEY, NOTHING])).toBeNull();
  });

  test('nothing of what is pruned is there', () => {
    expect(checked(pruned(2), [recordKey(ID), NOTHING])).toBeNull();
    for (const key of [recordKey(ID), commandKey(ID)]) {
      expect(checked(pruned(3), [key, NOTHING])).toBe('bounds');
    }
  });
});
