/** Requests that wait: deadlines, withdrawing, shared request ids, limits. */
import { describe, expect, it } from 'vitest';
import { KvError } from '../../src/errors.ts';
import type { KvOperation, OperationResult } from '../../src/kv/index.ts';
import { PendingRequests } from '../../src/server/pending.ts';
import { put } from '../kv/operations.ts';

const NOW_MS = 1_000;
const RESULT: OperationResult = { version: 1, value: null, previousVersion: 0 };

function setUp(limits = { requests: 10, requestBytes: 1_000 }) {
  const withdrawn: KvOperation[] = [];
  const world = { canWithdraw: true, hasQuorum: true };
  const pending = new PendingRequests({
    limits,
    nowMs: NOW_MS,
    withdraw: (operation) => {
      withdrawn.push(operation);
      return world.canWithdraw;
    },
    hasQuorum: () => world.hasQuorum,
  });
  return { pending, withdrawn, world };
}

function sized(operation: KvOperation, bytes: number): KvOperation {
  return { ...operation, bytes: new Uint8Array(bytes) };
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
    const { pending, withdrawn } = setUp();
    const operation = put('a', '1');
    const { call, isNew } = pending.add(operation, NOW_MS + 100);
    expect(isNew).toBe(true);
    expect(pending.size).toBe(1);
    pending.answer(operation, RESULT);
    expect(await call.result).toBe(RESULT);
    expect(pending.size).toBe(0);
    expect(withdrawn).toEqual([]);
  });

  it('that nobody waits for are ignored', () => {
    const { pending } = setUp();
    pending.answer(put('a', '1'), RESULT);
    expect(pending.size).toBe(0);
  });

  it('go to every call of a request, which is proposed once', async () => {
    const { pending } = setUp();
    const operation = put('a', '1');
    const first = pending.add(operation, NOW_MS + 100);
    const second = pending.add({ ...operation }, NOW_MS + 100);
    expect(second.isNew).toBe(false);
    expect(pending.size).toBe(2);
    pending.answer(operation, RESULT);
    expect(await Promise.all([first.call.result, second.call.result])).toEqual([RESULT, RESULT]);
    expect(pending.size).toBe(0);
  });

  it('may come from a copy that another replica proposed; ours is taken back', async () => {
    const { pending, withdrawn } = setUp();
    const operation = put('a', '1');
    const { call } = pending.add(operation, NOW_MS + 100);
    pending.answer({ ...operation }, RESULT);
    expect(await call.result).toBe(RESULT);
    expect(withdrawn).toEqual([operation]);
  });
});

describe('a deadline', () => {
  it('takes back what was not proposed', async () => {
    const { pending, withdrawn } = setUp();
    const operation = put('a', '1');
    const { call } = pending.add(operation, NOW_MS + 100);
    pending.expire(NOW_MS + 99);
    expect(pending.size).toBe(1);
    pending.expire(NOW_MS + 110);
    expect(await ending(call.result)).toBe('deadlineExceeded notApplied');
    expect(withdrawn).toEqual([operation]);
    expect(pending.size).toBe(0);
  });

  it.each([
    { hasQuorum: true, expected: 'deadlineExceeded unknown' },
    { hasQuorum: false, expected: 'noQuorum unknown' },
  ])('leaves unknown what is under way, majority reachable: $hasQuorum', async ({ hasQuorum, expected }) => {
    const { pending, world } = setUp();
    Object.assign(world, { canWithdraw: false, hasQuorum });
    const { call } = pending.add(put('a', '1'), NOW_MS + 100);
    pending.expire(NOW_MS + 110);
    expect(await ending(call.result)).toBe(expected);
  });

  it('is each call’s own: the request stays for the others', async () => {
    const { pending, withdrawn } = setUp();
    const operation = put('a', '1');
    const first = pending.add(operation, NOW_MS + 100);
    const second = pending.add(operation, NOW_MS + 200);
    pending.expire(NOW_MS + 110);
    expect(await ending(first.call.result)).toBe('deadlineExceeded unknown');
    expect(withdrawn).toEqual([]);
    pending.answer(operation, RESULT);
    expect(await second.call.result).toBe(RESULT);
  });

  it('does nothing to a call that was answered', async () => {
    const { pending } = setUp();
    const operation = put('a', '1');
    const { call } = pending.add(operation, NOW_MS + 100);
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
    const { pending, world } = setUp();
    world.canWithdraw = canWithdraw;
    const { call } = pending.add(put('a', '1'), NOW_MS + 100);
    call.cancel();
    expect(await ending(call.result)).toBe(expected);
    expect(pending.size).toBe(0);
    call.cancel();
  });

  it('one of two calls leaves the request to the other', async () => {
    const { pending, withdrawn } = setUp();
    const operation = put('a', '1');
    const first = pending.add(operation, NOW_MS + 100);
    const second = pending.add(operation, NOW_MS + 100);
    second.call.cancel();
    expect(await ending(second.call.result)).toBe('cancelled unknown');
    expect(withdrawn).toEqual([]);
    first.call.cancel();
    expect(await ending(first.call.result)).toBe('cancelled notApplied');
    expect(withdrawn).toEqual([operation]);
  });

  it('does nothing to a call that was answered, also when the request id waits again', async () => {
    const { pending, withdrawn } = setUp();
    const operation = put('a', '1');
    const first = pending.add(operation, NOW_MS + 100);
    pending.answer(operation, RESULT);
    const again = pending.add(operation, NOW_MS + 100);
    first.call.cancel();
    expect(withdrawn).toEqual([]);
    pending.answer(operation, RESULT);
    expect(await again.call.result).toBe(RESULT);
  });
});

describe('limits', () => {
  const overloaded = expect.objectContaining({ code: 'overloaded', outcome: 'notApplied' });

  it('of calls: counted one by one, and given back', () => {
    const { pending } = setUp({ requests: 2, requestBytes: 1_000 });
    const operation = put('a', '1');
    pending.add(operation, NOW_MS + 100);
    pending.add(operation, NOW_MS + 100);
    expect(() => pending.add(operation, NOW_MS + 100)).toThrow(overloaded);
    expect(() => pending.add(put('b', '1'), NOW_MS + 100)).toThrow(overloaded);
    pending.answer(operation, RESULT);
    expect(pending.add(put('b', '1'), NOW_MS + 100).isNew).toBe(true);
  });

  it('of bytes: counted once a request, and given back', () => {
    const { pending } = setUp({ requests: 10, requestBytes: 100 });
    const large = sized(put('a', '1'), 60);
    pending.add(large, NOW_MS + 100);
    pending.add(large, NOW_MS + 100);
    expect(() => pending.add(sized(put('b', '1'), 41), NOW_MS + 100)).toThrow(overloaded);
    pending.add(sized(put('c', '1'), 40), NOW_MS + 100);
    pending.answer(large, RESULT);
    pending.add(sized(put('d', '1'), 60), NOW_MS + 100);
    expect(pending.size).toBe(2);
  });
});

describe('ending requests', () => {
  it('refuses a request id that waits for something else', () => {
    const { pending } = setUp();
    const operation = put('a', '1');
    pending.add(operation, NOW_MS + 100);
    expect(() => pending.add(sized(operation, 3), NOW_MS + 100)).toThrow(
      expect.objectContaining({ code: 'invalidArgument', outcome: 'notApplied' }),
    );
    expect(pending.size).toBe(1);
  });

  it('fails one operation, and only that very one', async () => {
    const { pending } = setUp();
    const operation = put('a', '1');
    const { call } = pending.add(operation, NOW_MS + 100);
    const error = new KvError('overloaded', 'full', { outcome: 'notApplied' });
    pending.fail({ ...operation }, error);
    expect(pending.size).toBe(1);
    pending.fail(operation, error);
    await expect(call.result).rejects.toBe(error);
  });

  it('ends all, each with its own outcome', async () => {
    const { pending, world } = setUp();
    world.canWithdraw = false;
    const { call } = pending.add(put('a', '1'), NOW_MS + 100);
    pending.failAll((outcome) => new KvError('shuttingDown', 'stopping', { outcome }));
    expect(await ending(call.result)).toBe('shuttingDown unknown');
    expect(pending.size).toBe(0);
  });

  it('abandons all without touching the operations', async () => {
    const { pending, withdrawn } = setUp();
    const { call } = pending.add(put('a', '1'), NOW_MS + 100);
    pending.abandon(new KvError('storageFailure', 'gone', { outcome: 'unknown' }));
    expect(await ending(call.result)).toBe('storageFailure unknown');
    expect(withdrawn).toEqual([]);
  });
});
