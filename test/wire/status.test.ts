/** Errors on the wire: every code has a status and comes back as it was; foreign errors are judged with care. */
import {
  Client,
  credentials,
  Metadata,
  Server,
  ServerCredentials,
  type ServiceError,
  status,
} from '@grpc/grpc-js';
import { afterEach, describe, expect, it } from 'vitest';
import { ERROR_CODES, type ErrorCode, KvError, type Outcome } from '../../src/errors.ts';
import {
  CHANNEL_OPTIONS,
  fromServiceError,
  kvService,
  RPC_LIMITS,
  SERVER_OPTIONS,
  STATUS_OF_CODE,
  toServiceError,
} from '../../src/wire/index.ts';

const CODES = Object.keys(ERROR_CODES) as ErrorCode[];
const OUTCOMES: Outcome[] = ['notApplied', 'unknown', 'none'];

const cleanups: (() => void)[] = [];
afterEach(() => {
  for (const cleanup of cleanups.splice(0)) cleanup();
});

function foreign(code: status, details: string): ServiceError {
  return Object.assign(new Error(details), { code, details, metadata: new Metadata() });
}

it('every code has a status, and no status is OK', () => {
  expect(Object.keys(STATUS_OF_CODE).sort()).toEqual([...CODES].sort());
  for (const code of CODES) expect(STATUS_OF_CODE[code]).toBeGreaterThan(status.OK);
});

describe.each(CODES)('%s', (code) => {
  it.each(OUTCOMES)('with outcome %s survives the round trip', (outcome) => {
    const error = fromServiceError(toServiceError(new KvError(code, 'because', { outcome })));
    expect(error).toMatchObject({ name: 'KvError', code, outcome, message: 'because' });
  });
});

describe('a foreign error', () => {
  const cases: readonly (readonly [status, string, ErrorCode, Outcome])[] = [
    [status.UNAVAILABLE, 'No connection established. Last error: x', 'unreachable', 'notApplied'],
    [status.UNAVAILABLE, 'Name resolution failed for target dns:x', 'unreachable', 'notApplied'],
    [status.UNAVAILABLE, 'Connection dropped', 'connectionLost', 'unknown'],
    [status.DEADLINE_EXCEEDED, 'Deadline exceeded after 1s', 'deadlineExceeded', 'unknown'],
    [status.CANCELLED, 'Cancelled on client', 'cancelled', 'unknown'],
    [status.CANCELLED, 'Call cancelled', 'connectionLost', 'unknown'],
    [status.RESOURCE_EXHAUSTED, 'Received message larger than max (2 vs 1)', 'limitExceeded', 'notApplied'],
    [status.RESOURCE_EXHAUSTED, 'Bandwidth exhausted or memory limit exceeded', 'overloaded', 'unknown'],
    [status.UNIMPLEMENTED, 'The server does not implement the method', 'internal', 'notApplied'],
    [status.INTERNAL, 'Received RST_STREAM with code 2', 'internal', 'unknown'],
    [status.UNKNOWN, 'x', 'internal', 'unknown'],
  ];
  it.each(cases)('with status %i and "%s" means %s, %s', (code, details, expected, outcome) => {
    expect(fromServiceError(foreign(code, details))).toMatchObject({
      code: expected,
      outcome,
      message: details,
    });
  });

  it('with metadata of a code we do not know is judged by its status', () => {
    const error = foreign(status.UNAVAILABLE, 'x');
    error.metadata.set('epaxos-code', 'toString');
    error.metadata.set('epaxos-outcome', 'notApplied');
    expect(fromServiceError(error)).toMatchObject({ code: 'connectionLost', outcome: 'unknown' });
  });

  it('without a message still says something', () => {
    expect(fromServiceError(foreign(status.ABORTED, '')).message).toBe('gRPC status ABORTED');
  });
});

describe('through gRPC itself', () => {
  function call(port: number, value: Uint8Array): Promise<unknown> {
    const client = new Client(`127.0.0.1:${port}`, credentials.createInsecure(), CHANNEL_OPTIONS);
    cleanups.push(() => client.close());
    const { path, requestSerialize, responseDeserialize } = kvService.Put;
    return new Promise((resolve, reject) => {
      const request = { key: Buffer.from('k'), value, returnPrevious: false, requestId: null };
      client.makeUnaryRequest(path, requestSerialize, responseDeserialize, request, (error, response) => {
        if (error) reject(fromServiceError(error));
        else resolve(response);
      });
    });
  }

  async function serve(error: KvError): Promise<number> {
    const server = new Server(SERVER_OPTIONS);
    cleanups.push(() => server.forceShutdown());
    server.addService(kvService, {
      Put: (_call: unknown, callback: (error: ServiceError) => void) => callback(toServiceError(error)),
    });
    return new Promise((resolve, reject) => {
      server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, port) => {
        if (error) reject(error);
        else resolve(port);
      });
    });
  }

  it('a replica error arrives as it was, whatever its message', async () => {
    const message = `a lone surrogate \ud800, a ☃ and ${'x'.repeat(3 * RPC_LIMITS.statusCharacters)}`;
    const port = await serve(new KvError('noQuorum', message, { outcome: 'unknown' }));
    const expected = message.slice(0, RPC_LIMITS.statusCharacters).replace('\ud800', '\ufffd');
    await expect(call(port, Buffer.alloc(0))).rejects.toMatchObject({
      code: 'noQuorum',
      outcome: 'unknown',
      message: expected,
    });
  });

  it('a request over the size limit was not applied', async () => {
    const port = await serve(new KvError('internal', 'must not be reached'));
    const tooLarge = Buffer.alloc(RPC_LIMITS.messageBytes + 1);
    await expect(call(port, tooLarge)).rejects.toMatchObject({
      code: 'limitExceeded',
      outcome: 'notApplied',
    });
  });

  it('a request that found nobody listening was not applied', async () => {
    const port = await serve(new KvError('internal', 'nobody listens any more'));
    for (const cleanup of cleanups.splice(0)) cleanup();
    await expect(call(port, Buffer.alloc(0))).rejects.toMatchObject({
      code: 'unreachable',
      outcome: 'notApplied',
    });
  });
});
