/** The loop: multi-gets are proposed, and evaluated where somebody waits for them. */

import { describe, expect, it } from 'vitest';
import { Command } from '../../src/epaxos/index.ts';
import type { KvOperation } from '../../src/kv/index.ts';
import { LIMITS } from '../../src/kv/index.ts';
import { anywhere, bytesOf, get, multiGet, put } from '../kv/operations.ts';
import { execution } from './fakes.ts';
import { setUp as setUpNode, TIMEOUT_MS } from './node-setup.ts';
import { submit } from './promised.ts';

const NO_VALUE = { version: 0, value: null, previousVersion: 0 };

/** A loop that counts what it reads from its store. */
function setUp() {
  const parts = setUpNode();
  const { storage } = parts;
  const read: string[] = [];
  const row = storage.row.bind(storage);
  storage.row = (key) => {
    read.push(key);
    return row(key);
  };
  /** So many keys with the largest value there can be. */
  const large = (count: number) => {
    const value = new Uint8Array(LIMITS.valueBytes);
    const keys = Array.from({ length: count }, (_, index) => `large ${index}`);
    for (const key of keys) storage.table.set(key, { value, version: 1, stamp: anywhere() });
    return keys;
  };
  return { ...parts, read, large };
}

/** An instance of another replica. */
function fromElsewhere(...operations: readonly KvOperation[]) {
  return { id: { replica: 2, slot: 1 }, command: new Command(operations) };
}

const tooLarge = expect.objectContaining({
  code: 'limitExceeded',
  outcome: 'notApplied',
  message: expect.stringContaining('ask for fewer keys'),
});
const tooMany = LIMITS.answerBytes / LIMITS.valueBytes + 1;

describe('a multi-get', () => {
  it('goes into an instance, and not through the barrier as a get does', async () => {
    const { node, core, clock } = setUp();
    for (const operation of [multiGet('a', 'b'), get('c')]) {
      submit(node, operation, TIMEOUT_MS).result.catch(() => {});
    }
    await clock.settle();
    expect(core.inputs).toEqual(['propose a', 'read c']);
  });

  it('answers the rows as they are at its place in the order', async () => {
    const { node, clock, perform } = setUp();
    const early = multiGet('b', 'a', 'b');
    const late = multiGet('a', 'b');
    const calls = [early, late].map((operation) => submit(node, operation, TIMEOUT_MS));
    await clock.settle();
    await perform({
      executions: [execution(1, put('a', '1'), early), execution(2, put('b', '1'), put('a', '2'), late)],
    });
    const one = { value: bytesOf('1'), version: 1 };
    expect(await Promise.all(calls.map(({ result }) => result))).toEqual([
      { ...NO_VALUE, rows: [null, one, null] },
      { ...NO_VALUE, rows: [{ value: bytesOf('2'), version: 2 }, one] },
    ]);
  });

  it('is answered from a copy that another replica coordinated', async () => {
    const { node, core, clock, perform } = setUp();
    const operation = multiGet('a', 'b');
    const { result } = submit(node, operation, TIMEOUT_MS);
    await clock.settle();
    await perform({ executions: [fromElsewhere({ ...operation })] });
    expect(await result).toEqual({ ...NO_VALUE, rows: [null, null] });
    expect(core.inputs).toContain('withdraw a');
  });

  it('is executed without reading where nobody waits for it', async () => {
    const { node, clock, perform, read, large } = setUp();
    await perform({ executions: [fromElsewhere(multiGet('a', 'b'), multiGet(...large(tooMany)))] });
    expect(read).toEqual([]);
    const awaited = multiGet('a', 'b');
    const call = submit(node, awaited, TIMEOUT_MS);
    await clock.settle();
    await perform({ executions: [fromElsewhere(multiGet('c'), awaited, { ...awaited })] });
    await call.result;
    expect(read).toEqual(['a', 'b']);
  });

  it('whose answer would be too large is refused, and disturbs nobody else', async () => {
    const { node, clock, perform, large } = setUp();
    const operations = [put('a', '1'), multiGet(...large(tooMany)), get('a')];
    const calls = operations.map((operation) => submit(node, operation, TIMEOUT_MS).result);
    const refused = expect(calls[1]).rejects.toEqual(tooLarge);
    await clock.settle();
    await perform({ executions: [execution(1, ...operations)] });
    await refused;
    expect(await calls[0]).toMatchObject({ version: 1 });
    expect(await calls[2]).toMatchObject({ version: 1, value: bytesOf('1') });
    expect(node.status().pendingRequests).toBe(0);
  });

  it('does not hide a store that cannot be read', async () => {
    const { node, storage, clock, perform } = setUp();
    storage.row = () => {
      throw new Error('the disk is broken');
    };
    const operation = multiGet('a', 'b');
    const { result } = submit(node, operation, TIMEOUT_MS);
    const failed = expect(result).rejects.toMatchObject({ outcome: 'unknown' });
    await clock.settle();
    await perform({ executions: [execution(1, operation)] });
    await failed;
    expect((await node.failed).message).toBe('the disk is broken');
  });
});

describe('a stale multi-get', () => {
  it('is answered from the table at once, without the core', async () => {
    const { node, core, clock, perform } = setUp();
    await perform({ executions: [execution(1, put('b', '1'))] });
    core.inputs.length = 0;
    expect(node.readStale(multiGet('a', 'b'))).toEqual({
      ...NO_VALUE,
      rows: [null, { value: bytesOf('1'), version: 1 }],
    });
    await clock.settle();
    expect(core.inputs).toEqual([]);
  });

  it('has the same limit', async () => {
    const { node, large } = setUp();
    const keys = large(tooMany);
    expect(() => node.readStale(multiGet(...keys))).toThrow(tooLarge);
    expect(node.readStale(multiGet(...keys.slice(1))).rows).toHaveLength(tooMany - 1);
  });
});
