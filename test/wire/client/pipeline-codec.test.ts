/** The frames of the clients' stream: as protobufjs reads and writes them, and nothing else gets through. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ERROR_CODES, type ErrorCode, KvError, type Outcome } from '../../../src/errors.ts';
import type { Row } from '../../../src/kv/index.ts';
import {
  decodeRequestFrame,
  decodeResponseFrame,
  encodeRequestFrame,
  encodeResponseFrame,
  messageCodec,
  type PipelineRequest,
  type PipelineResponse,
  RPC_LIMITS,
} from '../../../src/wire/index.ts';
import { codeOf, decodesOrRefuses } from '../../support/refusals.ts';

interface WireResponse {
  readonly id: number;
  readonly version?: number;
  readonly value?: Uint8Array | null;
  readonly previousVersion?: number;
  readonly rows?: readonly { readonly found?: Row | null }[];
  readonly failure?: { readonly code: string; readonly outcome: string; readonly message: string } | null;
}

const requestFrame = messageCodec<{ readonly requests: readonly PipelineRequest[] }>('RequestFrame');
const responseFrame = messageCodec<{ readonly responses: readonly WireResponse[] }>('ResponseFrame');

const number = fc.oneof(
  fc.nat(300),
  fc.maxSafeNat(),
  fc.constantFrom(0, 127, 128, 16_383, 16_384, 2 ** 31 - 1, 2 ** 31, 2 ** 32, Number.MAX_SAFE_INTEGER),
);
const bytes = fc.uint8Array({ maxLength: 300 }).map((array) => Buffer.from(array));
const request: fc.Arbitrary<PipelineRequest> = fc.record({
  id: number,
  timeoutMs: fc.oneof(fc.nat(100_000), fc.constant(2 ** 32 - 1)),
  operation: bytes,
  stale: fc.boolean(),
});
const requests = fc.array(request, { maxLength: 20 });
const rows = fc.array(fc.option(fc.record({ value: bytes, version: number })), {
  minLength: 1,
  maxLength: 5,
});
const result = fc.oneof(
  fc.record({ version: number, value: fc.option(bytes), previousVersion: number }),
  rows.map((all) => ({ version: 0, value: null, previousVersion: 0, rows: all })),
);
const error = fc
  .record({
    code: fc.constantFrom(...(Object.keys(ERROR_CODES) as ErrorCode[])),
    outcome: fc.constantFrom<Outcome>('notApplied', 'unknown', 'none'),
    message: fc.string({ unit: 'grapheme', maxLength: 100 }),
  })
  .map(({ code, outcome, message }) => new KvError(code, message, { outcome }));
const response: fc.Arbitrary<PipelineResponse> = fc.oneof(
  fc.record({ id: number, result }),
  fc.record({ id: number, error }),
);
const responses = fc.array(response, { maxLength: 20 });

/** The requests of a frame with their operations. */
function read(frame: Buffer): PipelineRequest[] {
  return decodeRequestFrame(frame).map((request) => {
    const { start, end } = request.operation;
    return { ...request, operation: frame.subarray(start, end) };
  });
}

/** Errors in plain sight, for comparisons. */
function plain(response: PipelineResponse): object {
  if (!('error' in response)) return response;
  const { code, outcome, message } = response.error;
  return { id: response.id, failure: { code, outcome, message } };
}

function toWire(response: PipelineResponse): WireResponse {
  if ('error' in response) return plain(response) as WireResponse;
  const { rows, ...rest } = response.result;
  return { id: response.id, ...rest, ...(rows && { rows: rows.map((found) => ({ found })) }) };
}

describe('a frame of requests', () => {
  it('survives the wire', () => {
    fc.assert(
      fc.property(requests, (sent) => {
        expect(read(encodeRequestFrame(sent))).toEqual(sent);
      }),
    );
  });

  it('is read by protobuf', () => {
    fc.assert(
      fc.property(requests, (sent) => {
        const { requests } = requestFrame.decode(encodeRequestFrame(sent));
        expect(requests.map((request) => ({ ...defaults, ...request }))).toEqual(sent);
      }),
    );
  });

  it('of protobuf is read', () => {
    fc.assert(
      fc.property(requests, (sent) => {
        expect(read(requestFrame.encode({ requests: sent }))).toEqual(sent);
      }),
    );
  });

  it('without requests has no bytes', () => {
    expect(encodeRequestFrame([])).toHaveLength(0);
    expect(decodeRequestFrame(Buffer.alloc(0))).toEqual([]);
  });

  it('may have any number of requests up to the limit', () => {
    const empty = Buffer.from([0x0a, 0x00]);
    const full = Buffer.alloc(2 * RPC_LIMITS.frameRequests, empty);
    expect(decodeRequestFrame(full)).toHaveLength(RPC_LIMITS.frameRequests);
    expect(codeOf(() => decodeRequestFrame(Buffer.concat([full, empty])))).toBe('limitExceeded');
  });
});

const defaults = { id: 0, timeoutMs: 0, operation: Buffer.alloc(0), stale: false };

function frameOf(responses: readonly PipelineResponse[]): Buffer {
  return encodeResponseFrame({ responses, generation: 1, pong: false });
}

describe('a frame of responses', () => {
  it('survives the wire', () => {
    fc.assert(
      fc.property(responses, (sent) => {
        const frame = { responses: sent, generation: 7, pong: true };
        const read = decodeResponseFrame(encodeResponseFrame(frame));
        expect({ ...read, responses: read.responses.map(plain) }).toEqual({
          ...frame,
          responses: sent.map(plain),
        });
      }),
    );
  });

  it('is read by protobuf', () => {
    fc.assert(
      fc.property(responses, (sent) => {
        const { responses } = responseFrame.decode(frameOf(sent));
        const absent = { version: 0, value: null, previousVersion: 0, failure: null };
        const row = { value: Buffer.alloc(0), version: 0 };
        const read = responses.map(({ rows, ...rest }) => ({
          ...absent,
          ...rest,
          rows: (rows ?? []).map(({ found }) => ({ found: found ? { ...row, ...found } : null })),
        }));
        expect(read).toEqual(sent.map((response) => ({ ...absent, rows: [], ...toWire(response) })));
      }),
    );
  });

  it('of protobuf is read', () => {
    fc.assert(
      fc.property(responses, (sent) => {
        const frame = responseFrame.encode({ responses: sent.map(toWire) });
        expect(decodeResponseFrame(frame).responses.map(plain)).toEqual(sent.map(plain));
      }),
    );
  });

  it('tells an empty value from none', () => {
    const sent = [null, Buffer.alloc(0)].map((value, id) => ({
      id,
      result: { version: 1, value, previousVersion: 0 },
    }));
    expect(decodeResponseFrame(frameOf(sent)).responses).toEqual(sent);
  });

  it('tells rows with an empty value from none, and keeps their order', () => {
    const row = { value: Buffer.alloc(0), version: 1 };
    const result = { version: 0, value: null, previousVersion: 0, rows: [null, row, null, row] };
    const sent = [{ id: 1, result }];
    expect(decodeResponseFrame(frameOf(sent)).responses).toEqual(sent);
  });

  it('has the messages of errors cut, and what no text can hold replaced', () => {
    const long = new KvError('internal', `\ud800${'é'.repeat(5_000)}`, { outcome: 'unknown' });
    const [read] = decodeResponseFrame(frameOf([{ id: 1, error: long }])).responses;
    expect(read).toMatchObject({
      id: 1,
      error: { code: 'internal', message: `\ufffd${'é'.repeat(RPC_LIMITS.statusCharacters - 1)}` },
    });
  });

  it.each([
    { code: 'brandNew', outcome: 'notApplied' },
    { code: 'overloaded', outcome: 'perhaps' },
    { code: 'constructor', outcome: 'none' },
    { code: '', outcome: '' },
  ])('reads a failure that is not known ($code, $outcome) as internal and unknown', (named) => {
    const frame = responseFrame.encode({
      responses: [{ id: 7, failure: { ...named, message: 'what it is' } }],
    });
    const error = { code: 'internal', outcome: 'unknown', message: expect.stringContaining('what it is') };
    expect(decodeResponseFrame(frame).responses).toMatchObject([{ id: 7, error }]);
  });
});

/** A frame with one response, which has one row. @param version its bytes */
function rowOfVersion(version: readonly number[]): number[] {
  const field = [0x10, ...version];
  return [0x0a, field.length + 4, 0x32, field.length + 2, 0x0a, field.length, ...field];
}

describe('what is not known', () => {
  const unknown = Buffer.concat([
    Buffer.from([0x78, 0x96, 0x01]), // an integer
    Buffer.from([0x79, 1, 2, 3, 4, 5, 6, 7, 8]), // 64 bits
    Buffer.from([0x7a, 2, 0xff, 0xff]), // bytes
    Buffer.from([0x7d, 1, 2, 3, 4]), // 32 bits
    Buffer.from([0x7b, 0x08, 0x01, 0x7c]), // a group
    Buffer.from([0xfa, 0x7f, 1, 0]), // a field with a large number
  ]);

  function element(...content: readonly Buffer[]): Buffer {
    const body = Buffer.concat(content);
    return Buffer.concat([Buffer.from([0x0a, body.length]), body]);
  }

  it('is skipped, at every level; of a field that comes twice the last one counts', () => {
    const operation = Buffer.from([0x1a, 1, 9]);
    const ids = Buffer.from([0x08, 1, 0x08, 2]);
    const frame = Buffer.concat([unknown, element(unknown, operation, unknown, ids, unknown), unknown]);
    expect(read(frame)).toEqual([{ ...defaults, id: 2, operation: Buffer.from([9]) }]);
    const failure = Buffer.concat([Buffer.from([0x2a, unknown.length]), unknown]);
    const answers = Buffer.concat([unknown, element(unknown, ids), element(failure)]);
    expect(decodeResponseFrame(answers).responses).toMatchObject([
      { id: 2, result: { version: 0, value: null, previousVersion: 0 } },
      { id: 0, error: { code: 'internal' } },
    ]);
  });

  it.each([
    ['a cut integer', [0x78, 0x80]],
    ['a cut length', [0x0a]],
    ['more bytes than there are', [0x0a, 5, 0x08]],
    ['a field that ends after its message', [0x0a, 2, 0x1a, 5, 1, 2, 3, 4, 5]],
    ['a group without an end', [0x7b, 0x08, 0x01]],
    ['the end of a group', [0x7c]],
    ['a kind that does not exist', [0x7e]],
    ['groups in groups without end', Array.from({ length: 100 }, () => 0x7b)],
    ['an integer of 11 bytes', [0x78, ...Array.from({ length: 11 }, () => 0x80), 0]],
    ['64 bits cut off', [0x79, 1]],
    ['a number that is not exact', [0x0a, 10, 0x08, ...Array.from({ length: 8 }, () => 0xff), 1]],
  ])('%s is refused', (_what, frame) => {
    expect(codeOf(() => decodeRequestFrame(Buffer.from(frame)))).toBe('invalidArgument');
    expect(codeOf(() => decodeResponseFrame(Buffer.from(frame)))).toBe('invalidArgument');
  });

  it.each([
    ['a row that is cut off', [0x0a, 4, 0x32, 2, 0x0a, 5]],
    ['a row whose version is not exact', rowOfVersion([...Array.from({ length: 8 }, () => 0xff), 1])],
  ])('%s is refused in a response', (_what, frame) => {
    expect(codeOf(() => decodeResponseFrame(Buffer.from(frame)))).toBe('invalidArgument');
  });

  it('a row is read without it; of several rows in one field the last one counts', () => {
    const row = element(unknown, Buffer.from([0x10, 7])); // its KeyValue has the tag of an element
    const field = Buffer.concat([Buffer.from([0x32, 2 * row.length + unknown.length]), row, unknown, row]);
    expect(decodeResponseFrame(element(field)).responses).toMatchObject([
      { id: 0, result: { rows: [{ value: Buffer.alloc(0), version: 7 }] } },
    ]);
  });

  it('any bytes at all, and frames with some bytes changed, are read or refused', () => {
    decodesOrRefuses(decodeRequestFrame, requests.map(encodeRequestFrame));
    decodesOrRefuses(decodeResponseFrame, responses.map(frameOf));
  });
});
