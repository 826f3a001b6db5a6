/**
 * A process with a transport in every state a connection can have: one peer answers, one accepts the
 * connection and is silent, one is not there. After the close it must end by itself.
 */
import { once } from 'node:events';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { Server, ServerCredentials } from '@grpc/grpc-js';
import { GrpcTransport } from '../../src/transport/index.ts';

async function startReplica(
  self: number,
  addresses: string[],
): Promise<{ replica: GrpcTransport; server: Server }> {
  const peers = addresses
    .map((address, index) => ({ id: index + 1, address }))
    .filter(({ id }) => id !== self);
  const stores = {
    own: `${self}`,
    accepts: () => true,
    mark: () => null,
    holds: () => true,
    heard: () => {},
    heardOf: () => null,
  };
  const replica = new GrpcTransport({ self, cluster: 'test', replicas: 5, stores, peers });
  const server = new Server();
  server.addService(replica.service.definition, { ...replica.service.implementation });
  await new Promise<void>((resolve, reject) => {
    server.bindAsync(addresses[self - 1] ?? '', ServerCredentials.createInsecure(), (error) => {
      if (error) reject(error);
      else resolve();
    });
  });
  return { replica, server };
}

async function reservePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}

const sockets: Socket[] = [];
const silent = createServer((socket) => {
  sockets.push(socket.on('error', () => undefined));
}).listen(0, '127.0.0.1');
await once(silent, 'listening');

const ports = [await reservePort(), await reservePort(), (silent.address() as AddressInfo).port];
const addresses = [...ports.map((port) => `127.0.0.1:${port}`), '127.0.0.1:1', '127.0.0.1:1'];
const one = await startReplica(1, addresses);
const two = await startReplica(2, addresses);
await new Promise<void>((resolve) => {
  const onMessages = () => undefined;
  let met = 0;
  const onReachable = (_peer: number, reachable: boolean) => {
    if (reachable && ++met === 2) resolve();
  };
  const onDisowned = (error: Error) => {
    throw error;
  };
  const serveSnapshot = () => {
    throw new Error('nobody asks for a snapshot');
  };
  one.replica.start({ onMessages, onReachable, onDisowned, serveSnapshot });
  two.replica.start({ onMessages, onReachable, onDisowned, serveSnapshot });
});
while (sockets.length < 2) await once(silent, 'connection');

await one.replica.close();
await two.replica.close();
one.server.forceShutdown();
two.server.forceShutdown();
silent.close();
for (const socket of sockets) socket.unref();
process.stdout.write('closed\n');
