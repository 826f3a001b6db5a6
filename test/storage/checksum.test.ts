/** The checksum of an entry is that of its bytes, whatever array they are in. */
import { expect, test } from 'vitest';
import { seal } from '../../src/storage/level-reader.ts';

const key = Buffer.from('key');

test('an entry without a value has one checksum, also once the buffer of the empty array was looked at', () => {
  const value = new Uint8Array(0);
  const before = seal(key, value);
  expect(value.buffer.byteLength).toBe(0);
  expect(seal(key, value)).toEqual(before);
  expect(seal(key, Buffer.alloc(0))).toEqual(before);
});
