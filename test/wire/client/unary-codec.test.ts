/** The unary calls of KV as a server reads and writes them by hand, against protobuf as clients have it. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { KvError } from '../../../src/errors.ts';
import { LIMITS } from '../../../src/kv/index.ts';
import {
  decodeDeleteRequest,
  decodeGetRequest,
  decodeMultiGetRequest,
  decodePutRequest,
  encodeGetResponse,
  encodeMultiGetResponse,
  encodeWriteResponse,
} from '../../../src/wire/client/unary-codec.ts';
import { type GetResponse, kvService, packageDefinition } from '../../../src/wire/index.ts';

/** With the loader's conversions on both sides. */
const loaded = packageDefinition['epaxos.v1.KV'] as unknown as typeof kvService;

const bytes = fc.uint8Array({ maxLength: 300 }).map((array) => Buffer.from(array));
const number = fc.oneof(
  fc.nat(300),
  fc.maxSafeNat(),
  fc.constantFrom(0, 127, 128, 16_384, 2 ** 31 - 1, 2 ** 31, 2 ** 32, Number.MAX_SAFE_INTEGER),
);
const requestId = fc.option(fc.record({ client: bytes, sequence: number, generation: number }));
const putRequest = fc.record({ key: bytes, value: bytes, returnPrevious: fc.boolean(), requestId });
const getRequest = fc.record({ key: bytes, stale: fc.boolean() });
const multiGetRequest = fc.record({ keys: fc.array(bytes, { maxLength: 5 }), stale: fc.boolean() });
const deleteRequest = fc.record({ key: bytes, returnPrevious: fc.boolean(), requestId });
const keyValue = fc.option(fc.record({ value: bytes, version: number }));
const writeResponse = fc.record({ version: number, previous: keyValue, generation: number });
const getResponse: fc.Arbitrary<GetResponse> = fc.record({ found: keyValue, generation: number });
const multiGetResponse = fc.record({
  entries: fc.array(fc.record({ found: keyValue }), { maxLength: 5 }),
  generation: number,
});

/** Of the requests about one key. */
const ofOneKey = [decodePutRequest, decodeGetRequest, decodeDeleteRequest];
const decoders = [...ofOneKey, decodeMultiGetRequest];

describe('a server reads what protobuf wrote', () => {
  it('in a put', () => {
    fc.assert(
      fc.property(putRequest, (sent) => {
        expect(decodePutRequest(kvService.Put.requestSerialize(sent))).toEqual(sent);
      }),
    );
  });

  it('in a get', () => {
    fc.assert(
      fc.property(getRequest, (sent) => {
        expect(decodeGetRequest(kvService.Get.requestSerialize(sent))).toEqual(sent);
      }),
    );
  });

  it('in a multi-get', () => {
    fc.assert(
      fc.property(multiGetRequest, (sent) => {
        expect(decodeMultiGetRequest(kvService.MultiGet.requestSerialize(sent))).toEqual(sent);
      }),
    );
  });

  it('in a multi-get of too many keys, so far that this can be seen', () => {
    const keys = (count: number) => Array.from({ length: count }, (_, index) => Buffer.from(`${index}`));
    const read = (count: number) =>
      decodeMultiGetRequest(kvService.MultiGet.requestSerialize({ keys: keys(count), stale: true }));
    expect(read(LIMITS.multiGetKeys).keys).toHaveLength(LIMITS.multiGetKeys);
    expect(read(LIMITS.multiGetKeys + 1).keys).toHaveLength(LIMITS.multiGetKeys + 1);
    expect(read(10 * LIMITS.multiGetKeys)).toEqual({ keys: keys(LIMITS.multiGetKeys + 1), stale: true });
  });

  it('in a delete', () => {
    fc.assert(
      fc.property(deleteRequest, (sent) => {
        expect(decodeDeleteRequest(kvService.Delete.requestSerialize(sent))).toEqual(sent);
      }),
    );
  });

  it('with what was left out as the defaults', () => {
    const empty = Buffer.alloc(0);
    const write = { key: empty, returnPrevious: false, requestId: null };
    expect(decodePutRequest(empty)).toEqual({ ...write, value: empty });
    expect(decodeGetRequest(empty)).toEqual({ key: empty, stale: false });
    expect(decodeMultiGetRequest(empty)).toEqual({ keys: [], stale: false });
    expect(decodeDeleteRequest(empty)).toEqual(write);
    const emptyIdentity = decodeDeleteRequest(Buffer.from([0x1a, 0]));
    expect(emptyIdentity).toEqual({ ...write, requestId: { client: empty, sequence: 0, generation: 0 } });
  });
});

describe('protobuf reads what a server wrote', () => {
  it('in the answer to a put and to a delete', () => {
    fc.assert(
      fc.property(writeResponse, (sent) => {
        const encoded = encodeWriteResponse(sent);
        expect(kvService.Put.responseDeserialize(encoded)).toEqual(sent);
        expect(kvService.Delete.responseDeserialize(encoded)).toEqual(sent);
      }),
    );
  });

  it('in the answer to a get', () => {
    fc.assert(
      fc.property(getResponse, (sent) => {
        expect(kvService.Get.responseDeserialize(encodeGetResponse(sent))).toEqual(sent);
      }),
    );
  });

  it('in the answer to a multi-get', () => {
    fc.assert(
      fc.property(multiGetResponse, (sent) => {
        expect(kvService.MultiGet.responseDeserialize(encodeMultiGetResponse(sent))).toEqual(sent);
      }),
    );
  });

  it('without the fields that have their default', () => {
    expect(encodeWriteResponse({ version: 0, previous: null, generation: 0 })).toHaveLength(0);
    expect(encodeGetResponse({ found: null, generation: 0 })).toHaveLength(0);
    const found = { value: Buffer.alloc(0), version: 0 };
    expect(encodeGetResponse({ found, generation: 0 })).toHaveLength(2);
  });
});

describe('a request that is not as expected', () => {
  /** Fields 13 to 15 as an integer, as bytes and as 32 bits. */
  const unknown = Buffer.from([0x68, 0x96, 0x01, 0x72, 2, 0xff, 0xff, 0x7d, 1, 2, 3, 4]);

  it('is read without the fields that are not known; of one that comes twice the last one counts', () => {
    const twice = Buffer.from([0x0a, 1, 7, 0x0a, 1, 8]);
    const request = Buffer.concat([unknown, twice, unknown]);
    for (const decode of ofOneKey) expect(decode(request)).toMatchObject({ key: Buffer.from([8]) });
    expect(decodeMultiGetRequest(request).keys).toEqual([Buffer.from([7]), Buffer.from([8])]);
    const identity = Buffer.concat([
      Buffer.from([0x22, unknown.length + 2]),
      unknown,
      Buffer.from([0x10, 5]),
    ]);
    expect(decodePutRequest(identity).requestId).toEqual({
      client: Buffer.alloc(0),
      sequence: 5,
      generation: 0,
    });
  });

  it('has a sequence that is no safe integer where protobuf says 2^53 or more', () => {
    const largest = Buffer.from([0x22, 11, 0x10, ...Array.from({ length: 9 }, () => 0xff), 1]);
    expect(Number.isSafeInteger(decodePutRequest(largest).requestId?.sequence)).toBe(false);
    expect(Number.isSafeInteger(loaded.Put.requestDeserialize(largest).requestId?.sequence)).toBe(false);
  });

  it('is refused where its bytes end too early', () => {
    for (const cut of [[0x0a], [0x0a, 5, 1], [0x10, 0x80], [0x7d, 1]]) {
      for (const decode of decoders) expect(() => decode(Buffer.from(cut))).toThrow(KvError);
    }
  });

  it('is read or refused, whatever its bytes', () => {
    const change = fc.record({ at: fc.nat(), to: fc.integer({ min: 0, max: 255 }) });
    const request = fc.oneof(
      bytes,
      putRequest.map(kvService.Put.requestSerialize),
      multiGetRequest.map(kvService.MultiGet.requestSerialize),
    );
    fc.assert(
      fc.property(request, fc.array(change, { maxLength: 4 }), (request, changes) => {
        const changed = Buffer.from(request);
        for (const { at, to } of changes) if (changed.length > 0) changed[at % changed.length] = to;
        for (const decode of decoders) {
          try {
            decode(changed);
          } catch (error) {
            if (!(error instanceof KvError)) throw error;
          }
        }
      }),
      { numRuns: 2_000 },
    );
  });
});

it("both sides of the service's definitions are those of the schema", () => {
  fc.assert(
    fc.property(putRequest, writeResponse, (request, response) => {
      expect(kvService.Put.requestDeserialize(loaded.Put.requestSerialize(request))).toEqual(request);
      expect(loaded.Put.responseDeserialize(kvService.Put.responseSerialize(response))).toEqual(response);
    }),
  );
});
