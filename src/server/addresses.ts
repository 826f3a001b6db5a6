/** Addresses of replicas: `host:port`, an IPv6 host in brackets; and the list of all of them. */
import { isClusterSize, type ReplicaId } from '../epaxos/index.ts';
import { KvError } from '../errors.ts';
import { HIGHEST_PORT, isAddress } from '../util/address.ts';

/**
 * Checks `host:port` and returns it without surrounding space.
 * @param lowestPort 0 where "any free port" makes sense, else 1
 * @throws KvError badConfiguration
 */
export function parseAddress(text: string, lowestPort: 0 | 1): string {
  const address = text.trim();
  if (!isAddress(address, lowestPort)) {
    throw new KvError(
      'badConfiguration',
      `"${address}" is not host:port with a port from ${lowestPort} to ${HIGHEST_PORT} (an IPv6 host stands in brackets: [::1]:7000)`,
    );
  }
  return address;
}

/**
 * Parses `1=host:port,2=host:port,…`: every replica of the cluster, with ids 1 to N.
 * @returns the addresses by id, in order
 * @throws KvError badConfiguration
 */
export function parsePeers(text: string): ReadonlyMap<ReplicaId, string> {
  const peers = new Map<ReplicaId, string>();
  for (const part of text.split(',')) {
    const match = /^\s*(?<id>\d+)\s*=(?<address>.*)$/.exec(part);
    const { id: idText, address: addressText } = match?.groups ?? {};
    if (idText === undefined || addressText === undefined) {
      throw new KvError(
        'badConfiguration',
        `"${part.trim()}" is not id=host:port; write 1=host:port,2=host:port,3=host:port`,
      );
    }
    const id = Number(idText);
    if (peers.has(id)) throw new KvError('badConfiguration', `replica ${id} is listed twice`);
    const address = parseAddress(addressText, 1);
    for (const [other, taken] of peers) {
      if (taken === address) {
        throw new KvError('badConfiguration', `replicas ${other} and ${id} have the same address ${address}`);
      }
    }
    peers.set(id, address);
  }
  if (!isClusterSize(peers.size)) {
    throw new KvError(
      'badConfiguration',
      `a cluster has 3, 5 or 7 replicas, but ${peers.size} ${peers.size === 1 ? 'is' : 'are'} listed`,
    );
  }
  for (let id = 1; id <= peers.size; id += 1) {
    if (!peers.has(id)) {
      throw new KvError(
        'badConfiguration',
        `${peers.size} replicas have the ids 1 to ${peers.size}, but ${id} is not listed`,
      );
    }
  }
  return new Map([...peers].sort(([left], [right]) => left - right));
}

/** The inverse of {@link parsePeers}. */
export function formatPeers(peers: ReadonlyMap<ReplicaId, string>): string {
  return Array.from(peers, ([id, address]) => `${id}=${address}`).join(',');
}
