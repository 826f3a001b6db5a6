/** Three members of etcd as processes on loopback ports, with the settings it has by itself. */
import { execFileSync } from 'node:child_process';
import { closeSync, mkdtempSync, openSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { keyAt } from '../src/load/index.ts';
import { GroupProcess } from '../test/support/child-process.ts';
import { freeBasePort } from '../test/support/free-ports.ts';
import { until } from '../test/support/until.ts';
import { ETCD_PATHS, UnaryTarget } from './unary-target.ts';

const MEMBERS = 3;

/** The version of the etcd that is installed; null if there is none. */
export function etcdVersion(): string | null {
  try {
    const output = execFileSync('etcd', ['--version'], {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    return /etcd Version: (\S+)/.exec(output)?.[1] ?? 'of unknown version';
  } catch {
    return null;
  }
}

export class EtcdCluster {
  readonly #directory = mkdtempSync(join(tmpdir(), 'epaxos-bench-etcd-'));
  readonly endpoints: readonly string[];
  readonly #members: readonly GroupProcess[];

  private constructor(basePort: number) {
    const numbers = Array.from({ length: MEMBERS }, (_, index) => index);
    const client = (index: number) => `127.0.0.1:${basePort + index}`;
    const peer = (index: number) => `http://127.0.0.1:${basePort + MEMBERS + index}`;
    this.endpoints = numbers.map(client);
    const members = numbers.map((index) => `member-${index}=${peer(index)}`).join(',');
    this.#members = numbers.map((index) => {
      const url = `http://${client(index)}`;
      const log = openSync(join(this.#directory, `member-${index}.log`), 'a');
      try {
        const flags = [
          ['--name', `member-${index}`],
          ['--data-dir', join(this.#directory, `member-${index}`)],
          ['--listen-client-urls', url],
          ['--advertise-client-urls', url],
          ['--listen-peer-urls', peer(index)],
          ['--initial-advertise-peer-urls', peer(index)],
          ['--initial-cluster', members],
        ].flat();
        return new GroupProcess('etcd', flags, { stdio: ['ignore', log, log] });
      } finally {
        closeSync(log);
      }
    });
  }

  /** Starts the members and waits until each serves. Nothing is left if that fails. */
  static async start(): Promise<EtcdCluster> {
    const cluster = new EtcdCluster(await freeBasePort(2 * MEMBERS));
    const targets = cluster.endpoints.map((address) => new UnaryTarget({ address, paths: ETCD_PATHS }));
    try {
      for (const target of targets) {
        await until('a member of etcd serves', async () => (await target.get(keyAt(0))) !== null);
      }
      return cluster;
    } catch (error) {
      await cluster.close();
      throw error;
    } finally {
      for (const target of targets) target.close();
    }
  }

  get pids(): readonly number[] {
    return this.#members.map(({ pid }) => pid);
  }

  /** Ends every member, waits, and removes the data. */
  async close(): Promise<void> {
    await Promise.all(this.#members.map((member) => member.end()));
    rmSync(this.#directory, { recursive: true });
  }
}
