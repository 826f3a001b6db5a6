/** A cluster on this machine: one process a replica, started together, watched, and stopped together. */
import { once } from 'node:events';
import { createServer } from 'node:net';
import { join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { connect } from '../client/index.ts';
import { KvError } from '../errors.ts';
import { createDeferred } from '../util/deferred.ts';
import { makeDirectory } from '../util/make-directory.ts';
import { type Exit, formatExit, ReplicaProcess } from './replica-process.ts';
import { hasQuorum } from './status-format.ts';

const POLL_INTERVAL_MS = 50;
const POLL_TIMEOUT_MS = 1000;
const READY_TIMEOUT_MS = 60_000;
const STOP_GRACE_MS = 10_000;

export interface LocalClusterOptions {
  /** 3, 5 or 7. */
  readonly replicas: number;
  readonly host: string;
  /** Replica i listens on basePort + i − 1. */
  readonly basePort: number;
  /** Replica i keeps its data in `replica-i` under it, and its log in `replica-i.log`. */
  readonly dataDir: string;
  readonly cluster: string;
  /** False leaves it to the environment. */
  readonly thrifty: boolean;
}

export class LocalCluster {
  readonly endpoints: readonly string[];
  readonly #options: LocalClusterOptions;
  #replicas: readonly ReplicaProcess[] = [];
  readonly #stopped = createDeferred<void>();
  #isStopping = false;

  constructor(options: LocalClusterOptions) {
    this.#options = options;
    const host = options.host.includes(':') ? `[${options.host}]` : options.host;
    this.endpoints = Array.from(
      { length: options.replicas },
      (_, index) => `${host}:${options.basePort + index}`,
    );
  }

  get replicas(): readonly ReplicaProcess[] {
    return this.#replicas;
  }

  /**
   * Starts every replica and waits until each serves and reaches a majority. If stop() is called meanwhile it
   * resolves early.
   * @throws KvError `addressInUse`, `badConfiguration`, `storageFailure` (the directory) or `noQuorum`; an Error with the reason if a replica ended.
   *   Then every replica is stopped.
   */
  async start(): Promise<void> {
    try {
      const { dataDir, host, basePort, replicas } = this.#options;
      await makeDirectory(resolve(dataDir)).catch((error: unknown) => {
        throw unusable(dataDir, error);
      });
      for (let port = basePort; port < basePort + replicas; port += 1) await requireFree({ host, port });
      if (this.#isStopping) return;
      for (const [index, address] of this.endpoints.entries()) {
        this.#replicas = [...this.#replicas, this.#spawn(index + 1, address)];
      }
      await this.#untilServing();
    } catch (error) {
      await this.stop();
      throw error;
    }
  }

  /** Asks every replica to finish what it has under way and waits; who takes too long is killed. Idempotent. */
  async stop(): Promise<void> {
    this.#isStopping = true;
    this.#stopped.resolve();
    const running = this.#replicas.filter((replica) => replica.isRunning);
    for (const replica of running) replica.kill('SIGTERM');
    const patience = setTimeout(() => this.kill(), STOP_GRACE_MS);
    await Promise.all(running.map((replica) => replica.exited));
    clearTimeout(patience);
  }

  /** Kills every replica at once. */
  kill(): void {
    for (const replica of this.#replicas) replica.kill('SIGKILL');
  }

  /** Resolves when stop() is called or no replica is left. @param onExit called for each that ends by itself */
  async watch(onExit: (replica: ReplicaProcess, exit: Exit) => void): Promise<void> {
    const ends = this.#replicas.map(async (replica) => {
      const exit = await replica.exited;
      if (!this.#isStopping) onExit(replica, exit);
    });
    await Promise.race([this.#stopped.promise, Promise.all(ends)]);
  }

  #spawn(id: number, address: string): ReplicaProcess {
    const { cluster, thrifty } = this.#options;
    const dataDir = join(resolve(this.#options.dataDir), `replica-${id}`);
    const peers = this.endpoints.map((endpoint, index) => `${index + 1}=${endpoint}`).join(',');
    // What every replica has of its own stands in flags: a variable or a file meant for one server would make all the same.
    const serverFlags = ['--id', `${id}`, '--peers', peers, '--listen', address];
    serverFlags.push('--data-dir', dataDir, '--cluster', cluster);
    if (thrifty) serverFlags.push('--thrifty');
    try {
      return new ReplicaProcess({ id, address, serverFlags, dataDir, logFile: `${dataDir}.log` });
    } catch (error) {
      throw unusable(this.#options.dataDir, error);
    }
  }

  async #untilServing(): Promise<void> {
    const failure = Promise.race(this.#replicas.map(failedStart));
    failure.catch(() => undefined); // whoever ends later is the business of watch()
    const giveUpMs = performance.now() + READY_TIMEOUT_MS;
    while (!this.#isStopping) {
      if (await Promise.race([this.#isServing(), failure, this.#stopped.promise])) return;
      if (performance.now() > giveUpMs) {
        throw new KvError(
          'noQuorum',
          `the replicas did not find each other within ${READY_TIMEOUT_MS / 1000} s`,
        );
      }
      await sleep(POLL_INTERVAL_MS);
    }
  }

  /** Whether every replica answers and reaches a majority. */
  async #isServing(): Promise<boolean> {
    // A new client each time: connecting again and again is what is asked for here, not backing off.
    const client = connect({ endpoints: this.endpoints, timeoutMs: POLL_TIMEOUT_MS });
    try {
      const reports = await client.status();
      return reports.every((report) => report.status !== null && hasQuorum(report.status));
    } finally {
      client.close();
    }
  }
}

function unusable(directory: string, error: unknown): KvError {
  const reason = error instanceof Error ? error.message : String(error);
  return new KvError('storageFailure', `cannot use the data directory ${directory}: ${reason}`, {
    cause: error,
  });
}

/** Rejects with the reason when the replica ends. */
async function failedStart(replica: ReplicaProcess): Promise<never> {
  const exit = await replica.exited;
  const { id, address, logFile } = replica.options;
  const reason = replica.lastError() || `${formatExit(exit)}; see ${logFile}`;
  throw new Error(`replica ${id} (${address}) did not start: ${reason}`);
}

/**
 * Makes sure that nobody listens there yet: another cluster's replicas must not be taken for ours.
 * @throws KvError `addressInUse` or `badConfiguration`
 */
async function requireFree(address: { readonly host: string; readonly port: number }): Promise<void> {
  const probe = createServer();
  try {
    probe.listen(address);
    await once(probe, 'listening');
  } catch (error) {
    const where = `${address.host}:${address.port}`;
    if (error instanceof Error && 'code' in error && error.code === 'EADDRINUSE') {
      throw new KvError(
        'addressInUse',
        `${where} is in use: is a cluster running already? Choose other ports with --base-port`,
        { cause: error },
      );
    }
    const reason = error instanceof Error ? error.message : String(error);
    throw new KvError('badConfiguration', `cannot listen on ${where}: ${reason}`, { cause: error });
  }
  probe.close();
  await once(probe, 'close');
}
