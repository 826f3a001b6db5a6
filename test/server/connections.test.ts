/** Connections over real sockets: how many there may be, and what becomes of one that says nothing. */
import { once } from 'node:events';
import { type ClientHttp2Session, connect as connectHttp } from 'node:http2';
import { connect as connectSocket, type Socket } from 'node:net';
import { Server, ServerCredentials } from '@grpc/grpc-js';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { Connections, type Refusal } from '../../src/server/connections.ts';
import { FILES_NEEDED, requireOpenFiles } from '../../src/server/open-files.ts';
import { until } from '../support/until.ts';

const LIMITS = { connections: 3, prefaceMs: 300 };
const LONG_MS = 600_000;

let refused: Refusal[] = [];
let server: Server;
let connections: Connections;
let port = 0;
const opened: { destroy(): void }[] = [];

async function listen(limits = LIMITS, address = '127.0.0.1:0'): Promise<void> {
  const injector = server.createConnectionInjector(ServerCredentials.createInsecure());
  connections = new Connections({ injector, limits, onRefused: (refusal) => refused.push(refusal) });
  port = await connections.listen(address);
}

beforeEach(() => {
  refused = [];
  server = new Server();
});
afterEach(() => {
  for (const one of opened.splice(0)) one.destroy();
  connections?.stopListening();
  server.forceShutdown();
});

async function dial(host = '127.0.0.1'): Promise<Socket> {
  const socket = connectSocket(port, host);
  socket.on('error', () => undefined).resume();
  opened.push(socket);
  await once(socket, 'connect');
  return socket;
}

async function speak(): Promise<ClientHttp2Session> {
  const session = connectHttp(`http://127.0.0.1:${port}`);
  session.on('error', () => undefined);
  opened.push(session);
  await once(session, 'remoteSettings');
  return session;
}

it('closes one that says nothing, or only a part of the preface, and no other', async () => {
  await listen();
  const session = await speak();
  const [silent, halting] = [await dial(), await dial()];
  halting.write('PRI * HTTP/2.0\r\n');
  await until('both are closed', () => silent.closed && halting.closed);
  expect(refused).toEqual(['silent', 'silent']);
  expect(session.closed).toBe(false);
});

it('gives the place of one that says nothing to a new one, the oldest first', async () => {
  await listen({ connections: 3, prefaceMs: LONG_MS });
  const silent = [await dial(), await dial(), await dial()];
  await speak();
  await until('the oldest is closed', () => silent[0]?.closed);
  await speak();
  await until('the next is closed', () => silent[1]?.closed);
  expect(silent[2]?.closed).toBe(false);
  expect(refused).toEqual(['full', 'full']);
});

it('closes a new one when all others speak, until one of them has gone', async () => {
  await listen({ connections: 2, prefaceMs: LONG_MS });
  const [first, second] = [await speak(), await speak()];
  const third = await dial();
  await until('the third is closed', () => third.closed);
  expect(refused).toEqual(['full']);
  first.destroy();
  // Where there is no room the other end closes at once.
  await until('there is room again', async () => {
    const session = connectHttp(`http://127.0.0.1:${port}`);
    session.on('error', () => undefined);
    opened.push(session);
    const spoken = once(session, 'remoteSettings').then(() => true);
    return Promise.race([spoken, once(session, 'close').then(() => false)]);
  });
  expect(second.closed).toBe(false);
});

it('listens at every address of a name', async () => {
  await listen({ connections: 10, prefaceMs: LONG_MS }, 'localhost:0');
  await dial('127.0.0.1');
});

it('no longer accepts when it has stopped, and has closed who said nothing', async () => {
  await listen({ connections: 3, prefaceMs: LONG_MS });
  const [session, silent] = [await speak(), await dial()];
  await speak(); // whoever came before was accepted before
  connections.stopListening();
  await until('the silent one is closed', () => silent.closed);
  expect(session.closed).toBe(false);
  await expect(dial()).rejects.toMatchObject({ code: 'ECONNREFUSED' });
});

it('a limit of file descriptors that is too low is refused, with the number that is needed', () => {
  expect(() => requireOpenFiles(FILES_NEEDED)).not.toThrow();
  expect(() => requireOpenFiles(FILES_NEEDED - 1)).toThrow(
    `may have ${FILES_NEEDED - 1} files open, and a replica needs ${FILES_NEEDED}`,
  );
});
