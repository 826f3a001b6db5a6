/** The checksum of an entry is that of its bytes, whatever array they are in. */
import { expect, test } from 'vitest';
import { crc32c } from '../../src/storage/crc32c.ts';
import { seal } from '../../src/storage/level-reader.ts';
import { uncompress } from '../../src/storage/snappy.ts';

const key = Buffer.from('key');

test('an entry without a value has one checksum, also once the buffer of the empty array was looked at', () => {
  const value = new Uint8Array(0);
  const before = seal(key, value);
  expect(value.buffer.byteLength).toBe(0);
  expect(seal(key, value)).toEqual(before);
  expect(seal(key, Buffer.alloc(0))).toEqual(before);
});

test('the checksum of LevelDB is CRC-32C', () => {
  expect(crc32c(Buffer.from('123456789'))).toBe(0xe3069283);
  expect(crc32c(Buffer.alloc(32))).toBe(0x8a9136aa);
});

test('what LevelDB compresses is read: literals, and copies of every kind, of what they write themselves, too', () => {
  const bytes = (...parts: (string | number)[]) =>
    Buffer.concat(parts.map((part) => (typeof part === 'string' ? Buffer.from(part) : Buffer.of(part))));
  expect(uncompress(bytes(0))).toEqual(Buffer.alloc(0));
  expect(uncompress(bytes(11, 2 << 2, 'abc', ((8 - 4) << 2) | 1, 3)).toString()).toBe('abcabcabcab');
  expect(uncompress(bytes(5, 1 << 2, 'ab', (2 << 2) | 2, 2, 0)).toString()).toBe('ababa');
  expect(uncompress(bytes(5, 1 << 2, 'ab', (2 << 2) | 3, 2, 0, 0, 0)).toString()).toBe('ababa');
  expect(uncompress(bytes(70, 60 << 2, 69, 'x'.repeat(70))).toString()).toBe('x'.repeat(70));
  for (const wrong of [[], [1], [2, 1 << 2, 'a'], [5, 0, 'a', (3 << 2) | 2, 2, 0], [1, 1 << 2, 'ab']]) {
    expect(() => uncompress(bytes(...wrong))).toThrow();
  }
});
