/** The schema: where it is found, and what its decoders make of numbers, defaults and bad bytes. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import * as protoLoader from '@grpc/proto-loader';
import protobuf from 'protobufjs';
import { describe, expect, test } from 'vitest';
import { KvError } from '../../src/errors.ts';
import { messageCodec, PROTO_DIRECTORY, PROTO_FILES } from '../../src/wire/index.ts';

interface Attributes {
  readonly seq: number;
  readonly deps: readonly number[];
}
const attributes = messageCodec<Attributes>('Attributes');

function varint(value: bigint): number[] {
  const bytes: number[] = [];
  for (let rest = value; ; rest >>= 7n) {
    if (rest < 0x80n) return [...bytes, Number(rest)];
    bytes.push(Number(rest & 0x7fn) | 0x80);
  }
}

describe('schema', () => {
  test('every file of it is where the decoders look for it', () => {
    for (const file of PROTO_FILES) expect(existsSync(join(PROTO_DIRECTORY, file)), file).toBe(true);
  });

  test('a message of millions of empty elements is refused before they are made', () => {
    const type = messageCodec<{ readonly keys: readonly Uint8Array[] }>('MultiGetRequest');
    const empty = (count: number) => Buffer.alloc(2 * count, Buffer.from([0x0a, 0x00]));
    expect(type.decode(empty(500_000)).keys).toHaveLength(500_000);
    expect(() => type.decode(empty(1_000_000))).toThrow(
      'malformed MultiGetRequest: more than 1048576 fields',
    );
  });

  test('every message type of it can be encoded and decoded', () => {
    const root = new protobuf.Root();
    root.resolvePath = (_origin, target) => join(PROTO_DIRECTORY, target);
    root.loadSync([...PROTO_FILES]);
    const names = root.lookup('epaxos.v1') as protobuf.Namespace;
    const types = names.nestedArray.filter((member) => member instanceof protobuf.Type);
    expect(types.length).toBeGreaterThan(40);
    for (const { name } of types) {
      const type = messageCodec<object>(name);
      expect(type.encode({}).length, name).toBe(0);
      expect(type.decode(new Uint8Array(0)), name).toBeDefined();
    }
  });

  test.each([0, 1, 127, 128, 2 ** 31, 2 ** 32 - 1, 2 ** 32, 2 ** 49 + 1, Number.MAX_SAFE_INTEGER])(
    'the 64-bit integer %d is decoded as that number',
    (seq) => {
      const decoded = attributes.decode(attributes.encode({ seq, deps: [seq, 0, seq] }));
      expect(decoded.seq).toBe(seq);
      expect(decoded.deps).toEqual([seq, 0, seq]);
    },
  );

  test.each([2n ** 53n, 2n ** 53n + 1n, 2n ** 63n, 2n ** 64n - 1n])(
    'the 64-bit integer %d is decoded as a number that is not a safe integer',
    (value) => {
      const { seq } = attributes.decode(Uint8Array.from([0x08, ...varint(value)]));
      expect(typeof seq).toBe('number');
      expect(Number.isSafeInteger(seq)).toBe(false);
    },
  );

  test('absent fields read as the defaults of proto3, in their proper types', () => {
    const nothing = new Uint8Array(0);
    expect({ ...Object.getPrototypeOf(attributes.decode(nothing)) }).toMatchObject({ seq: 0, deps: [] });
    const put = messageCodec<{ key: Uint8Array; value: Uint8Array }>('Put').decode(nothing);
    expect(put.key).toBeInstanceOf(Uint8Array);
    expect(put.value.length).toBe(0);
    expect(messageCodec<{ value: Uint8Array | null }>('StoredAnswer').decode(nothing).value).toBeNull();
    expect(messageCodec<{ id: object | null }>('PreAccept').decode(nothing).id).toBeNull();
  });

  test.each([
    ['an integer without end', [0x08, ...new Array<number>(20).fill(0xff)]],
    ['an integer that is cut off after one byte', [0x08, 0x80]],
    ['an integer that is cut off after four bytes', [0x08, 0x80, 0x80, 0x80, 0x80]],
    ['a vector longer than the message', [0x12, 0x7f, 0x01]],
    ['an illegal wire type', [0x0f]],
    ['a length that no message has', [0x12, 0xff, 0xff, 0xff, 0xff, 0x0f]],
    ['groups nested without end', new Array<number>(5000).fill(0x1b)],
  ])('%s is refused with a reason', (_what, bytes) => {
    expect(() => attributes.decode(Uint8Array.from(bytes))).toThrow(KvError);
    expect(() => attributes.decode(Uint8Array.from(bytes))).toThrow(/^malformed Attributes: ./);
  });

  test('a view into a larger buffer is decoded by itself', () => {
    const bytes = attributes.encode({ seq: 300, deps: [1, 2, 3] });
    const larger = new Uint8Array(bytes.length + 20).fill(0xff);
    larger.set(bytes, 10);
    const decoded = attributes.decode(larger.subarray(10, 10 + bytes.length));
    expect(decoded).toMatchObject({ seq: 300, deps: [1, 2, 3] });
  });

  test('proto-loader keeps its own settings in the same process', () => {
    const load = (longs: typeof Number | typeof String) => {
      const definition = protoLoader.loadSync('epaxos/v1/replica.proto', {
        includeDirs: [PROTO_DIRECTORY],
        longs,
        defaults: true,
      });
      const service = definition['epaxos.v1.Replica'] as protoLoader.ServiceDefinition;
      const heartbeat = service.Heartbeat;
      if (!heartbeat) throw new Error('the service has a method Heartbeat');
      const { requestSerialize, requestDeserialize } = heartbeat;
      return (sequence: number) => requestDeserialize(requestSerialize({ sequence }));
    };
    expect(load(Number)(2 ** 40)).toEqual({ sequence: 2 ** 40, run: '', batch: 0, epoch: 0 });
    expect(load(String)(2 ** 40)).toEqual({ sequence: String(2 ** 40), run: '', batch: '0', epoch: '0' });
    // The library itself is as others expect it: with Long objects.
    expect(protobuf.util.Long).toBeDefined();
  });
});
