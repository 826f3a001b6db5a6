/** Whole servers in one process: three of them over real sockets, and what can go wrong at the start. */
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { connect as connectHttp } from 'node:http2';
import { connect as connectSocket, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { credentials, loadPackageDefinition, status } from '@grpc/grpc-js';
import { loadSync } from '@grpc/proto-loader';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { KvError } from '../../src/errors.ts';
import { type Clock, systemClock } from '../../src/node/index.ts';
import { STANDSTILL_MS } from '../../src/node/pulse.ts';
import {
  createLogger,
  loadConfig,
  type RunningServer,
  type ServerConfig,
  type ServerParts,
  startServer,
} from '../../src/server/index.ts';
import { MemoryStorage } from '../../src/storage/index.ts';
import { CONNECTION_LIMITS } from '../../src/wire/index.ts';
import { GrpcClient } from '../api/grpc-client.ts';
import { bytesOf } from '../kv/operations.ts';

const logger = createLogger({ level: 'silent', cluster: 'test', replica: 1 });
const IDS = [1, 2, 3];
const WAIT = { timeout: 30_000, interval: 20 };

let directory = '';
beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'epaxos-server-'));
});
afterAll(() => rmSync(directory, { recursive: true }));

const running = new Set<RunningServer>();
const clients = new Set<GrpcClient>();
afterEach(async () => {
  for (const client of clients) client.close();
  clients.clear();
  await Promise.all([...running].map((server) => server.stop()));
  running.clear();
});

/** Ports that were free a moment ago. */
async function freePorts(count: number): Promise<number[]> {
  const servers = await Promise.all(
    Array.from({ length: count }, async () => {
      const server = createServer();
      await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
      return server;
    }),
  );
  return Promise.all(
    servers.map(async (server) => {
      const address = server.address();
      await new Promise((resolve) => server.close(resolve));
      if (address === null || typeof address === 'string') throw new Error('no port');
      return address.port;
    }),
  );
}

let clusters = 0;

/** The configurations of a new cluster. */
async function configure(): Promise<ServerConfig[]> {
  clusters += 1;
  const base = join(directory, `cluster-${clusters}`);
  const ports = await freePorts(IDS.length);
  const peers = ports.map((port, index) => `${index + 1}=127.0.0.1:${port}`).join(',');
  return IDS.map((id) => {
    const flags = { id, peers, dataDir: join(base, String(id)) };
    return loadConfig({ flags, environment: {} }).config;
  });
}

async function start(config: ServerConfig, parts: ServerParts = {}): Promise<RunningServer> {
  const server = await startServer(config, { logger, ...parts });
  running.add(server);
  return server;
}

async function stop(server: RunningServer): Promise<void> {
  await server.stop();
  running.delete(server);
}

function connect(server: RunningServer): GrpcClient {
  const client = new GrpcClient(server.address);
  clients.add(client);
  return client;
}

function put(key: string, value: string, sequence?: number) {
  return {
    key: bytesOf(key),
    value: bytesOf(value),
    returnPrevious: false,
    requestId: sequence === undefined ? null : { client: Buffer.alloc(16, 7), sequence, generation: 1 },
  };
}

async function value(client: GrpcClient, key: string): Promise<string | null> {
  const { found } = await client.get({ key: bytesOf(key) });
  return found && Buffer.from(found.value).toString('utf8');
}

describe.each(['memory', 'level'] as const)('three servers, store: %s', (store) => {
  async function startAll(configs: readonly ServerConfig[]): Promise<RunningServer[]> {
    return Promise.all(
      configs.map((config) =>
        start(config, store === 'memory' ? { storage: new MemoryStorage({ replicas: 3 }) } : {}),
      ),
    );
  }

  it('put, get and delete through each', async () => {
    const nodes = (await startAll(await configure())).map(connect);
    for (const [index, writer] of nodes.entries()) {
      const key = bytesOf('shared');
      expect(await writer.put(put('shared', `by ${index}`))).toEqual({
        version: 1,
        previous: null,
        generation: 1,
      });
      for (const reader of nodes) expect(await value(reader, 'shared')).toBe(`by ${index}`);
      const removed = await writer.delete({ key, returnPrevious: true, requestId: null });
      expect(removed).toEqual({
        generation: 1,
        version: 1,
        previous: { value: Buffer.from(`by ${index}`), version: 1 },
      });
      for (const reader of nodes) expect(await value(reader, 'shared')).toBeNull();
    }
  });

  it('order concurrent writes of one key: every version once', async () => {
    const nodes = (await startAll(await configure())).map(connect);
    const responses = await Promise.all(
      nodes.flatMap((node, index) =>
        Array.from({ length: 20 }, (_, n) => node.put(put('contended', `${index}-${n}`))),
      ),
    );
    const versions = responses.map(({ version }) => version).sort((left, right) => left - right);
    expect(versions).toEqual(Array.from({ length: 60 }, (_, index) => index + 1));
    const [first, ...others] = await Promise.all(nodes.map((node) => value(node, 'contended')));
    expect(others).toEqual([first, first]);
  });

  it('apply a request once, whichever replicas it is sent to, at once or later', async () => {
    const nodes = (await startAll(await configure())).map(connect);
    const request = put('once', 'x', 1);
    const responses = await Promise.all([...nodes, ...nodes].map((node) => node.put(request)));
    expect(responses.map(({ version }) => version)).toEqual([1, 1, 1, 1, 1, 1]);
    for (const node of nodes) expect((await node.put(request)).version).toBe(1);
    expect((await nodes[0]?.put(put('once', 'y', 2)))?.version).toBe(2);
  });
});

describe('a cluster', () => {
  it('goes on without one replica, which catches up when it comes back with its data', async () => {
    const configs = await configure();
    const [one, two, three] = await Promise.all(configs.map((config) => start(config)));
    const config = configs[2];
    if (!one || !two || !three || !config) throw new Error('three servers');
    await connect(three).put(put('a', 'before'));
    await stop(three);
    const [first, second] = [connect(one), connect(two)];
    await first.put(put('a', 'meanwhile'));
    await second.put(put('b', 'meanwhile'));
    const again = connect(await start(config));
    expect(await value(again, 'a')).toBe('meanwhile');
    expect(await value(again, 'b')).toBe('meanwhile');
    expect((await again.put(put('a', 'after'))).version).toBe(3);
  });

  it('keeps its data and its request ids over a restart of all', async () => {
    const configs = await configure();
    const before = await Promise.all(configs.map((config) => start(config)));
    const writer = before[0];
    if (!writer) throw new Error('a server');
    await connect(writer).put(put('a', '1', 1));
    await Promise.all(before.map(stop));
    const after = (await Promise.all(configs.map((config) => start(config)))).map(connect);
    for (const node of after) {
      expect((await node.put(put('a', '1', 1))).version).toBe(1);
      expect(await value(node, 'a')).toBe('1');
    }
  });

  it('tells in Status how it is doing', async () => {
    const nodes = (await Promise.all((await configure()).map((config) => start(config)))).map(connect);
    const [first] = nodes;
    if (!first) throw new Error('a client');
    await expect
      .poll(async () => (await first.status({})).peers.every((peer) => peer.reachable), WAIT)
      .toBe(true);
    await first.put(put('a', '1'));
    const status = await first.status({});
    expect(status).toMatchObject({ cluster: 'epaxos', replica: 1, replicas: 3 });
    expect(status.rows).toHaveLength(3);
    expect(status.rows[0]).toMatchObject({ replica: 1, committed: 1, executed: 1 });
    expect((status.paths?.fast ?? 0) + (status.paths?.slow ?? 0)).toBe(1);
    expect(status.peers.map(({ replica }) => replica)).toEqual([2, 3]);
  });
});

describe('one server alone', () => {
  it('serves, and cannot commit: the outcome of a write is unknown, and it says that it reaches nobody', async () => {
    const [config] = await configure();
    if (!config) throw new Error('a configuration');
    const client = connect(await start(config));
    // Without a deadline of its own the call ends when the replica says so, after 5 s.
    const request = client.put(put('a', '1'), { deadline: Number.POSITIVE_INFINITY });
    await expect(request).rejects.toMatchObject({
      status: status.UNAVAILABLE,
      code: 'noQuorum',
      outcome: 'unknown',
    });
    expect((await client.status({})).peers.map(({ reachable }) => reachable)).toEqual([false, false]);
  });

  it('describes itself by reflection', async () => {
    const [config] = await configure();
    if (!config) throw new Error('a configuration');
    const { address } = await start(config);
    const { ServerReflection } = reflectionPackage().grpc.reflection.v1;
    const client = new ServerReflection(address, credentials.createInsecure());
    try {
      const names = await new Promise<string[]>((resolve, reject) => {
        const stream = client.ServerReflectionInfo();
        stream.on('data', (answer: { listServicesResponse: { service: { name: string }[] } }) => {
          resolve(answer.listServicesResponse.service.map(({ name }) => name));
          stream.end();
        });
        stream.on('error', reject);
        stream.write({ listServices: '*' });
      });
      const offered = ['epaxos.v1.KV', 'epaxos.v1.Admin', 'epaxos.v1.Replica', 'grpc.health.v1.Health'];
      expect(names).toEqual(expect.arrayContaining(offered));
    } finally {
      client.close();
    }
  });

  it('listens at a free port for port 0, and says which', async () => {
    const [config] = await configure();
    if (!config) throw new Error('a configuration');
    const { address } = await start({ ...config, listen: '127.0.0.1:0' });
    expect(address).toMatch(/^127\.0\.0\.1:[1-9]\d*$/);
  });

  it('closes a connection that says nothing, and tells clients how many calls a connection may have', async () => {
    const [config] = await configure();
    if (!config) throw new Error('a configuration');
    const { address } = await start(config);
    const silent = connectSocket(Number(address.split(':')[1]), '127.0.0.1').resume();
    const session = connectHttp(`http://${address}`);
    const [settings] = await once(session, 'remoteSettings');
    expect(settings).toMatchObject({ maxConcurrentStreams: CONNECTION_LIMITS.streams });
    await once(silent, 'close');
    expect(session.closed).toBe(false);
    session.destroy();
  });

  it('refuses to start at an address in use, naming it, and leaves nothing open', async () => {
    const [one, two] = await configure();
    if (!one || !two) throw new Error('configurations');
    const first = await start(one);
    await expect(startServer({ ...two, listen: first.address }, { logger })).rejects.toMatchObject({
      code: 'addressInUse',
      message: expect.stringContaining(first.address),
    });
    await start(two); // the data directory was let go of
  });

  it('refuses to listen at a host that is not its own', async () => {
    const [config] = await configure();
    if (!config) throw new Error('a configuration');
    await expect(startServer({ ...config, listen: '192.0.2.1:7000' }, { logger })).rejects.toMatchObject({
      code: 'badConfiguration',
      message: expect.stringContaining('cannot listen at 192.0.2.1:7000'),
    });
  });

  it('refuses a data directory of another replica', async () => {
    const [one, two] = await configure();
    if (!one || !two) throw new Error('configurations');
    await stop(await start(one));
    await expect(startServer({ ...two, dataDir: one.dataDir }, { logger })).rejects.toMatchObject({
      code: 'dataDirectoryMismatch',
    });
  });

  it('fails when its store fails, and the waiting clients cannot know', async () => {
    const [config] = await configure();
    if (!config) throw new Error('a configuration');
    const storage = new MemoryStorage({ replicas: 3 });
    const server = await start(config, { storage });
    const broken = new KvError('storageFailure', 'the disk is gone');
    storage.writeRecords = () => Promise.reject(broken);
    const client = connect(server);
    await expect(client.put(put('a', '1'))).rejects.toMatchObject({
      code: 'storageFailure',
      outcome: 'unknown',
    });
    expect(await server.failed).toBe(broken);
    await stop(server);
  });

  it('closes the connections to it after the process stood still, and serves on new ones', async () => {
    const [config] = await configure();
    if (!config) throw new Error('a configuration');
    let stoodStillMs = 0;
    const clock: Clock = { ...systemClock, nowMs: () => systemClock.nowMs() + stoodStillMs };
    const server = await start(config, { clock });
    const session = connectHttp(`http://${server.address}`);
    const closed = once(session, 'close');
    await once(session, 'connect');
    stoodStillMs = STANDSTILL_MS + 1;
    await closed;
    expect(await connect(server).status({})).toMatchObject({ replica: 1 });
  });

  it('stops while a request waits: the request learns it, and the stop is over soon', async () => {
    const [config] = await configure();
    if (!config) throw new Error('a configuration');
    const server = await start(config);
    const client = connect(server);
    const request = client.put(put('a', '1'), { deadline: Date.now() + 60_000 });
    const ended = expect(request).rejects.toMatchObject({ code: 'shuttingDown', outcome: 'unknown' });
    await expect.poll(async () => (await client.status({})).openInstances, WAIT).toBe(1);
    await stop(server);
    await ended;
  });
});

/** The schema of reflection, as a foreign client has it. */
function reflectionPackage() {
  const path = new URL(
    '../../node_modules/@grpc/reflection/build/proto/grpc/reflection/v1/reflection.proto',
    import.meta.url,
  );
  interface ReflectionClient {
    ServerReflectionInfo(): NodeJS.ReadWriteStream & { write(request: object): boolean };
    close(): void;
  }
  return loadPackageDefinition(loadSync(path.pathname)) as unknown as {
    grpc: {
      reflection: {
        v1: {
          ServerReflection: new (
            address: string,
            channel: ReturnType<typeof credentials.createInsecure>,
          ) => ReflectionClient;
        };
      };
    };
  };
}
