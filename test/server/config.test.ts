/** Configuration: where values come from, what is refused, and in which words. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { formatPeers, parseAddress, parsePeers } from '../../src/server/addresses.ts';
import { type ConfigSources, loadConfig, SETTINGS } from '../../src/server/config.ts';

const PEERS = '1=a:7001,2=b:7002,3=c:7003';
const MINIMUM = { id: '1', peers: PEERS, dataDir: '/data' };

let directory = '';
beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'epaxos-config-'));
});
afterAll(() => rmSync(directory, { recursive: true }));

let files = 0;
function file(content: string): string {
  files += 1;
  const path = join(directory, `config-${files}.json`);
  writeFileSync(path, content);
  return path;
}

function load(sources: Partial<ConfigSources>) {
  return loadConfig({ flags: {}, environment: {}, ...sources });
}

function message(action: () => unknown): string {
  try {
    action();
  } catch (error) {
    expect(error).toMatchObject({ name: 'KvError', code: 'badConfiguration' });
    return (error as Error).message;
  }
  return 'nothing was wrong';
}

describe('addresses', () => {
  it.each(['localhost:7000', '127.0.0.1:1', '[::1]:65535', '[fe80::1%eth0]:7000', 'replica-1.example:7000'])(
    'takes %s',
    (address) => expect(parseAddress(` ${address} `, 1)).toBe(address),
  );

  it.each([
    '',
    'localhost',
    ':7000',
    'localhost:',
    'localhost:x',
    '::1:7000',
    'a b:7000',
    'a:0',
    'a:65536',
    'http://a:1',
  ])('refuses "%s"', (address) =>
    expect(message(() => parseAddress(address, 1))).toContain('is not host:port'),
  );

  it('takes port 0 only where any free port makes sense', () => {
    expect(parseAddress('localhost:0', 0)).toBe('localhost:0');
  });
});

describe('the list of peers', () => {
  it('is sorted by id, and can be written as it was read', () => {
    const peers = parsePeers(' 3=c:3 , 1=[::1]:1,2=b:2');
    expect([...peers.keys()]).toEqual([1, 2, 3]);
    expect(peers.get(1)).toBe('[::1]:1');
    expect(formatPeers(peers)).toBe('1=[::1]:1,2=b:2,3=c:3');
  });

  it.each([3, 5, 7])('takes %i replicas', (replicas) => {
    const text = Array.from({ length: replicas }, (_, index) => `${index + 1}=h:${index + 1}`).join(',');
    expect(parsePeers(text).size).toBe(replicas);
  });

  it.each([
    ['', '"" is not id=host:port'],
    ['a:1,b:2,c:3', '"a:1" is not id=host:port; write 1=host:port'],
    ['1=a:1,2=b:2,', '"" is not id=host:port'],
    ['1=a:1,2=b:2,3=c', '"c" is not host:port'],
    ['1=a:1,2=b:2,3=c:0', 'a port from 1 to 65535'],
    ['1=a:1,2=b:2', 'a cluster has 3, 5 or 7 replicas, but 2 are listed'],
    ['1=a:1', 'a cluster has 3, 5 or 7 replicas, but 1 is listed'],
    ['1=a:1,2=b:2,3=c:3,4=d:4', 'but 4 are listed'],
    ['1=a:1,2=b:2,2=c:3', 'replica 2 is listed twice'],
    ['1=a:1,2=b:2,4=d:4', '3 replicas have the ids 1 to 3, but 3 is not listed'],
    ['0=a:1,1=b:2,2=c:3', 'but 3 is not listed'],
    ['1=a:1,2=b:2,3=a:1', 'replicas 1 and 3 have the same address a:1'],
  ])('refuses "%s"', (text, reason) => {
    expect(message(() => parsePeers(text))).toContain(reason);
  });
});

describe('loadConfig', () => {
  it('needs three settings; the others have defaults', () => {
    const { config } = load({ flags: { ...MINIMUM, id: 2 } });
    expect(config).toEqual({
      id: 2,
      peers: parsePeers(PEERS),
      dataDir: '/data',
      listen: 'b:7002',
      cluster: 'epaxos',
      logLevel: 'info',
      tickMs: 10,
      thrifty: false,
      maxPendingRequests: 20_000,
      maxPendingBytes: 67_108_864,
    });
  });

  it('takes a flag before the environment before the file before the default, and tells which', () => {
    const path = file(JSON.stringify({ cluster: 'in-file', logLevel: 'debug', tickMs: 20, id: 3 }));
    const { config, rows } = load({
      flags: { config: path, peers: PEERS, cluster: 'in-flag', listen: undefined },
      environment: {
        EPAXOS_DATA_DIR: '/e',
        EPAXOS_CLUSTER: 'in-env',
        EPAXOS_LOG_LEVEL: 'warn',
        EPAXOS_TICK_MS: '',
      },
    });
    expect(config).toMatchObject({ id: 3, cluster: 'in-flag', logLevel: 'warn', tickMs: 20, dataDir: '/e' });
    expect(rows).toEqual([
      { key: 'id', value: '3', origin: 'file' },
      { key: 'peers', value: PEERS, origin: 'flag' },
      { key: 'dataDir', value: '/e', origin: 'environment' },
      { key: 'listen', value: 'c:7003', origin: 'default' },
      { key: 'cluster', value: 'in-flag', origin: 'flag' },
      { key: 'logLevel', value: 'warn', origin: 'environment' },
      { key: 'tickMs', value: '20', origin: 'file' },
      { key: 'thrifty', value: 'false', origin: 'default' },
      { key: 'maxPendingRequests', value: '20000', origin: 'default' },
      { key: 'maxPendingBytes', value: '67108864', origin: 'default' },
    ]);
  });

  it('finds the file through the environment too', () => {
    const path = file(JSON.stringify(MINIMUM));
    expect(load({ environment: { EPAXOS_CONFIG: path } }).config.id).toBe(1);
  });

  it('names every setting mechanically', () => {
    const names = Object.fromEntries(
      SETTINGS.map(({ key, flag, environment }) => [key, [flag, environment]]),
    );
    expect(names.dataDir).toEqual(['--data-dir', 'EPAXOS_DATA_DIR']);
    expect(names.maxPendingBytes).toEqual(['--max-pending-bytes', 'EPAXOS_MAX_PENDING_BYTES']);
    expect(names.id).toEqual(['--id', 'EPAXOS_ID']);
    expect(names.thrifty).toEqual(['--thrifty', 'EPAXOS_THRIFTY']);
  });

  it.each([
    [{ id: '0' }, 'bad id "0" (from --id): must be an integer from 1 to 7'],
    [{ id: '1.5' }, 'bad id "1.5" (from --id): must be an integer'],
    [{ id: 'one' }, 'bad id "one" (from --id): must be an integer'],
    [{ id: true }, 'bad id true (from --id): must be an integer'],
    [{ id: '5' }, 'id is 5, but peers lists only the replicas 1 to 3'],
    [{ id: undefined }, 'id is missing: give --id or EPAXOS_ID'],
    [{ peers: '1=a:1' }, 'bad peers "1=a:1" (from --peers): a cluster has 3, 5 or 7 replicas'],
    [{ peers: 5 }, 'bad peers 5 (from --peers): must be a text'],
    [{ peers: undefined }, 'peers is missing: give --peers or EPAXOS_PEERS'],
    [{ listen: 'here' }, 'bad listen "here" (from --listen): "here" is not host:port'],
    [{ dataDir: undefined }, 'dataDir is missing: give --data-dir or EPAXOS_DATA_DIR'],
    [{ dataDir: '' }, 'bad dataDir "" (from --data-dir): must not be empty'],
    [{ cluster: 'my cluster' }, 'bad cluster "my cluster" (from --cluster): must be 1 to 64 letters'],
    [{ logLevel: 'loud' }, 'bad logLevel "loud" (from --log-level): must be one of trace, debug'],
    [{ tickMs: '0' }, 'bad tickMs "0" (from --tick-ms): must be an integer from 1 to 1000'],
    [{ thrifty: '1' }, 'bad thrifty "1" (from --thrifty): must be true or false'],
    [{ thrifty: 1 }, 'bad thrifty 1 (from --thrifty): must be true or false'],
    [{ maxPendingRequests: '0' }, 'bad maxPendingRequests "0"'],
    [{ maxPendingBytes: '10' }, 'bad maxPendingBytes "10"'],
    [{ id: '9', tickMs: 'x' }, 'bad id "9" (from --id): must be an integer from 1 to 7; bad tickMs "x"'],
    [{ datadir: '/d' }, 'unknown setting datadir in flags; the known ones are id, peers, dataDir'],
  ])('refuses %o', (flags, reason) => {
    expect(message(() => load({ flags: { ...MINIMUM, ...flags } }))).toContain(reason);
  });

  it('takes a switch from its flag, as a word from the environment, and either way from the file', () => {
    const thrifty = (sources: Partial<ConfigSources>) =>
      load({ ...sources, flags: { ...MINIMUM, ...sources.flags } }).config.thrifty;
    expect(thrifty({ flags: { thrifty: true } })).toBe(true);
    expect(thrifty({ environment: { EPAXOS_THRIFTY: 'true' } })).toBe(true);
    expect(thrifty({ environment: { EPAXOS_THRIFTY: 'false' } })).toBe(false);
    expect(thrifty({ environment: { EPAXOS_THRIFTY: '' } })).toBe(false);
    expect(thrifty({ flags: { config: file('{"thrifty": true}') } })).toBe(true);
    expect(thrifty({ flags: { config: file('{"thrifty": "true"}') } })).toBe(true);
    expect(thrifty({ flags: { thrifty: true }, environment: { EPAXOS_THRIFTY: 'false' } })).toBe(true);
  });

  it('says when a bad value comes from the environment', () => {
    expect(message(() => load({ flags: MINIMUM, environment: { EPAXOS_TICK_MS: 'x' } }))).toBe(
      'bad tickMs "x" (from EPAXOS_TICK_MS): must be an integer from 1 to 1000',
    );
  });

  it.each([
    ['{"id": 1, "dir": 2}', 'unknown setting dir in the file'],
    ['{"config": "x"}', 'unknown setting config in the file'],
    ['{"id": 1', 'cannot be read: '],
    ['[1]', 'must hold one JSON object'],
    ['{"tickMs": "x"}', 'bad tickMs "x" (from the configuration file)'],
  ])('refuses the file %s', (content, reason) => {
    expect(message(() => load({ flags: { ...MINIMUM, config: file(content) } }))).toContain(reason);
  });

  it('says when the file is not there', () => {
    const path = join(directory, 'none.json');
    expect(message(() => load({ flags: { config: path } }))).toContain(
      `the configuration file ${path} cannot be read`,
    );
  });
});
