/** A cluster in containers: what the tests do to it, and what they ask of it. */

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect, type KvClient, type ReplicaStatus } from '../../../src/client/index.ts';
import { openLevelStorage } from '../../../src/storage/index.ts';
import { storedRows } from '../../support/stored-rows.ts';
import { until } from '../../support/until.ts';
import { docker } from './engine.ts';
import { Project, type ProjectOptions } from './project.ts';

/** Only a fault makes anything here take so long. */
const PATIENCE_MS = 90_000;
const CLUSTER = 'epaxos';

/** A table: by key, the version and the value. */
export type Table = ReadonlyMap<string, { readonly version: number; readonly value: string }>;

export class ContainerCluster {
  readonly project: Project;
  /** How long it took from the call of `up` until every replica served and reached all others. */
  readyMs = 0;
  readonly #observers: readonly KvClient[];

  private constructor(project: Project) {
    this.project = project;
    this.#observers = this.endpoints.map((endpoint) => connect({ endpoints: endpoint, timeoutMs: 2000 }));
  }

  /** Brings a cluster up and waits until it serves. Nothing is left if that fails. */
  static async start(options: ProjectOptions): Promise<ContainerCluster> {
    const cluster = new ContainerCluster(await Project.create(options));
    try {
      const startedMs = performance.now();
      await cluster.project.compose('up', '--detach', '--no-build');
      await cluster.untilConnected();
      cluster.readyMs = performance.now() - startedMs;
      return cluster;
    } catch (error) {
      const logs = await cluster.logs();
      await cluster.close();
      throw new Error(`the cluster did not start\n${logs}`, { cause: error });
    }
  }

  get ids(): readonly number[] {
    return this.project.ports.map((_, index) => index + 1);
  }

  /** On the host, replica 1 first. */
  get endpoints(): readonly string[] {
    return this.project.ports.map((port) => `127.0.0.1:${port}`);
  }

  container(id: number): Promise<string> {
    return this.project.container(`replica-${id}`);
  }

  /** Kills replicas on the spot, all at once. */
  async kill(...ids: readonly number[]): Promise<void> {
    await docker('kill', ...(await this.#containers(ids)));
  }

  /** Starts killed replicas. */
  async start(...ids: readonly number[]): Promise<void> {
    await docker('start', ...(await this.#containers(ids)));
  }

  /** Freezes a replica. */
  async pause(id: number): Promise<void> {
    await docker('pause', await this.container(id));
  }

  async unpause(id: number): Promise<void> {
    await docker('unpause', await this.container(id));
  }

  /** A replica's own view. @throws KvError if it does not answer */
  async status(id: number): Promise<ReplicaStatus> {
    const [report] = (await this.#observers[id - 1]?.status()) ?? [];
    if (report?.status) return report.status;
    throw report?.error ?? new Error(`there is no replica ${id}`);
  }

  /** Waits until each of these replicas reaches each other one of them. */
  async untilConnected(ids: readonly number[] = this.ids): Promise<void> {
    await this.#untilAll(ids, `the replicas ${ids.join()} reach each other`, ({ replica, peers }) =>
      ids.every((id) => id === replica || peers.some((peer) => peer.replica === id && peer.reachable)),
    );
  }

  /** Waits until a replica does not reach any of `others`. */
  async untilCutOff(id: number, others: readonly number[]): Promise<void> {
    await this.#untilAll([id], `replica ${id} reaches none of ${others.join()}`, ({ peers }) =>
      peers.every((peer) => !others.includes(peer.replica) || !peer.reachable),
    );
  }

  /** Waits until every replica has executed all that any of them knows. To be called when no client writes. */
  async untilConverged(): Promise<void> {
    await until(
      'all replicas have executed the same instances',
      async () => {
        const all = await Promise.all(this.ids.map((id) => this.status(id)));
        const highest = all[0]?.rows.map((_, row) =>
          Math.max(...all.map(({ rows }) => rows[row]?.highest ?? 0)),
        );
        const isDone = all.every(({ rows }) =>
          rows.every(({ executed }, row) => executed === highest?.[row]),
        );
        if (!isDone)
          throw new Error(all.map(({ replica, rows }) => `${replica}: ${JSON.stringify(rows)}`).join('; '));
        return true;
      },
      PATIENCE_MS,
    );
  }

  /** Stops every replica in good order and reads its table out of its volume; replicas in order of id. */
  async stopAndReadTables(): Promise<readonly Table[]> {
    await this.project.compose('stop', ...this.ids.map((id) => `replica-${id}`));
    return Promise.all(this.ids.map((id) => this.#readTable(id)));
  }

  /** Everything that a replica has logged since its container was made. */
  async logsOf(id: number): Promise<string> {
    return this.project.compose('logs', '--no-color', `replica-${id}`);
  }

  /** The ends of all logs, for the report of a failure. */
  async logs(): Promise<string> {
    return this.project.compose('logs', '--no-color', '--tail', '30').catch(String);
  }

  async close(): Promise<void> {
    for (const observer of this.#observers) observer.close();
    await this.project.remove();
  }

  #containers(ids: readonly number[]): Promise<string[]> {
    return Promise.all(ids.map((id) => this.container(id)));
  }

  async #untilAll(
    ids: readonly number[],
    what: string,
    holds: (status: ReplicaStatus) => boolean,
  ): Promise<void> {
    await until(
      what,
      async () => (await Promise.all(ids.map((id) => this.status(id)))).every(holds),
      PATIENCE_MS,
    );
  }

  async #readTable(id: number): Promise<Table> {
    const directory = mkdtempSync(join(tmpdir(), 'epaxos-containers-'));
    try {
      await docker('cp', `${await this.container(id)}:/data/.`, directory);
      const identity = { cluster: CLUSTER, replica: id, replicas: this.ids.length };
      const storage = await openLevelStorage({ directory, identity });
      try {
        const table = new Map<string, { version: number; value: string }>();
        for await (const [key, { value, version }] of storedRows(storage)) {
          table.set(key, { version, value: Buffer.from(value).toString('latin1') });
        }
        return table;
      } finally {
        await storage.close();
      }
    } finally {
      rmSync(directory, { recursive: true });
    }
  }
}
