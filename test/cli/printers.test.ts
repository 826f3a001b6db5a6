/** What answers look like in each format. */
import { describe, expect, it } from 'vitest';
import { PRINTERS, printable } from '../../src/cli/printers.ts';
import { Entry, KvError, type ReplicaReport } from '../../src/client/index.ts';
import { statusOf } from '../client/fake-replica.ts';

const KEY = Buffer.from('greeting');
const BINARY = Buffer.from([0, 10, 255, 254, 128]);
const entry = new Entry({ key: KEY, value: Buffer.from('hello'), version: 3 });
const binary = new Entry({ key: KEY, value: BINARY, version: 1 });
const text = (output: string | Uint8Array) => Buffer.from(output).toString('utf8');

describe('simple', () => {
  it('prints the exact bytes of a value, and a newline for people only', () => {
    expect(Buffer.from(PRINTERS.simple.entry(binary, false))).toEqual(BINARY);
    expect(text(PRINTERS.simple.entry(entry, true))).toBe('hello\n');
  });

  it('prints OK or the number of keys removed, then the value before', () => {
    expect(text(PRINTERS.simple.put(KEY, { version: 1, previous: null }))).toBe('OK\n');
    expect(text(PRINTERS.simple.put(KEY, { version: 4, previous: entry }))).toBe('OK\nhello\n');
    expect(text(PRINTERS.simple.deleted(KEY, { deleted: false, version: 0, previous: null }))).toBe('0\n');
    expect(text(PRINTERS.simple.deleted(KEY, { deleted: true, version: 3, previous: entry }))).toBe(
      '1\nhello\n',
    );
  });
});

/** Two keys that exist, and one between them that does not. */
const rows = [
  { name: 'greeting', key: KEY, entry },
  { name: 'nothing', key: Buffer.from('nothing'), entry: null },
  { name: 'Z3JlZXRpbmc=', key: KEY, entry: binary },
];

describe('several keys', () => {
  it('are printed key by key as they were given, each that exists with its value on the next line', () => {
    const [head, tail] = [Buffer.from('greeting\nhello\nZ3JlZXRpbmc=\n'), Buffer.from('\n')];
    expect(Buffer.from(PRINTERS.simple.entries(rows))).toEqual(Buffer.concat([head, BINARY, tail]));
    expect(text(PRINTERS.simple.entries(rows.slice(1, 2)))).toBe('');
  });

  it('are a list of all of them in JSON', () => {
    expect(text(PRINTERS.json.entries(rows))).toBe(
      '[{"key":"Z3JlZXRpbmc=","value":"aGVsbG8=","version":3},' +
        '{"key":"bm90aGluZw==","value":null,"version":0},' +
        `{"key":"Z3JlZXRpbmc=","value":"${BINARY.toString('base64')}","version":1}]\n`,
    );
  });

  it('are rows of a table', () => {
    const lines = text(PRINTERS.table.entries(rows)).split('\n');
    const cells = lines
      .filter((line) => line.startsWith('│'))
      .map((line) => line.split(/ *│ */).slice(1, -1));
    expect(cells).toEqual([
      ['key', 'value', 'version'],
      ['greeting', 'hello', '3'],
      ['nothing', '', '0'],
      ['greeting', `base64:${BINARY.toString('base64')}`, '1'],
    ]);
  });
});

describe('json', () => {
  const parsed = (output: string | Uint8Array) => JSON.parse(text(output));

  it('keeps binary keys and values', () => {
    const { key, value, version } = parsed(PRINTERS.json.entry(binary, false));
    expect([Buffer.from(key, 'base64'), Buffer.from(value, 'base64'), version]).toEqual([KEY, BINARY, 1]);
  });

  it('is one line with every field, null where there is nothing', () => {
    expect(text(PRINTERS.json.put(KEY, { version: 1, previous: null }))).toBe(
      '{"key":"Z3JlZXRpbmc=","version":1,"previous":null}\n',
    );
    expect(parsed(PRINTERS.json.deleted(KEY, { deleted: true, version: 3, previous: entry }))).toEqual({
      key: 'Z3JlZXRpbmc=',
      deleted: 1,
      version: 3,
      previous: { value: 'aGVsbG8=', version: 3 },
    });
  });
});

describe('table', () => {
  it('shows text as it is and marks what cannot be shown', () => {
    expect(text(PRINTERS.table.entry(entry, true))).toMatch(/│ greeting │ hello │ 3 +│/);
    expect(text(PRINTERS.table.entry(binary, true))).toContain(`base64:${BINARY.toString('base64')}`);
    expect(printable(Buffer.from('bell\u0007'))).toMatch(/^base64:/);
    expect(printable(Buffer.from('naïve ☃'))).toBe('naïve ☃');
    expect([...printable(Buffer.from('☃'.repeat(100)))]).toHaveLength(60);
  });
});

describe('status', () => {
  const reports: readonly ReplicaReport[] = [
    { endpoint: 'a:1', status: statusOf(1), error: null },
    {
      endpoint: 'b:2',
      status: null,
      error: new KvError('unreachable', 'connection refused', { outcome: 'notApplied' }),
    },
    { endpoint: 'c:3', status: { ...statusOf(3), peers: [] }, error: null },
    {
      endpoint: 'd:4',
      status: { ...statusOf(1), snapshot: { source: 2, entries: 7, bytes: 1.5 * 2 ** 20 } },
      error: null,
    },
  ];

  it('shows watermarks, paths and work under way, and why an endpoint is silent', () => {
    const lines = PRINTERS.table.status(reports, { wide: true }).split('\n');
    const line = (endpoint: string) =>
      (lines.find((one) => one.includes(endpoint)) ?? '').split(/ *│ */).slice(1, -1);
    expect(line('a:1')).toEqual([
      'a:1',
      '1 of 3',
      'serving',
      '0.1.0',
      '5s',
      '-',
      '-',
      '12/12/9',
      '11/11/8',
      '10/10/7',
      '10',
      '2',
      '1',
      '4',
      '5',
      '6',
      '1 of 2',
    ]);
    expect(line('b:2')).toEqual(['b:2', '-', 'connection refused']);
    expect(line('c:3')[2]).toBe('no quorum');
    expect(line('d:4')[2]).toBe('serving, copying 2: 7 entries, 1.5 MiB');
    for (const wide of [true, false]) {
      expect(PRINTERS.simple.status(reports, { wide })).toBe(PRINTERS.table.status(reports, { wide }));
    }
  });

  it('has everything in JSON', () => {
    expect(JSON.parse(PRINTERS.json.status(reports, { wide: false }))).toMatchObject([
      { endpoint: 'a:1', reachable: true, status: statusOf(1) },
      { endpoint: 'b:2', reachable: false, error: { code: 'unreachable', message: 'connection refused' } },
      { endpoint: 'c:3', reachable: true },
      { endpoint: 'd:4', reachable: true, status: { snapshot: { source: 2, entries: 7 } } },
    ]);
  });
});
