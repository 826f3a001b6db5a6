/**
 * A cluster of real processes on loopback ports, each running the built `epaxos server`: it can be killed,
 * frozen and started again replica by replica, and never outlives the tests.
 */

import { closeSync, mkdtempSync, openSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { REPLICA_ENVIRONMENT, REPLICA_NODE_FLAGS } from '../../src/cli/node-flags.ts';
import { connect, type KvClient, type ReplicaStatus } from '../../src/client/index.ts';
import { openLevelStorage, type Storage } from '../../src/storage/index.ts';
import { type Exit, GroupProcess, PROGRAM } from './child-process.ts';
import { freeBasePort } from './free-ports.ts';
import { endOf, problemsIn } from './replica-log.ts';
import { storedRows } from './stored-rows.ts';
import { until } from './until.ts';

/** The name of every cluster of processes. */
export const CLUSTER = 'e2e';

/** One row of a replica's table, its bytes as binary strings. */
export interface TableRow {
  readonly key: string;
  readonly value: string;
  readonly version: number;
}

interface Member {
  readonly id: number;
  readonly endpoint: string;
  readonly dataDir: string;
  readonly logFile: string;
  /** Asks this replica alone. */
  readonly client: KvClient;
  process: GroupProcess | null;
  isPaused: boolean;
}

export class ProcessCluster {
  /** Holds the data directories and the logs of all replicas. */
  readonly directory = mkdtempSync(join(tmpdir(), 'epaxos-e2e-'));
  readonly #members: readonly Member[];
  readonly #clients = new Set<KvClient>();
  /** Replicas that ended without being asked to. */
  readonly #unexpected: string[] = [];

  readonly #program: string;

  private constructor(options: {
    readonly replicas: number;
    readonly basePort: number;
    readonly program: string;
  }) {
    this.#program = options.program;
    this.#members = Array.from({ length: options.replicas }, (_, index) => {
      const id = index + 1;
      const endpoint = `127.0.0.1:${options.basePort + index}`;
      return {
        id,
        endpoint,
        dataDir: join(this.directory, `replica-${id}`),
        logFile: join(this.directory, `replica-${id}.log`),
        client: connect({ endpoints: endpoint, timeoutMs: 2000 }),
        process: null,
        isPaused: false,
      };
    });
  }

  /**
   * Starts every replica and waits until each reaches all the others. Nothing is left if that fails.
   * @param options `program`: the `epaxos` command to run, of this checkout if absent
   */
  static async start(
    replicas: 3 | 5,
    { program = PROGRAM }: { readonly program?: string } = {},
  ): Promise<ProcessCluster> {
    const cluster = new ProcessCluster({ replicas, basePort: await freeBasePort(replicas), program });
    try {
      await cluster.startAgain(cluster.ids);
      return cluster;
    } catch (error) {
      const logs = cluster.logs();
      await cluster.close().catch(() => undefined);
      throw new Error(`the cluster did not start\n${logs}`, { cause: error });
    }
  }

  get ids(): readonly number[] {
    return this.#members.map(({ id }) => id);
  }

  get endpoints(): readonly string[] {
    return this.#members.map(({ endpoint }) => endpoint);
  }

  endpoint(id: number): string {
    return this.#member(id).endpoint;
  }

  dataDir(id: number): string {
    return this.#member(id).dataDir;
  }

  /** The process of a replica; null if it does not run. */
  pid(id: number): number | null {
    return this.#member(id).process?.pid ?? null;
  }

  /** A client of these replicas, or of all; closed with the cluster at the latest. */
  connect(options: { readonly ids?: readonly number[]; readonly timeoutMs?: number } = {}): KvClient {
    const { ids = this.ids, timeoutMs = 20_000 } = options;
    const endpoints = ids.map((id) => this.endpoint(id));
    const client = connect({ endpoints, timeoutMs, prefer: 'first' });
    this.#clients.add(client);
    return client;
  }

  /** Kills replicas on the spot, all at once, and waits until they are gone. */
  async kill(...ids: readonly number[]): Promise<void> {
    await Promise.all(ids.map((id) => this.#end(id, 'SIGKILL')));
  }

  /** Asks a replica to stop, and waits until it did. */
  terminate(id: number): Promise<Exit> {
    return this.#end(id, 'SIGTERM');
  }

  /** Starts replicas that do not run, and waits until every running replica reaches all the others. */
  async startAgain(ids: readonly number[]): Promise<void> {
    for (const id of ids) this.#spawn(this.#member(id));
    await this.untilConnected();
  }

  /** Freezes a replica: it keeps its connections, and says and hears nothing. */
  pause(id: number): void {
    this.#setPaused(id, true);
  }

  /** Lets a frozen replica go on. */
  resume(id: number): void {
    this.#setPaused(id, false);
  }

  /** Mends what the last test left: frozen replicas go on, missing ones are started. */
  async mend(): Promise<void> {
    for (const { id, isPaused } of this.#members) if (isPaused) this.resume(id);
    await this.startAgain(this.#members.filter((member) => member.process === null).map(({ id }) => id));
  }

  /** A replica's own view. @throws KvError if it does not answer */
  async status(id: number): Promise<ReplicaStatus> {
    const [report] = await this.#member(id).client.status();
    if (report?.status) return report.status;
    throw report?.error ?? new Error(`no report of replica ${id}`);
  }

  /** Waits until every replica at work reaches all others at work. @throws Error at once if one of them ends */
  async untilConnected(): Promise<void> {
    const working = this.#working();
    await Promise.all(
      working.map((id) =>
        until(`replica ${id} reaches the others`, async () => {
          if (this.#unexpected.length > 0) return true; // reported below
          const { peers } = await this.status(id);
          return working.every((other) => other === id || peers[indexOfPeer(id, other)]?.reachable);
        }),
      ),
    );
    if (this.#unexpected.length > 0) throw new Error(this.#unexpected.join('; '));
  }

  /** Waits until `id` is out of reach for all others at work. */
  async untilUnreachable(id: number): Promise<void> {
    await Promise.all(
      this.#working().map((other) =>
        until(`replica ${id} is out of reach for replica ${other}`, async () => {
          const { peers } = await this.status(other);
          return peers[indexOfPeer(other, id)]?.reachable === false;
        }),
      ),
    );
  }

  /**
   * Waits until every replica at work has committed and executed all that any of them knows of.
   * To be called when no client writes.
   */
  async untilConverged(): Promise<void> {
    await until(
      'all replicas have executed the same instances',
      async () => {
        const all = await Promise.all(this.#working().map((id) => this.status(id)));
        const highest = (all[0]?.rows ?? []).map((_, index) =>
          Math.max(...all.map(({ rows }) => rows[index]?.highest ?? 0)),
        );
        const isDone = all.every(({ rows }) =>
          rows.every((row, index) => row.committed === highest[index] && row.executed === highest[index]),
        );
        if (isDone) return true;
        throw new Error(all.map(({ replica, rows }) => `${replica}: ${JSON.stringify(rows)}`).join('; '));
      },
      60_000,
    );
  }

  /** Stops every replica in good order and reads its table from its data directory; replicas in order of id. */
  async stopAndReadTables(): Promise<readonly (readonly TableRow[])[]> {
    await Promise.all(this.#running().map((id) => this.terminate(id)));
    return Promise.all(this.ids.map((id) => this.readTable(id)));
  }

  /** The table in the data directory of a replica that does not run. */
  readTable(id: number): Promise<readonly TableRow[]> {
    return this.readStore(id, tableOf);
  }

  /** Reads the data directory of a replica that does not run. */
  async readStore<T>(id: number, read: (storage: Storage) => Promise<T>): Promise<T> {
    const identity = { cluster: CLUSTER, replica: id, replicas: this.#members.length };
    const storage = await openLevelStorage({ directory: this.dataDir(id), identity });
    try {
      return await read(storage);
    } finally {
      await storage.close();
    }
  }

  /** The ends of all logs, for the report of a failure. */
  logs(): string {
    return this.#members.map(({ id, logFile }) => `--- replica ${id}\n${endOf(logFile)}\n`).join('');
  }

  /**
   * Ends every process, waits, and removes the data unless told to keep it.
   * @param options `expected`: what a line of a log may say though no healthy replica writes it
   * @throws Error if a replica ended by itself or its log has a line that no healthy replica writes
   */
  async close(options: { readonly keepData?: boolean; readonly expected?: RegExp } = {}): Promise<void> {
    for (const client of this.#clients) client.close();
    for (const { client } of this.#members) client.close();
    await this.kill(...this.#running());
    const lines = this.#members.flatMap(({ logFile }) => problemsIn(logFile));
    const problems = [...this.#unexpected, ...lines.filter((line) => !options.expected?.test(line))];
    if (!options.keepData) rmSync(this.directory, { recursive: true });
    if (problems.length > 0) throw new Error(`problems of the replicas:\n${problems.join('\n')}`);
  }

  #member(id: number): Member {
    const member = this.#members[id - 1];
    if (member === undefined) throw new Error(`there is no replica ${id}`);
    return member;
  }

  #running(): readonly number[] {
    return this.#members.filter((member) => member.process !== null).map(({ id }) => id);
  }

  /** Running and not frozen. */
  #working(): readonly number[] {
    return this.#running().filter((id) => !this.#member(id).isPaused);
  }

  #spawn(member: Member): void {
    const { id, dataDir, logFile } = member;
    if (member.process !== null) throw new Error(`replica ${id} runs already`);
    const peers = this.#members.map((peer) => `${peer.id}=${peer.endpoint}`).join(',');
    const flags = ['--id', `${id}`, '--peers', peers, '--data-dir', dataDir, '--cluster', CLUSTER];
    const log = openSync(logFile, 'a');
    try {
      // Should the tests be killed on the spot, its standard input ends, and it with it.
      const args = [...REPLICA_NODE_FLAGS, this.#program, 'server', ...flags, '--exit-with-parent'];
      const started = new GroupProcess(process.execPath, args, {
        stdio: ['pipe', log, log],
        environment: REPLICA_ENVIRONMENT,
      });
      member.process = started;
      void started.exited.then(({ code, signal }) => {
        if (member.process !== started) return; // it was asked to end
        member.process = null;
        this.#unexpected.push(`replica ${id} ended by itself: code ${code}, signal ${signal}`);
      });
    } finally {
      closeSync(log);
    }
  }

  async #end(id: number, signal: NodeJS.Signals): Promise<Exit> {
    const member = this.#member(id);
    const { process } = member;
    if (process === null) throw new Error(`replica ${id} does not run`);
    member.process = null;
    member.isPaused = false;
    process.signalGroup(signal);
    return process.exited;
  }

  #setPaused(id: number, isPaused: boolean): void {
    const member = this.#member(id);
    member.process?.signalGroup(isPaused ? 'SIGSTOP' : 'SIGCONT');
    member.isPaused = isPaused;
  }
}

async function tableOf(storage: Storage): Promise<readonly TableRow[]> {
  const rows: TableRow[] = [];
  for await (const [key, { value, version }] of storedRows(storage)) {
    rows.push({ key, value: Buffer.from(value).toString('latin1'), version });
  }
  return rows;
}

/** Where a replica's status lists a peer: all replicas but itself, by id. */
function indexOfPeer(id: number, peer: number): number {
  return peer < id ? peer - 1 : peer - 2;
}
