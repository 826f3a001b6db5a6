/** Whole servers in one process, over real sockets and real data directories. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, expect } from 'vitest';
import {
  createLogger,
  loadConfig,
  type RunningServer,
  type ServerConfig,
  type ServerParts,
  startServer,
} from '../../src/server/index.ts';
import { GrpcClient } from '../api/grpc-client.ts';
import { bytesOf } from '../kv/operations.ts';
import { freeBasePort } from '../support/free-ports.ts';

const logger = createLogger({ level: 'silent', cluster: 'test', replica: 1 });
const IDS = [1, 2, 3];
export const WAIT = { timeout: 60_000, interval: 20 };

/** A cluster of three, all replicas with the same parts. */
export class Cluster {
  readonly configs: readonly ServerConfig[];
  readonly #parts: ServerParts;
  readonly #running = new Map<number, { readonly server: RunningServer; readonly client: GrpcClient }>();
  readonly #directory: string;

  private constructor(options: { directory: string; basePort: number; parts: ServerParts }) {
    const { directory, basePort, parts } = options;
    this.#directory = directory;
    this.#parts = parts;
    const peers = IDS.map((id) => `${id}=127.0.0.1:${basePort + id}`).join(',');
    this.configs = IDS.map((id) => {
      const flags = { id, peers, dataDir: join(directory, String(id)) };
      return loadConfig({ flags, environment: {} }).config;
    });
  }

  /** Three servers to be started; they are stopped, and their data removed, after the test. */
  static async create(parts: ServerParts = {}): Promise<Cluster> {
    const directory = mkdtempSync(join(tmpdir(), 'epaxos-servers-'));
    const cluster = new Cluster({ directory, basePort: (await freeBasePort(3)) - 1, parts });
    created.push(cluster);
    return cluster;
  }

  /** The same, started. */
  static async start(parts: ServerParts = {}): Promise<Cluster> {
    const cluster = await Cluster.create(parts);
    await Promise.all(IDS.map((id) => cluster.start(id)));
    return cluster;
  }

  config(id: number): ServerConfig {
    return this.configs[id - 1] ?? expect.fail(`replica ${id}`);
  }

  /** @param parts on top of those of the cluster @param signal gives the start up @param settings on top of its own */
  async start(
    id: number,
    parts: ServerParts = {},
    signal?: AbortSignal,
    settings: Partial<ServerConfig> = {},
  ): Promise<RunningServer> {
    const config = { ...this.config(id), ...settings };
    const server = await startServer(config, { logger, ...this.#parts, ...parts }, signal);
    this.#running.set(id, { server, client: new GrpcClient(server.address) });
    return server;
  }

  async stop(id: number): Promise<void> {
    const { server, client } = this.#of(id);
    this.#running.delete(id);
    client.close();
    await server.stop();
  }

  client(id: number): GrpcClient {
    return this.#of(id).client;
  }

  async put(id: number, key: string, value: string): Promise<void> {
    const request = { key: bytesOf(key), value: bytesOf(value), returnPrevious: false, requestId: null };
    await this.client(id).put(request);
  }

  async value(id: number, key: string): Promise<string | null> {
    const { found } = await this.client(id).get({ key: bytesOf(key) });
    return found && Buffer.from(found.value).toString('utf8');
  }

  async status(id: number) {
    return await this.client(id).status({});
  }

  async remove(): Promise<void> {
    await Promise.all([...this.#running.keys()].map((id) => this.stop(id)));
    rmSync(this.#directory, { recursive: true });
  }

  #of(id: number) {
    return this.#running.get(id) ?? expect.fail(`replica ${id} runs`);
  }
}

const created: Cluster[] = [];
afterEach(async () => {
  for (const cluster of created.splice(0)) await cluster.remove();
});
