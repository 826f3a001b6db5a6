/** The loop: what is pruned from the store, and when old answers are removed from it (R2.7, R7.12). */
import { describe, expect, it } from 'vitest';
import { type Execution, emptyRecord } from '../../src/epaxos/index.ts';
import { REMOVED_PAGES } from '../../src/node/applier.ts';
import { advance, put } from '../kv/operations.ts';
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
});

describe('a command that is executed', () => {
  it('is kept until its effects are written, and then had from the store', async () => {
    const { storage, perform } = setUp();
    const first = execution(1, put('a', '1'));
    const second = execution(2, put('b', '2'));
    const recordsOf = (...all: Execution[]) => all.map((each) => ({ ...emptyRecord(each.id), ...each }));
    await perform({ records: recordsOf(first), sync: true, executions: [first] });
    const operations = first.command?.operations;
    expect(first.command?.operations).toBe(operations);
    // The second is written with the effects: it need not have been on disk before.
    await perform({ records: recordsOf(second), executions: [second], flush: true });
    for (const each of [first, second]) {
      expect(each.command?.operations).toBe(storage.command(each.id).operations);
    }
  });
});

describe('a generation that ends', () => {
  const request = { client: 'the-same-client!', sequence: 1, generation: 1 };

  it('is written with the effects of that turn, and told at once', async () => {
    const { node, log, perform } = setUp();
    expect(node.generation).toBe(1);
    await perform({ executions: [execution(1, put('a', '1')), execution(2, advance(1))] });
    expect([node.generation, node.status().generation]).toEqual([2, 2]);
    await perform({ executions: [execution(3, put('b', '1'))], flush: true });
    expect(log).toEqual(['effects of 1.1 1.2 1.3: 2 rows, 2 answers, generation 2']);
  });

  it('takes old answers from the store in turns of their own, once it is written', async () => {
    const { log, storage, perform, clock } = setUp();
    storage.oldAnswers = 2 * REMOVED_PAGES + 5;
    storage.hold();
    await perform({ executions: [execution(1, advance(1))], flush: true });
    expect(log).toEqual(['effects of 1.1: 0 rows, 0 answers, generation 2']);
    storage.release();
    await clock.settle();
    expect(log.slice(1)).toEqual([
      `${REMOVED_PAGES} old answers removed`,
      `${REMOVED_PAGES} old answers removed`,
      '5 old answers removed',
    ]);
  });

  it('takes old answers from the store each time', async () => {
    const { log, storage, perform } = setUp();
    for (const generation of [1, 2, 3]) {
      storage.oldAnswers = generation;
      await perform({ executions: [execution(generation, advance(generation))], flush: true });
      expect(log.at(-1)).toBe(`${generation} old answers removed`);
    }
  });

  it('has a copy that comes too late refused, whoever waits for it', async () => {
    const { node, core, perform } = setUp();
    const late = put('a', '1', { request });
    const refused = [submit(node, late, TIMEOUT_MS), submit(node, late, TIMEOUT_MS)].map(({ result }) =>
      expect(result).rejects.toMatchObject({ code: 'requestTooOld', outcome: 'unknown' }),
    );
    await perform({ executions: [execution(1, advance(1)), execution(2, advance(2))] });
    expect(core.proposed).toEqual([late]); // it is decided where it is executed, not here
    await perform({ executions: [execution(3, late)] });
    await Promise.all(refused);
    expect(node.status().pendingRequests).toBe(0);
  });

  it('does not take one for the same request that has the same number in another', async () => {
    const { node, perform } = setUp();
    const first = put('a', '1', { request });
    const second = put('a', '1', { request: { ...request, generation: 2 } });
    const waiting = submit(node, second, TIMEOUT_MS);
    await perform({ executions: [execution(1, first)] });
    expect(node.status().pendingRequests).toBe(1);
    await perform({ executions: [execution(2, advance(1)), execution(3, second)] });
    expect((await waiting.result).version).toBe(2);
  });
});

describe('a request id', () => {
  it('without a generation is refused, with the present one in the message', async () => {
    const { node, perform } = setUp();
    await perform({ executions: [execution(1, advance(1))] });
    const request = { client: 'the-same-client!', sequence: 1, generation: 0 };
    expect(() => submit(node, put('a', '1', { request }), TIMEOUT_MS)).toThrow(
      expect.objectContaining({
        code: 'invalidArgument',
        outcome: 'notApplied',
        message: expect.stringContaining('the present one is 2'),
      }),
    );
  });

  it('of a generation that has not begun here is taken', async () => {
    const { node, core, clock } = setUp();
    const request = { client: 'the-same-client!', sequence: 1, generation: 7 };
    const early = put('a', '1', { request });
    void submit(node, early, TIMEOUT_MS).result.catch(() => undefined);
    await clock.settle();
    expect(core.proposed).toEqual([early]);
  });

  it('to end a generation is not for clients', () => {
    const { node } = setUp();
    expect(() => submit(node, advance(1), TIMEOUT_MS)).toThrow(
      expect.objectContaining({ code: 'invalidArgument', outcome: 'notApplied' }),
    );
  });
});
