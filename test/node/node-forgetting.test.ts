/** The loop: what is pruned from the store, and which answers are dropped (R2.7, R7.6). */
import { describe, expect, it } from 'vitest';
import { DEFAULT_ANSWER_EXPIRY } from '../../src/node/answer-expiry.ts';
import { put } from '../kv/operations.ts';
import { sessionsOf } from '../storage/samples.ts';
import { execution } from './fakes.ts';
import { setUp, TIMEOUT_MS } from './node-setup.ts';
import { submit } from './promised.ts';

describe('what is no longer needed', () => {
  const pruned = { pruned: [1, 0, 0], floor: [0, 0, 0] };

  it('is pruned with the effects of the turn, and without any', async () => {
    const { log, perform } = setUp();
    await perform({ executions: [execution(1, put('a', '1'))], flush: true, pruned });
    await perform({ pruned });
    expect(log).toEqual([
      'effects of 1.1: 1 rows, 1 answers, pruned to 1 0 0',
      'effects of : 0 rows, 0 answers, pruned to 1 0 0',
    ]);
  });

  it('of answers is dropped from the store and from memory, once no copy of the request can come', async () => {
    const answerExpiry = { ...DEFAULT_ANSWER_EXPIRY, retentionMs: 1_000, bucketMs: 10 };
    const { node, core, log, sessions, transport, clock, perform } = setUp({ answerExpiry });
    core.rows = [4, 0, 0].map((slot, row) => ({
      replica: row + 1,
      committed: slot,
      executed: slot,
      highest: slot,
      pruned: 0,
    }));
    const operation = put('a', '1');
    await perform({ executions: [execution(1, operation)], flush: true });
    const tick = async () => {
      clock.tickAfter(1_500);
      await clock.settle();
    };
    await tick();
    for (const peer of [2, 3]) {
      const highest = [4, 0, peer - 1]; // 3.2 is not executed here yet
      transport.events?.onMessages(peer, [
        { type: 'watermarks', committed: [0, 0, 0], executed: [0, 0, 0], highest, pruned: [0, 0, 0] },
      ]);
    }
    await tick();
    expect(sessions.size).toBe(1);
    expect(await submit(node, operation, TIMEOUT_MS).result).toMatchObject({ version: 1 });
    core.rows = [4, 0, 2].map((slot, row) => ({
      replica: row + 1,
      committed: slot,
      executed: slot,
      highest: slot,
      pruned: 0,
    }));
    await tick();
    expect(sessions.size).toBe(0);
    expect(log).toEqual(['effects of 1.1: 1 rows, 1 answers', 'effects of : 0 rows, 0 answers, 1 expired']);
  });

  it('of answers counts those that the store held as new', async () => {
    const result = { version: 1, value: null, previousVersion: 0 };
    const sessions = sessionsOf([{ ...put('a', '1'), result }]);
    const answerExpiry = { ...DEFAULT_ANSWER_EXPIRY, retentionMs: 1_000, bucketMs: 10 };
    const { core, transport, clock } = setUp({ answerExpiry, sessions });
    core.rows = [];
    const hearAll = () => {
      for (const peer of [2, 3]) {
        const none = [0, 0, 0];
        const told = { committed: none, executed: none, highest: none, pruned: none };
        transport.events?.onMessages(peer, [{ type: 'watermarks', ...told }]);
      }
    };
    hearAll();
    await clock.settle();
    expect(sessions.size).toBe(1);
    for (let round = 0; round < 3; round += 1) {
      clock.tickAfter(1_500);
      await clock.settle();
      hearAll();
      await clock.settle();
    }
    expect(sessions.size).toBe(0);
  });
});
