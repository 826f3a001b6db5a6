/** Clients that do not take their answers: what waits for them is bounded, and they are cut off with a reason. */
import { once } from 'node:events';
import {
  type ClientHttp2Session,
  type ClientHttp2Stream,
  connect,
  type IncomingHttpHeaders,
} from 'node:http2';
import { status } from '@grpc/grpc-js';
import { afterEach, describe, expect, it } from 'vitest';
import { kvService } from '../../../src/wire/index.ts';
import { bytesOf } from '../../kv/operations.ts';
import { ManualClock } from '../../node/fakes.ts';
import { WAIT } from '../../server/servers.ts';
import { setUp as setUpServices } from '../services-setup.ts';
import { get, PipelineClient } from './pipeline-client.ts';

const MIB = 1024 * 1024;
const SECOND_MS = 1_000;
const VALUE = { version: 1, value: Buffer.alloc(MIB, 1), previousVersion: 0 };

const opened: { close(): void }[] = [];
afterEach(() => {
  for (const one of opened.splice(0)) one.close();
});

async function setUp(limits: { readonly connectionBytes?: number; readonly totalBytes?: number } = {}) {
  const clock = new ManualClock();
  const services = await setUpServices({ clock, limits });
  services.node.result = VALUE;
  const open = () => {
    const client = new PipelineClient(services.address);
    opened.push(client);
    return client;
  };
  /** A client that takes nothing of what it has asked for, and has as much asked for as can wait. */
  const openUnread = async (count: number) => {
    const client = open();
    client.call.pause();
    const before = services.node.submissions.length;
    client.send(...Array.from({ length: count }, (_, index) => get(index + 1, 'a')));
    await expect.poll(() => services.node.submissions.length, WAIT).toBe(before + count);
    return client;
  };
  const pass = (seconds: number) => {
    for (let second = 0; second < seconds; second += 1) clock.tickAfter(SECOND_MS);
  };
  return { ...services, open, openUnread, pass };
}

/** Single calls over a connection whose windows are closed: nothing but headers comes through. */
class ShutWindow {
  readonly #session: ClientHttp2Session;
  /** The trailers of those that were refused. */
  readonly refusals: unknown[] = [];

  private constructor(session: ClientHttp2Session) {
    this.#session = session;
  }

  static async connect(address: string, initialWindowSize = 0): Promise<ShutWindow> {
    const session = connect(`http://${address}`, {
      settings: { initialWindowSize },
      maxSessionMemory: 1_000, // megabytes: with less it resets streams for which it has much to send
    });
    session.on('error', () => undefined);
    await once(session, 'remoteSettings');
    const window = new ShutWindow(session);
    opened.push(window);
    return window;
  }

  /** @param isWhole whether the request ends, and with all its bytes */
  ask(path: string, message: Buffer, { isWhole = true, length = message.length } = {}): ClientHttp2Stream {
    const stream = this.#session.request({
      ':method': 'POST',
      ':path': path,
      'content-type': 'application/grpc',
      te: 'trailers',
    });
    stream.on('error', () => undefined);
    const onHeaders = (headers: IncomingHttpHeaders) => {
      if (headers['grpc-status'] !== undefined) this.refusals.push(headers['epaxos-code']);
    };
    stream.on('response', onHeaders).on('trailers', onHeaders).resume();
    const header = Buffer.alloc(5);
    header.writeUInt32BE(length, 1);
    stream.write(Buffer.concat([header, message]));
    if (isWhole) stream.end();
    return stream;
  }

  getStale(): ClientHttp2Stream {
    const { path, requestSerialize } = kvService.Get;
    return this.ask(path, requestSerialize({ key: bytesOf('a'), stale: true }));
  }

  get isClosed(): boolean {
    return this.#session.closed;
  }

  close(): void {
    this.#session.destroy();
  }
}

describe('a stream', () => {
  it('whose client takes nothing is ended when that has lasted, and says why', async () => {
    const { openUnread, pass, stalled, waiting } = await setUp();
    const client = await openUnread(20);
    pass(29);
    expect(stalled).toEqual([]);
    pass(2);
    expect(stalled).toHaveLength(1);
    client.call.resume();
    expect(await client.ended).toMatchObject({
      status: status.RESOURCE_EXHAUSTED,
      code: 'overloaded',
      outcome: 'unknown',
    });
    await expect.poll(() => waiting.total, WAIT).toBe(0);
  });

  it('for which nothing waits is not ended, however long it is silent', async () => {
    const { open, pass, stalled, cuts } = await setUp();
    const client = open();
    client.send(get(1, 'a'));
    await client.answer(1);
    pass(120);
    client.send(get(2, 'a'));
    await client.answer(2);
    expect([stalled, cuts]).toEqual([[], []]);
  });

  it('takes no more of a frame than its client takes answers of, and all in the end', async () => {
    const { node, open, waiting } = await setUp();
    const client = open();
    client.call.pause();
    const requests = Array.from({ length: 60 }, (_, index) => ({ ...get(index + 1, 'a'), stale: true }));
    client.send(...requests);
    await expect.poll(() => node.staleReads.length, WAIT).toBeGreaterThan(0);
    expect(node.staleReads.length).toBeLessThan(10);
    expect(waiting.total).toBeLessThan(8 * MIB);
    client.call.resume();
    await expect.poll(() => client.answered, WAIT).toBe(60);
    expect(client.frames.flat().filter((response) => 'error' in response)).toEqual([]);
    await expect.poll(() => waiting.total, WAIT).toBe(0);
  });

  it('leaves nothing behind when its client hangs up', async () => {
    const { openUnread, waiting } = await setUp();
    const client = await openUnread(20);
    await expect.poll(() => waiting.total, WAIT).toBeGreaterThan(16 * MIB);
    client.call.cancel();
    await expect.poll(() => waiting.total, WAIT).toBe(0);
  });
});

describe('single calls over a closed window', () => {
  it('wait up to the limit of their connection; the others are refused', async () => {
    const { address, waiting } = await setUp({ connectionBytes: 10 * MIB });
    const window = await ShutWindow.connect(address);
    for (let call = 0; call < 40; call += 1) window.getStale();
    await expect.poll(() => window.refusals.length, WAIT).toBe(31);
    expect(new Set(window.refusals)).toEqual(new Set(['overloaded']));
    expect(waiting.total).toBeLessThanOrEqual(10 * MIB);
    window.close();
    await expect.poll(() => waiting.total, WAIT).toBe(0);
  });

  it('have their connection closed when nothing was taken for long', async () => {
    const { address, waiting, pass, cuts } = await setUp();
    const window = await ShutWindow.connect(address);
    window.getStale();
    await expect.poll(() => waiting.total, WAIT).toBeGreaterThan(0);
    pass(34);
    expect(cuts).toEqual([]);
    pass(3);
    expect(cuts).toMatchObject([{ cut: 'stalled' }]);
  });
});

it('when all is full, the connection that holds the most is cut off, and there is room again', async () => {
  const { address, open, pass, waiting, cuts } = await setUp({ totalBytes: 26.5 * MIB });
  const small = await ShutWindow.connect(address);
  for (let call = 0; call < 5; call += 1) small.getStale();
  const large = await ShutWindow.connect(address);
  for (let call = 0; call < 20; call += 1) large.getStale();
  await expect.poll(() => waiting.total, WAIT).toBeGreaterThan(25 * MIB);
  pass(2);
  expect(cuts).toEqual([]);
  const other = open();
  other.send(get(1, 'a'), get(2, 'a'));
  const refused = await other.answer(2);
  expect('error' in refused && refused.error).toMatchObject({ code: 'overloaded', outcome: 'notApplied' });
  pass(1);
  expect(cuts).toMatchObject([{ cut: 'most', bytes: 20 * (MIB + 32) }]);
  large.close(); // what the server does to it
  await expect.poll(() => waiting.total, WAIT).toBeLessThan(8 * MIB);
  other.send(get(3, 'a'));
  expect('result' in (await other.answer(3))).toBe(true);
  pass(1);
  expect(cuts).toHaveLength(1);
  small.close();
});

describe('requests that are not finished', () => {
  it.each([
    ['single calls', kvService.Put.path, 0],
    ['streams', kvService.Pipeline.path, 65_535],
  ])(
    'of %s take no more than the limit of their connection; the others are refused',
    async (_what, path, windowBytes) => {
      const { address, waiting, refused } = await setUp({ connectionBytes: 10 * MIB });
      const window = await ShutWindow.connect(address, windowBytes);
      const part = Buffer.alloc(MIB - 5, 1);
      for (let call = 0; call < 30; call += 1) window.ask(path, part, { isWhole: false, length: 15 * MIB });
      await expect.poll(() => refused.length, WAIT).toBeGreaterThan(15);
      await expect.poll(() => window.refusals.length, WAIT).toBe(refused.length);
      expect(new Set(window.refusals)).toEqual(new Set(['overloaded']));
      expect(waiting.total).toBeLessThanOrEqual(10 * MIB);
      window.close();
      await expect.poll(() => waiting.total, WAIT).toBe(0);
    },
  );

  it('and that do not go on have their connection closed', async () => {
    const { address, waiting, pass, cuts } = await setUp();
    const window = await ShutWindow.connect(address);
    window.ask(kvService.Put.path, Buffer.alloc(1024), { isWhole: false });
    await expect.poll(() => waiting.total, WAIT).toBe(1029);
    pass(38);
    expect(cuts).toMatchObject([{ cut: 'stalled', bytes: 1029 }]);
  });

  it('count until they are complete, and no longer', async () => {
    const { address, waiting, node } = await setUp();
    node.result = { ...VALUE, value: null };
    const window = await ShutWindow.connect(address);
    const { path, requestSerialize } = kvService.Put;
    const message = requestSerialize({
      key: bytesOf('a'),
      value: Buffer.alloc(MIB),
      returnPrevious: false,
      requestId: null,
    });
    window.ask(path, message);
    await expect.poll(() => node.submissions.length, WAIT).toBe(1);
    await expect.poll(() => waiting.total, WAIT).toBeLessThan(100);
  });
});
