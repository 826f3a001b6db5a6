/** What deploy/, Dockerfile and docker-compose.yml say fits what the server reads, and each other. */
import { describe, expect, test } from 'vitest';
import { REPLICA_ENVIRONMENT, REPLICA_NODE_FLAGS } from '../../src/cli/node-flags.ts';
import { loadConfig, SETTINGS } from '../../src/server/config.ts';
import { readText, repositoryFiles } from './tree.ts';

const MANIFESTS = { three: 'deploy/kubernetes/three.yaml', five: 'deploy/kubernetes/five.yaml' } as const;

/** Fits any replica. */
const OTHERS = { EPAXOS_ID: '1', EPAXOS_DATA_DIR: '/data' };

/** The peers that a server understands out of a list. */
function peersOf(list: string): readonly (readonly [number, string])[] {
  return [...loadConfig({ flags: {}, environment: { ...OTHERS, EPAXOS_PEERS: list } }).config.peers];
}

function peersIn(manifest: string): string {
  return /name: EPAXOS_PEERS\s+value: (\S+)/.exec(manifest)?.[1] ?? '';
}

describe('deploy', () => {
  test('names no environment variable that the server does not read', () => {
    const files = repositoryFiles().filter((file) => /^(?:deploy\/|Dockerfile$)/.test(file));
    const named = files.flatMap((file) =>
      [...readText(file).matchAll(/\bEPAXOS_[A-Z_]+\b/g)].map(([name]) => name),
    );
    expect(named).toEqual(
      expect.arrayContaining(['EPAXOS_ID', 'EPAXOS_PEERS', 'EPAXOS_LISTEN', 'EPAXOS_DATA_DIR']),
    );
    expect(named.filter((name) => !SETTINGS.some(({ environment }) => environment === name))).toEqual([]);
  });

  test('runs replicas with the flags for Node.js of local ones, and says them to people', () => {
    const flags = REPLICA_NODE_FLAGS.join(' ');
    expect(readText('Dockerfile')).toContain(`\n  NODE_OPTIONS=${flags} \\\n`);
    expect(readText('docs/operations.md')).toContain(`export NODE_OPTIONS=${flags} `);
    for (const [name, value] of Object.entries(REPLICA_ENVIRONMENT)) {
      expect(readText('Dockerfile')).toContain(`\n  ${name}=${value} \\\n`);
      expect(readText('docs/operations.md')).toContain(`export ${name}=${value} `);
    }
  });

  test.each([
    ['three', 3],
    ['five', 5],
  ] as const)('lists the services of docker-compose.yml in %s.json', (name, replicas) => {
    const { peers } = JSON.parse(readText(`deploy/compose/${name}.json`));
    const compose = readText('docker-compose.yml');
    expect(peersOf(peers)).toEqual(
      Array.from({ length: replicas }, (_, index) => [index + 1, `replica-${index + 1}:7000`]),
    );
    for (let id = 1; id <= replicas; id += 1) {
      expect(compose).toMatch(
        new RegExp(`^  replica-${id}:\\n(?:    .*\\n)*    environment: .*EPAXOS_ID: ${id} }`, 'm'),
      );
    }
  });

  test.each([
    ['three', 3, 1],
    ['five', 5, 2],
  ] as const)('lists every pod of the set in %s.yaml, and keeps a majority', (name, replicas, mayBeDown) => {
    const manifest = readText(MANIFESTS[name]);
    expect(peersOf(peersIn(manifest))).toEqual(
      Array.from({ length: replicas }, (_, index) => [index + 1, `epaxos-${index + 1}.epaxos:7000`]),
    );
    expect(manifest).toContain(`\n  replicas: ${replicas}\n`);
    expect(manifest).toContain('\n  ordinals: { start: 1 }\n');
    expect(manifest).toContain(`\n  maxUnavailable: ${mayBeDown}\n`);
  });

  test('has two sets of manifests that differ in nothing but the number of replicas', () => {
    const [three, five] = [readText(MANIFESTS.three), readText(MANIFESTS.five)].map((text) =>
      text
        .replace(peersIn(text), 'PEERS')
        .replace(/^ {2}replicas: \d$/m, 'REPLICAS')
        .replace(/^ {2}maxUnavailable: \d$/m, 'DOWN')
        .replace(/^(?:#.*\n)+/, ''),
    );
    expect(five).toBe(three);
  });

  test('serves, probes and checks one port', () => {
    const port = /EPAXOS_LISTEN=0\.0\.0\.0:(\d+)/.exec(readText('Dockerfile'))?.[1];
    expect(readText('Dockerfile')).toContain(`EXPOSE ${port}\n`);
    const ports = [...readText(MANIFESTS.three).matchAll(/(?:containerPort|port): (\d+)/g)].map(
      (match) => match[1],
    );
    expect(ports.length).toBeGreaterThan(3);
    expect(new Set(ports)).toEqual(new Set([port]));
  });
});
