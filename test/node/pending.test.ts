/** Requests that wait: deadlines, withdrawing, shared request ids, limits. */
import { describe, expect, it } from 'vitest';
import { KvError } from '../../src/errors.ts';
import type { KvOperation, OperationResult } from '../../src/kv/index.ts';
import { type Call, PendingRequests } from '../../src/node/pending.ts';
import { multiGet, put } from '../kv/operations.ts';
import { promisedAnswer } from './promised.ts';

const NOW_MS = 1_000;
const RESULT: OperationResult = { version: 1, value: null, previousVersion: 0 };

function setUp(limits = { requests: 10, requestBytes: 1_000 }) {
  const proposed: KvOperation[] = [];
  const withdrawn: KvOperation[] = [];
  const world = { canWithdraw: true, hasQuorum: true };
  const pending = new PendingRequests({
    limits,
    nowMs: NOW_MS,
    propose: ({ operation }) => proposed.push(operation),
    withdraw: ({ operation }) => {
      withdrawn.push(operation);
      return world.canWithdraw;
    },
    hasQuorum: () => world.hasQuorum,
  });
  /** A call as a promise. */
  const add = (operation: KvOperation, deadlineMs: number) => {
    const { waiter, result } = promisedAnswer();
    const call = pending.add(operation, deadlineMs, waiter);
    return { result, cancel: () => pending.cancel(call) };
  };
  return { pending, add, proposed, withdrawn, world };
}

function sized(operation: KvOperation, size: number): KvOperation {
  return { ...operation, size };
}

/** The code and outcome with which a call ends. */
async function ending(result: Promise<unknown>): Promise<string> {
  const error = await result.then(
    () => 'answered',
    (reason: unknown) => reason,
  );
  return error instanceof KvError ? `${error.code} ${error.outcome}` : String(error);
}

describe('answers', () => {
  it('go to the call that waits for the request', async () => {
    const { pending, add, proposed, withdrawn } = setUp();
    const operation = put('a', '1');
    const { result } = add(operation, NOW_MS + 100);
    expect(proposed).toEqual([operation]);
    expect(pending.size).toBe(1);
    pending.answer(operation, RESULT);
    expect(await result).toBe(RESULT);
    expect(pending.size).toBe(0);
    expect(withdrawn).toEqual([]);
  });

  it('that nobody waits for are ignored', () => {
    const { pending } = setUp();
    pending.answer(put('a', '1'), RESULT);
    expect(pending.size).toBe(0);
  });

  it('go to every call of a request, which is proposed once', async () => {
    const { pending, add, proposed } = setUp();
    const operation = put('a', '1');
    const first = add(operation, NOW_MS + 100);
    const second = add({ ...operation }, NOW_MS + 100);
    expect(proposed).toEqual([operation]);
    expect(pending.size).toBe(2);
    pending.answer(operation, RESULT);
    expect(await Promise.all([first.result, second.result])).toEqual([RESULT, RESULT]);
    expect(pending.size).toBe(0);
  });

  it('may come from a copy that another replica proposed; ours is taken back', async () => {
    const { pending, add, withdrawn } = setUp();
    const operation = put('a', '1');
    const call = add(operation, NOW_MS + 100);
    pending.answer({ ...operation }, RESULT);
    expect(await call.result).toBe(RESULT);
    expect(withdrawn).toEqual([operation]);
  });
});

describe('what cannot be answered', () => {
  const error = new KvError('limitExceeded', 'too large', { outcome: 'notApplied' });

  it('fails every call that waits for the request', async () => {
    const { pending, add, withdrawn } = setUp();
    const operation = multiGet('a', 'b');
    const calls = [add(operation, NOW_MS + 100), add({ ...operation }, NOW_MS + 100)];
    pending.refuse(operation, error);
    for (const { result } of calls) expect(await ending(result)).toBe('limitExceeded notApplied');
    expect(pending.size).toBe(0);
    expect(withdrawn).toEqual([]);
    pending.refuse(operation, error);
  });

  it('may come from a copy that another replica proposed; ours is taken back', async () => {
    const { pending, add, withdrawn } = setUp();
    const operation = multiGet('a', 'b');
    const { result } = add(operation, NOW_MS + 100);
    pending.refuse({ ...operation }, error);
    expect(await ending(result)).toBe('limitExceeded notApplied');
    expect(withdrawn).toEqual([operation]);
  });
});

it('a request is awaited as long as a call waits for it, in any copy', async () => {
  const { pending, add } = setUp();
  const operation = multiGet('a', 'b');
  expect(pending.isAwaited(operation)).toBe(false);
  const calls = [add(operation, NOW_MS + 100), add(operation, NOW_MS + 100)];
  expect([operation, { ...operation }, multiGet('a', 'b')].map((one) => pending.isAwaited(one))).toEqual([
    true,
    true,
    false,
  ]);
  for (const { cancel, result } of calls) {
    expect(pending.isAwaited(operation)).toBe(true);
    cancel();
    expect(await ending(result)).toMatch(/^cancelled /);
  }
  expect(pending.isAwaited(operation)).toBe(false);
});

describe('a deadline', () => {
  it('takes back what was not proposed', async () => {
    const { pending, add, withdrawn } = setUp();
    const operation = put('a', '1');
    const call = add(operation, NOW_MS + 100);
    pending.expire(NOW_MS + 99);
    expect(pending.size).toBe(1);
    pending.expire(NOW_MS + 110);
    expect(await ending(call.result)).toBe('deadlineExceeded notApplied');
    expect(withdrawn).toEqual([operation]);
    expect(pending.size).toBe(0);
  });

  it.each([
    { canWithdraw: true, hasQuorum: true, expected: 'deadlineExceeded notApplied' },
    { canWithdraw: true, hasQuorum: false, expected: 'noQuorum notApplied' },
    { canWithdraw: false, hasQuorum: true, expected: 'deadlineExceeded unknown' },
    { canWithdraw: false, hasQuorum: false, expected: 'noQuorum unknown' },
  ])('tells $expected (taken back: $canWithdraw, a majority reachable: $hasQuorum)', async (way) => {
    const { canWithdraw, hasQuorum, expected } = way;
    const { pending, add, world } = setUp();
    Object.assign(world, { canWithdraw, hasQuorum });
    const call = add(put('a', '1'), NOW_MS + 100);
    pending.expire(NOW_MS + 110);
    expect(await ending(call.result)).toBe(expected);
  });

  it('is each call’s own: the request stays for the others', async () => {
    const { pending, add, withdrawn } = setUp();
    const operation = put('a', '1');
    const first = add(operation, NOW_MS + 100);
    const second = add(operation, NOW_MS + 200);
    pending.expire(NOW_MS + 110);
    expect(await ending(first.result)).toBe('deadlineExceeded unknown');
    expect(withdrawn).toEqual([]);
    pending.answer(operation, RESULT);
    expect(await second.result).toBe(RESULT);
  });

  it('does nothing to a call that was answered', async () => {
    const { pending, add } = setUp();
    const operation = put('a', '1');
    const call = add(operation, NOW_MS + 100);
    pending.answer(operation, RESULT);
    pending.expire(NOW_MS + 1_000);
    expect(await call.result).toBe(RESULT);
  });
});

describe('cancelling', () => {
  it.each([
    { canWithdraw: true, expected: 'cancelled notApplied' },
    { canWithdraw: false, expected: 'cancelled unknown' },
  ])('takes the request back if it can: $canWithdraw', async ({ canWithdraw, expected }) => {
    const { pending, add, world } = setUp();
    world.canWithdraw = canWithdraw;
    const call = add(put('a', '1'), NOW_MS + 100);
    call.cancel();
    expect(await ending(call.result)).toBe(expected);
    expect(pending.size).toBe(0);
    call.cancel();
  });

  it('one of two calls leaves the request to the other', async () => {
    const { add, withdrawn } = setUp();
    const operation = put('a', '1');
    const first = add(operation, NOW_MS + 100);
    const second = add(operation, NOW_MS + 100);
    second.cancel();
    expect(await ending(second.result)).toBe('cancelled unknown');
    expect(withdrawn).toEqual([]);
    first.cancel();
    expect(await ending(first.result)).toBe('cancelled notApplied');
    expect(withdrawn).toEqual([operation]);
  });

  it('does nothing to a call that was answered, also when the request id waits again', async () => {
    const { pending, add, withdrawn } = setUp();
    const operation = put('a', '1');
    const first = add(operation, NOW_MS + 100);
    pending.answer(operation, RESULT);
    const again = add(operation, NOW_MS + 100);
    first.cancel();
    expect(withdrawn).toEqual([]);
    pending.answer(operation, RESULT);
    expect(await again.result).toBe(RESULT);
  });
});

describe('several calls of one request', () => {
  it('leave it one by one, in any order', async () => {
    for (const order of [
      [0, 1, 2],
      [2, 1, 0],
      [1, 0, 2],
      [1, 2, 0],
    ]) {
      const { pending, add, withdrawn } = setUp();
      const operation = put('a', '1');
      const calls = [100, 200, 300].map((ms) => add({ ...operation }, NOW_MS + ms));
      const endings = calls.map(({ result }) => ending(result));
      for (const index of order) calls[index]?.cancel();
      const last = order.at(-1);
      expect(await Promise.all(endings)).toEqual(
        calls.map((_call, index) => `cancelled ${index === last ? 'notApplied' : 'unknown'}`),
      );
      expect(pending.size).toBe(0);
      expect(withdrawn).toEqual([operation]);
    }
  });

  it('may be ended by the callbacks of others', async () => {
    const { pending, add } = setUp();
    const operation = put('a', '1');
    const first = add(operation, NOW_MS + 100);
    const call = pending.add(operation, NOW_MS + 100, {
      answered: () => expect.fail('it is not answered'),
      failed: () => {
        pending.cancel(call);
        first.cancel();
      },
    });
    pending.expire(NOW_MS + 110);
    expect(await ending(first.result)).toMatch(/^(deadlineExceeded|cancelled) /);
    expect(pending.size).toBe(0);
  });
});

describe('the name of a request', () => {
  it('is its client, its sequence and its key', async () => {
    const { pending, add, proposed } = setUp({ requests: 10, requestBytes: 1_000 });
    const request = { client: 'c'.repeat(16), sequence: 7, generation: 1 };
    const operations = [
      put('a', '1', { request }),
      put('b', '1', { request }),
      put('c', '1', { request }),
      put('a', '1', { request: { ...request, sequence: 8 } }),
      put('a', '1', { request: { ...request, client: 'd'.repeat(16) } }),
    ];
    const calls = operations.map((operation) => add(operation, NOW_MS + 100));
    expect(proposed).toEqual(operations);
    expect(pending.requests().map(({ operation }) => operation)).toEqual(expect.arrayContaining(operations));
    for (const [index, operation] of operations.entries()) {
      pending.answer({ ...operation }, { ...RESULT, version: index });
      expect(await calls[index]?.result).toMatchObject({ version: index });
      expect(pending.size).toBe(operations.length - index - 1);
      pending.answer(operation, RESULT);
    }
    expect(pending.requests()).toEqual([]);
  });
});

describe('a call that has ended', () => {
  const error = new KvError('overloaded', 'full', { outcome: 'notApplied' });
  type Pending = ReturnType<typeof setUp>['pending'];

  it.each<[string, (pending: Pending, operation: KvOperation, call: Call) => void]>([
    ['by its answer', (pending, operation) => pending.answer(operation, RESULT)],
    ['by an error', (pending, operation) => pending.fail(operation, error)],
    ['by its caller', (pending, _operation, call) => pending.cancel(call)],
    ['with all others', (pending) => pending.failAll(() => error)],
  ])('%s is not kept until its deadline', (_how, end) => {
    const { pending } = setUp();
    const operation = put('a', '1');
    const call = pending.add(operation, NOW_MS + 60_000, { answered: () => {}, failed: () => {} });
    expect(call.later).not.toBeNull();
    end(pending, operation, call);
    expect(call.later).toBeNull();
  });
});

describe('limits', () => {
  const overloaded = expect.objectContaining({ code: 'overloaded', outcome: 'notApplied' });

  it('of calls: counted one by one, and given back', () => {
    const { pending, add, proposed } = setUp({ requests: 2, requestBytes: 1_000 });
    const operation = put('a', '1');
    add(operation, NOW_MS + 100);
    add(operation, NOW_MS + 100);
    expect(() => add(operation, NOW_MS + 100)).toThrow(overloaded);
    expect(() => add(put('b', '1'), NOW_MS + 100)).toThrow(overloaded);
    pending.answer(operation, RESULT);
    const another = put('b', '1');
    add(another, NOW_MS + 100);
    expect(proposed).toEqual([operation, another]);
  });

  it('of bytes: counted once a request, and given back', () => {
    const { pending, add } = setUp({ requests: 10, requestBytes: 100 });
    const large = sized(put('a', '1'), 60);
    add(large, NOW_MS + 100);
    add(large, NOW_MS + 100);
    expect(() => add(sized(put('b', '1'), 41), NOW_MS + 100)).toThrow(overloaded);
    add(sized(put('c', '1'), 40), NOW_MS + 100);
    pending.answer(large, RESULT);
    add(sized(put('d', '1'), 60), NOW_MS + 100);
    expect(pending.size).toBe(2);
  });
});

describe('ending requests', () => {
  it('refuses a request id that waits for something else', () => {
    const { pending, add } = setUp();
    const operation = put('a', '1');
    add(operation, NOW_MS + 100);
    expect(() => add({ ...operation, bytes: new Uint8Array(3) }, NOW_MS + 100)).toThrow(
      expect.objectContaining({ code: 'invalidArgument', outcome: 'notApplied' }),
    );
    expect(pending.size).toBe(1);
  });

  it('fails one operation, and only that very one', async () => {
    const { pending, add } = setUp();
    const operation = put('a', '1');
    const call = add(operation, NOW_MS + 100);
    const error = new KvError('overloaded', 'full', { outcome: 'notApplied' });
    pending.fail({ ...operation }, error);
    expect(pending.size).toBe(1);
    pending.fail(operation, error);
    await expect(call.result).rejects.toBe(error);
  });

  it('ends all, each with its own outcome', async () => {
    const { pending, add, world } = setUp();
    world.canWithdraw = false;
    const call = add(put('a', '1'), NOW_MS + 100);
    pending.failAll((outcome) => new KvError('shuttingDown', 'stopping', { outcome }));
    expect(await ending(call.result)).toBe('shuttingDown unknown');
    expect(pending.size).toBe(0);
  });

  it('abandons all without asking the core: what still waits in the inbox was not applied', async () => {
    const { pending, add, withdrawn } = setUp();
    const [proposed, queued] = [put('a', '1'), put('b', '1')];
    const calls = [proposed, queued].map((operation) => add(operation, NOW_MS + 100));
    for (const request of pending.requests()) request.isQueued = request.operation === queued;
    pending.abandon((outcome) => new KvError('storageFailure', 'gone', { outcome }));
    expect(await Promise.all(calls.map(({ result }) => ending(result)))).toEqual([
      'storageFailure unknown',
      'storageFailure notApplied',
    ]);
    expect(withdrawn).toEqual([]);
  });
});
