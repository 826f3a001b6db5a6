/**
 * Faults of the network, made with packet filters inside the network namespaces of containers. The host's own tools
 * are used, so the image needs none; it takes root, on the machine that runs the containers.
 */
import type { ContainerCluster } from './cluster.ts';
import { command } from './engine.ts';

/** Packets without data: a TCP acknowledgement, with all its options, has fewer bytes than this. */
const MOST_BYTES_WITHOUT_DATA = 60;

export class NetworkFaults {
  readonly #cluster: ContainerCluster;
  readonly #namespaces = new Set<string>();

  constructor(cluster: ContainerCluster) {
    this.#cluster = cluster;
  }

  /** Nothing passes any more between two groups of replicas; clients still reach both. */
  async separate(one: readonly number[], other: readonly number[]): Promise<void> {
    for (const id of one) {
      for (const peer of other) {
        const address = await this.#address(peer);
        await this.#filter(id, '--append INPUT --source', address, '--jump DROP');
        await this.#filter(id, '--append OUTPUT --destination', address, '--jump DROP');
      }
    }
  }

  /**
   * A replica hears all others and is not heard: its bare acknowledgements pass, so that what they send arrives, but
   * nothing that it says.
   */
  async mute(id: number): Promise<void> {
    for (const peer of this.#cluster.ids.filter((other) => other !== id)) {
      const address = await this.#address(peer);
      const most = String(MOST_BYTES_WITHOUT_DATA);
      await this.#filter(
        id,
        '--append OUTPUT --destination',
        address,
        '--match length --length',
        `0:${most}`,
        '--jump ACCEPT',
      );
      await this.#filter(id, '--append OUTPUT --destination', address, '--jump DROP');
    }
  }

  /** Loses packets by chance, in both directions, of peers and clients alike. */
  async lose(id: number, probability: number): Promise<void> {
    const chance = ['--match statistic --mode random --probability', String(probability), '--jump DROP'];
    await this.#filter(id, '--append INPUT ! --in-interface lo', ...chance);
    await this.#filter(id, '--append OUTPUT ! --out-interface lo', ...chance);
  }

  /** How many packets the filters of a replica have dropped. */
  async dropped(id: number): Promise<number> {
    const pid = await this.#cluster.project.inspect(`replica-${id}`, '{{.State.Pid}}');
    const list = await iptables(pid, '--list', '--verbose', '--exact', '--numeric');
    return [...list.matchAll(/^ *(\d+) +\d+ +DROP /gm)].reduce(
      (sum, [, packets]) => sum + Number(packets),
      0,
    );
  }

  /** Takes all of it back. */
  async heal(): Promise<void> {
    for (const pid of this.#namespaces) await iptables(pid, '--flush');
    this.#namespaces.clear();
  }

  async #filter(id: number, ...words: readonly string[]): Promise<void> {
    const pid = await this.#cluster.project.inspect(`replica-${id}`, '{{.State.Pid}}');
    await iptables(pid, ...words.flatMap((word) => word.split(' ')));
    this.#namespaces.add(pid);
  }

  #address(id: number): Promise<string> {
    const format = '{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}';
    return this.#cluster.project.inspect(`replica-${id}`, format);
  }
}

function iptables(pid: string, ...args: readonly string[]): Promise<string> {
  return command('nsenter', ['--target', pid, '--net', 'iptables', '--wait', ...args]);
}
