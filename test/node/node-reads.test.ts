/** The loop: reads of its own table, and what it takes after it stood still. */
import { describe, expect, it } from 'vitest';
import { STANDSTILL_MS } from '../../src/node/pulse.ts';
import { bytesOf, get, put } from '../kv/operations.ts';
import { execution } from './fakes.ts';
import { setUp, TIMEOUT_MS } from './node-setup.ts';
import { submit } from './promised.ts';

describe('a stale read', () => {
  it('is answered from the table at once, without the core', async () => {
    const { node, core, clock, perform } = setUp();
    expect(node.readStale(get('a'))).toEqual({ version: 0, value: null, previousVersion: 0 });
    await perform({ executions: [execution(1, put('a', '1'))] });
    core.inputs.length = 0;
    expect(node.readStale(get('a'))).toEqual({ version: 1, value: bytesOf('1'), previousVersion: 0 });
    await clock.settle();
    expect(core.inputs).toEqual([]);
  });

  it('sees what is executed, all of a batch, before, while and after it is written', async () => {
    const { node, storage, clock, perform } = setUp();
    const versions = () => [node.readStale(get('a')).version, node.readStale(get('b')).version];
    expect(versions()).toEqual([0, 0]);
    await perform({ executions: [execution(1, put('a', '1')), execution(2, put('b', '1'))] });
    expect(versions()).toEqual([1, 1]);
    storage.hold();
    await perform({ flush: true });
    expect(versions()).toEqual([1, 1]);
    storage.release();
    await clock.settle();
    expect(versions()).toEqual([1, 1]);
  });

  it('is refused by a replica that stops', async () => {
    const { node, clock } = setUp();
    const stopped = node.stop(0);
    await clock.settle();
    await stopped;
    expect(() => node.readStale(get('a'))).toThrow(
      expect.objectContaining({ code: 'shuttingDown', outcome: 'notApplied' }),
    );
  });
});

describe('after the process stood still', () => {
  const refused = expect.objectContaining({ code: 'overloaded', outcome: 'notApplied' });

  it('what arrives before the next tick, and in the first moments after it, is refused', async () => {
    let told = 0;
    const { node, core, clock } = setUp({ onStoodStill: () => (told += 1) });
    clock.pass(STANDSTILL_MS + 1);
    expect(() => submit(node, put('a', '1'), TIMEOUT_MS)).toThrow(refused);
    expect(told).toBe(0);
    clock.tickAfter(0);
    expect(told).toBe(1);
    expect(() => submit(node, put('a', '1'), TIMEOUT_MS)).toThrow(refused);
    clock.tickAfter(10);
    submit(node, put('a', '1'), TIMEOUT_MS).result.catch(() => {});
    await clock.settle();
    expect(core.proposed).toHaveLength(1);
    expect(told).toBe(1);
  });

  it('nothing is refused if it was not for long', async () => {
    const { node, core, clock } = setUp({ onStoodStill: () => expect.fail('it was not for long') });
    clock.tickAfter(STANDSTILL_MS);
    submit(node, put('a', '1'), TIMEOUT_MS).result.catch(() => {});
    await clock.settle();
    expect(core.proposed).toHaveLength(1);
  });
});
