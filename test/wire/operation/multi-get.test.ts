/** Multi-gets: what they touch, their limits, and protobuf's own reader and writer beside ours. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type KvOperation, LIMITS } from '../../../src/kv/index.ts';
import {
  commandFromWire,
  decodeOperation,
  encodeMultiGet,
  keyToString,
  messageCodec,
} from '../../../src/wire/index.ts';
import { multiGetOperation } from '../../support/kv-operations.ts';
import { codeOf } from '../../support/refusals.ts';
import { anyKeys, anyRequest, encodedCommand } from '../arbitraries.ts';

interface WireMultiGet {
  readonly request?: {
    readonly client: Uint8Array;
    readonly sequence: number;
    readonly generation: number | null;
  };
  readonly get?: { readonly key: Uint8Array };
  readonly put?: { readonly key: Uint8Array };
  readonly delete?: { readonly key: Uint8Array };
  readonly multiGet?: { readonly keys: readonly Uint8Array[] };
}

const wire = messageCodec<WireMultiGet>('Operation');
const client = Buffer.alloc(16, 1);
const named = { client, sequence: 1, generation: 1 };
const request = { client: keyToString(client), sequence: 1, generation: 1 };
const key = Buffer.from('key');

function keysOf(operation: KvOperation): readonly string[] {
  if (operation.kind !== 'multiGet') throw new TypeError(`${operation.kind} instead of a multi-get`);
  return operation.keys;
}

/** So many keys of that length each, and the operation that reads them. */
function read(count: number, keyBytes: number): () => KvOperation {
  return () =>
    multiGetOperation({ request, keys: new Array<Uint8Array>(count).fill(new Uint8Array(keyBytes)) });
}

describe('a multi-get', () => {
  test('touches each of its keys, and is named by the first', () => {
    fc.assert(
      fc.property(anyRequest, anyKeys, (name, bytes) => {
        const keys = bytes.map(keyToString);
        const operation = multiGetOperation({ request: name, keys: bytes });
        expect(operation).toMatchObject({ kind: 'multiGet', request: name, key: keys[0], keys });
        expect(operation.accesses).toEqual(keys.map((each) => ({ key: each, writes: false })));
        expect(operation.accesses).toBe(operation.accesses);
      }),
    );
  });

  test('keeps its keys in their order, one that is named twice twice', () => {
    const keys = ['b', 'a', 'b'];
    const operation = multiGetOperation({ request, keys: keys.map((each) => Buffer.from(each)) });
    expect(operation.keys).toEqual(keys);
    expect(operation.key).toBe('b');
  });

  test('does not change with the buffers it was made of', () => {
    const changing = [Buffer.from('a'), Buffer.from('b')];
    const operation = multiGetOperation({ request, keys: changing });
    for (const bytes of changing) bytes.fill(0);
    expect(operation.keys).toEqual(['a', 'b']);
    expect(keysOf(decodeOperation(operation.bytes))).toEqual(['a', 'b']);
  });

  test('has 1 to so many keys, each as long as a key may be', () => {
    expect(codeOf(read(0, 1))).toBe('invalidArgument');
    expect(codeOf(read(1, 1))).toBe('none');
    expect(codeOf(read(LIMITS.multiGetKeys, 1))).toBe('none');
    expect(codeOf(read(LIMITS.multiGetKeys + 1, 1))).toBe('limitExceeded');
    expect(codeOf(read(2, LIMITS.keyBytes))).toBe('none');
    expect(codeOf(read(2, LIMITS.keyBytes + 1))).toBe('limitExceeded');
    expect(codeOf(read(2, 0))).toBe('invalidArgument');
    const oneEmpty = () => multiGetOperation({ request, keys: [key, Buffer.alloc(0)] });
    expect(codeOf(oneEmpty)).toBe('invalidArgument');
  });

  test('fits into a command, or is refused before it is in one', () => {
    const fitting = read(LIMITS.multiGetKeys - 1, LIMITS.keyBytes)();
    expect(commandFromWire(encodedCommand([fitting.bytes])).operations).toHaveLength(1);
    expect(codeOf(read(LIMITS.multiGetKeys, LIMITS.keyBytes))).toBe('limitExceeded');
  });

  test.each<[string, WireMultiGet, string]>([
    ['no request', { multiGet: { keys: [key] } }, 'invalidArgument'],
    ['no key', { request: named, multiGet: { keys: [] } }, 'invalidArgument'],
    ['an empty key', { request: named, multiGet: { keys: [key, Buffer.alloc(0)] } }, 'invalidArgument'],
    ['a get beside it', { request: named, get: { key }, multiGet: { keys: [key] } }, 'invalidArgument'],
    ['a put beside it', { request: named, put: { key }, multiGet: { keys: [key] } }, 'invalidArgument'],
    ['a delete beside it', { request: named, delete: { key }, multiGet: { keys: [key] } }, 'invalidArgument'],
    [
      'a long key',
      { request: named, multiGet: { keys: [key, new Uint8Array(LIMITS.keyBytes + 1)] } },
      'limitExceeded',
    ],
    [
      'too many keys',
      {
        request: named,
        multiGet: { keys: new Array<Uint8Array>(LIMITS.multiGetKeys + 1).fill(key) },
      },
      'limitExceeded',
    ],
    [
      'more bytes than a command',
      {
        request: named,
        multiGet: {
          keys: new Array<Uint8Array>(LIMITS.multiGetKeys).fill(new Uint8Array(LIMITS.keyBytes)),
        },
      },
      'limitExceeded',
    ],
  ])('bytes with %s are refused', (_what, message, code) => {
    expect(codeOf(() => decodeOperation(wire.encode(message)))).toBe(code);
  });

  test('every cut of one is refused', () => {
    const { bytes } = multiGetOperation({ request, keys: [key, key] });
    for (let length = 0; length < bytes.length; length++) {
      expect(
        codeOf(() => decodeOperation(bytes.subarray(0, length))),
        `${length} bytes`,
      ).toBe('invalidArgument');
    }
  });
});

describe('beside protobuf’s own reader and writer', () => {
  test('what is encoded here is read there, and the other way round; in the same bytes', () => {
    fc.assert(
      fc.property(anyRequest, anyKeys, (name, keys) => {
        const { sequence, generation } = name;
        const id = { client: Buffer.from(name.client, 'latin1'), sequence, generation };
        const ours = encodeMultiGet({ ...id, keys });
        const request = { ...id, generation: generation || null }; // the default is left out
        const theirs = wire.encode({ request, multiGet: { keys } });
        expect(ours.equals(theirs)).toBe(true);
        expect(ours.equals(multiGetOperation({ request: name, keys }).bytes)).toBe(true);
        expect(wire.decode(ours).multiGet?.keys.map(keyToString)).toEqual(keys.map(keyToString));
        expect(keysOf(decodeOperation(theirs))).toEqual(keys.map(keyToString));
      }),
    );
  });

  test('of several the last one counts, and unknown fields are skipped', () => {
    const body = (...keys: readonly string[]) => {
      const fields = keys.map((each) => Buffer.from([0x0a, each.length, ...Buffer.from(each)]));
      return Buffer.concat(fields);
    };
    const unknown = Buffer.from([0x78, 1]);
    const field = (content: Buffer) => Buffer.concat([Buffer.from([0x2a, content.length]), content]);
    const bytes = Buffer.concat([
      field(body('a', 'b')),
      unknown,
      wire.encode({ request: named }),
      field(Buffer.concat([body('c'), unknown, body('d', 'c')])),
    ]);
    const theirs = wire.decode(bytes).multiGet?.keys.map(keyToString);
    expect(theirs).toEqual(['c', 'd', 'c']);
    expect(keysOf(decodeOperation(bytes))).toEqual(theirs);
  });
});
