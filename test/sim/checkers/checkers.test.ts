/** Most of the other checkers, each on what it must let pass and what it must refuse. */

import { describe, expect, test } from 'vitest';
import { Command, type InstanceRecord, instanceKey, Status } from '../../../src/epaxos/index.ts';
import { asKvOperation, type OperationResult } from '../../../src/kv/index.ts';
import { Agreement } from './agreement.ts';
import { checkConvergence, whyUnsettled } from './convergence.ts';
import { Effects } from './effects.ts';
import { ExecutionOrder } from './execution-order.ts';
import { COMMITTED, get, ID, NO_OP, put, readAll, record, refusal, writeAll } from './samples.ts';
import { StatusOrder } from './status.ts';
import type { Check } from './violation.ts';
import { checkVisibility } from './visibility.ts';

describe('agreement', () => {
  function second(first: InstanceRecord, next: InstanceRecord): Check | null {
    const agreement = new Agreement();
    agreement.observe(1, first, 1);
    return refusal(() => agreement.observe(2, next, 2));
  }

  test('the same value everywhere', () => {
    expect(second(record(COMMITTED), record(COMMITTED))).toBeNull();
    expect(
      second(record({ ...COMMITTED, ...NO_OP }), record({ ...COMMITTED, ...NO_OP, command: null })),
    ).toBeNull();
    expect(second(record(), record({ attributes: { seq: 7, deps: [0, 3, 0] } }))).toBeNull();
    const accepted = { status: Status.accepted, ballot: 4, acceptedBallot: 4 };
    expect(
      second(record(accepted), record({ ...accepted, ballot: 8, acceptedBallot: 8, ...NO_OP })),
    ).toBeNull();
  });

  test.each<[string, Partial<InstanceRecord>]>([
    ['no-op', NO_OP],
    ['seq', { attributes: { seq: 2, deps: [0, 0, 0] } }],
    ['deps', { attributes: { seq: 1, deps: [0, 1, 0] } }],
    ['command', { command: put('k', 2) }],
    [
      'number of operations',
      { command: new Command([...put('k', 1).operations, ...put('k', 2).operations]) },
    ],
  ])('another %s', (_, fields) => {
    expect(second(record(COMMITTED), record({ ...COMMITTED, ...fields }))).toBe('agreement');
    const accepted = { status: Status.accepted, ballot: 4, acceptedBallot: 4 };
    expect(second(record(accepted), record({ ...accepted, ...fields }))).toBe('agreement');
  });
});

describe('visibility', () => {
  const other = { replica: 2, slot: 1 };

  function check(
    values: { readonly first?: number[]; readonly second?: number[]; readonly command?: Command },
    everywhereAt = Number.POSITIVE_INFINITY,
  ): Check | null {
    const { first = [0, 0, 0], second = [0, 0, 0], command = put('k', 2) } = values;
    const agreement = new Agreement();
    agreement.observe(1, record({ ...COMMITTED, attributes: { seq: 1, deps: first } }), 1);
    agreement.observe(
      2,
      record({ ...COMMITTED, id: other, command, attributes: { seq: 1, deps: second } }),
      5,
    );
    return refusal(() =>
      checkVisibility(agreement.committed, (key) =>
        key === instanceKey(ID) ? everywhereAt : Number.POSITIVE_INFINITY,
      ),
    );
  }

  test('one in the deps of the other', () => {
    expect(check({ first: [0, 1, 0] })).toBeNull();
    expect(check({ second: [1, 0, 0] })).toBeNull();
  });

  test('none in the deps of the other', () => {
    expect(check({})).toBe('visibility');
    expect(check({ command: get('k', 2) })).toBe('visibility');
    expect(check({ command: put('other', 2) })).toBeNull();
  });

  test('unless all had executed the one before the other was committed', () => {
    expect(check({}, 4)).toBeNull();
    expect(check({}, 6)).toBe('visibility');
  });

  test('no-ops and reads among reads do not matter', () => {
    const agreement = new Agreement();
    agreement.observe(1, record({ ...COMMITTED, command: get('k', 1) }), 1);
    agreement.observe(1, record({ ...COMMITTED, id: other, command: get('k', 2) }), 2);
    agreement.observe(1, record({ ...COMMITTED, ...NO_OP, id: { replica: 3, slot: 1 } }), 3);
    expect(refusal(() => checkVisibility(agreement.committed, () => 9))).toBeNull();
  });

  test('what writes everything is ordered with all keys, and what reads it with writes', () => {
    expect(check({ command: writeAll })).toBe('visibility');
    expect(check({ command: readAll })).toBe('visibility');
    expect(check({ command: writeAll, first: [0, 1, 0] })).toBeNull();
    const agreement = new Agreement();
    agreement.observe(1, record({ ...COMMITTED, command: readAll }), 1);
    agreement.observe(1, record({ ...COMMITTED, id: other, command: get('k', 2) }), 2);
    const everywhereAt = () => Number.POSITIVE_INFINITY;
    expect(refusal(() => checkVisibility(agreement.committed, everywhereAt))).toBeNull();
    agreement.observe(1, record({ ...COMMITTED, id: { replica: 3, slot: 1 }, command: writeAll }), 3);
    expect(refusal(() => checkVisibility(agreement.committed, everywhereAt))).toBe('visibility');
  });
});

describe('order of execution', () => {
  const writes = { command: put('k', 1), at: 1 };
  const reads = { command: get('k', 2), at: 1 };

  test('the same order, and reads in any order among themselves', () => {
    const order = new ExecutionOrder(2);
    for (const instance of [1, 2, 3]) order.executed(1, instance, instance === 1 ? writes : reads);
    for (const instance of [1, 3, 2]) order.executed(2, instance, instance === 1 ? writes : reads);
    expect(order.everywhereAt(2)).toBe(1);
  });

  test('two writes in another order', () => {
    const order = new ExecutionOrder(2);
    order.executed(1, 1, writes);
    order.executed(1, 2, writes);
    expect(refusal(() => order.executed(2, 2, writes))).toBe('order');
  });

  test('a read on the other side of a write', () => {
    const order = new ExecutionOrder(2);
    order.executed(1, 1, writes);
    order.executed(1, 2, reads);
    expect(refusal(() => order.executed(2, 2, reads))).toBe('order');
  });

  test('a write or a read of everything on the other side of a write, or a read on that of a write of everything', () => {
    const pairs: [Command, Command][] = [
      [writeAll, put('k', 2)],
      [readAll, put('k', 2)],
      [writeAll, get('k', 2)],
      [writeAll, readAll],
    ];
    for (const [one, other] of pairs) {
      const order = new ExecutionOrder(2);
      order.executed(1, 1, { command: one, at: 1 });
      order.executed(1, 2, { command: other, at: 1 });
      const swapped = () => {
        order.executed(2, 2, { command: other, at: 1 });
        order.executed(2, 1, { command: one, at: 1 });
      };
      expect(refusal(swapped)).toBe('order');
    }
    const order = new ExecutionOrder(2);
    for (const at of [1, 2]) order.executed(1, at, { command: at === 1 ? readAll : get('k', 2), at });
    for (const at of [2, 1]) order.executed(2, at, { command: at === 1 ? readAll : get('k', 2), at });
  });

  test('twice on one table', () => {
    const order = new ExecutionOrder(2);
    order.executed(1, 1, writes);
    expect(refusal(() => order.executed(1, 1, writes))).toBe('exactlyOnce');
  });

  test('a crash undoes executions, and they happen again in the same place', () => {
    const order = new ExecutionOrder(2);
    for (const instance of [1, 2, 3]) order.executed(1, instance, writes);
    expect(order.rewind(1, 1)).toBe(2);
    expect(refusal(() => order.executed(1, 1, writes))).toBe('exactlyOnce');
    expect(refusal(() => order.executed(1, 3, writes))).toBe('order');
    order.executed(1, 2, writes);
  });
});

describe('order of execution across snapshots', () => {
  const writes = { command: put('k', 1), at: 1 };

  function withSnapshot(): ExecutionOrder {
    const order = new ExecutionOrder(2);
    for (const instance of [1, 2, 3]) order.executed(1, instance, writes);
    order.opened(1, { snapshot: 's', executions: 2 });
    return order;
  }

  test('a snapshot stands for the executions in it', () => {
    const order = withSnapshot();
    order.executed(2, 1, writes);
    order.install(2, 's', { at: 7, executions: 2 });
    expect(order.everywhereAt(2)).toBe(7);
    expect(order.everywhereAt(3)).toBe(Number.POSITIVE_INFINITY);
    expect(refusal(() => order.executed(2, 2, writes))).toBe('exactlyOnce');
    expect(refusal(() => order.executed(2, 4, writes))).toBe('order');
    order.executed(2, 3, writes);
    expect(order.rewind(2, 2)).toBe(1);
    order.executed(2, 3, writes);
  });

  test('it takes nothing back', () => {
    const order = withSnapshot();
    for (const instance of [1, 2, 3]) order.executed(2, instance, writes);
    expect(refusal(() => order.install(2, 's', { at: 7, executions: 2 }))).toBe('durability');
  });

  test('no-ops that were executed before stay so, and the store says so', () => {
    const order = withSnapshot();
    order.executed(2, 1, writes);
    order.executed(2, 9, { command: null, at: 2 });
    order.executed(1, 9, { command: null, at: 3 });
    expect(order.everywhereAt(9)).toBe(3);
    order.install(2, 's', { at: 7, executions: 3 });
    expect(order.everywhereAt(9)).toBe(3);
    expect(refusal(() => order.executed(2, 9, { command: null, at: 8 }))).toBe('exactlyOnce');
    order.executed(2, 3, writes);
    expect(order.rewind(2, 3)).toBe(1);
    expect(refusal(() => order.install(2, 's', { at: 9, executions: 2 }))).toBe('durability');
  });
});

describe('effects', () => {
  function executed(
    command: Command,
    seen: { readonly result: Partial<OperationResult>; readonly version: number },
    effects = new Effects(2),
    replica = 1,
  ): Check | null {
    const [operation] = command.operations.map(asKvOperation);
    if (operation === undefined) throw new Error('no operation');
    const value = operation.kind === 'put' ? operation.value : Buffer.from('');
    const row = { value, version: seen.version };
    return refusal(() =>
      effects.executed(replica, {
        executions: [{ id: ID, command }],
        results: [{ version: 0, value: null, previousVersion: 0, ...seen.result }],
        rows: new Map(seen.version === 0 ? [] : [['k', row]]),
      }),
    );
  }

  test('what the naive state machine does', () => {
    const effects = new Effects(2);
    expect(executed(put('k', 1), { result: { version: 1 }, version: 1 }, effects)).toBeNull();
    expect(executed(put('k', 2), { result: { version: 2 }, version: 2 }, effects)).toBeNull();
    // A second copy is answered from the record, and changes nothing.
    expect(executed(put('k', 1), { result: { version: 1 }, version: 0 }, effects)).toBeNull();
    const value = Buffer.from('value 2');
    expect(executed(get('k', 3), { result: { version: 2, value }, version: 0 }, effects)).toBeNull();
    effects.rewind(1, 1);
    expect(executed(put('k', 2), { result: { version: 2 }, version: 2 }, effects)).toBeNull();
  });

  test('a snapshot brings the rows and the answers of its sender', () => {
    const effects = new Effects(2);
    executed(put('k', 1), { result: { version: 1 }, version: 1 }, effects, 1);
    effects.opened(1, { snapshot: 's', executions: 1 });
    executed(put('k', 2), { result: { version: 2 }, version: 2 }, effects, 1);
    effects.install(2, 's', 2);
    expect(effects.table(2).get('k')?.version).toBe(1);
    effects.rewind(2, 2);
    expect(effects.table(2).get('k')?.version).toBe(1);
    expect(executed(put('k', 1), { result: { version: 1 }, version: 0 }, effects, 2)).toBeNull();
    expect(executed(put('k', 2), { result: { version: 3 }, version: 2 }, effects, 2)).toBe('effects');
  });

  test('a wrong answer, a wrong row, a second application', () => {
    expect(executed(put('k', 1), { result: { version: 2 }, version: 1 })).toBe('effects');
    expect(executed(put('k', 1), { result: { version: 1 }, version: 2 })).toBe('effects');
    const effects = new Effects(2);
    executed(put('k', 1), { result: { version: 1 }, version: 1 }, effects);
    expect(executed(put('k', 1), { result: { version: 2 }, version: 2 }, effects)).toBe('effects');
  });

  test('a request without record, twice', () => {
    const effects = new Effects(2);
    executed(put('k', 1, true), { result: { version: 1 }, version: 1 }, effects);
    expect(executed(put('k', 1, true), { result: { version: 2 }, version: 2 }, effects)).toBe('exactlyOnce');
  });

  test('another answer on another replica', () => {
    const effects = new Effects(2);
    executed(put('k', 1), { result: { version: 1 }, version: 1 }, effects, 1);
    executed(put('k', 2), { result: { version: 1 }, version: 1 }, effects, 2);
    expect(executed(put('k', 1), { result: { version: 2 }, version: 2 }, effects, 2)).toBe('effects');
  });
});

describe('status', () => {
  function next(before: Partial<InstanceRecord>, after: Partial<InstanceRecord>): Check | null {
    const status = new StatusOrder(1);
    status.observe(1, record(before));
    return refusal(() => status.observe(1, record(after)));
  }

  test('forward', () => {
    expect(next({}, { status: Status.accepted, ballot: 4, acceptedBallot: 4 })).toBeNull();
    expect(next({ ballot: 4 }, { ...COMMITTED, ballot: 4 })).toBeNull();
  });

  test.each<[string, Partial<InstanceRecord>, Partial<InstanceRecord>]>([
    ['status', COMMITTED, { status: Status.accepted }],
    ['promise', { ballot: 4 }, { ballot: 3 }],
    ['accepted ballot', { ballot: 8, acceptedBallot: 8 }, { ballot: 8, acceptedBallot: 4 }],
    ['command', {}, { command: null }],
    ['initial attributes', {}, { initial: null }],
    ['commit', COMMITTED, { ...COMMITTED, noOp: true }],
  ])('backward: %s', (_, before, after) => {
    expect(next(before, after)).toBe('status');
  });

  test('a crash may take back what was not durable', () => {
    const status = new StatusOrder(1);
    status.observe(1, record(COMMITTED));
    status.restart(1, [record()]);
    expect(refusal(() => status.observe(1, record()))).toBeNull();
  });
});

test('convergence', () => {
  const table = new Map([['k', { value: Buffer.from('a'), version: 1 }]]);
  const other = new Map([['k', { value: Buffer.from('a'), version: 2 }]]);
  expect(refusal(() => checkConvergence([table, new Map(table)]))).toBeNull();
  expect(refusal(() => checkConvergence([table, other]))).toBe('convergence');
  expect(refusal(() => checkConvergence([new Map(), table]))).toBe('convergence');
  expect(whyUnsettled([{ id: 1, core: null, isExecuting: false }])).toBe('replica 1 is down');
});
