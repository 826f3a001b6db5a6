/** R8.1: how many reads may be under way, and what is left of those that nobody waits for any more. */
import { describe, expect, test } from 'vitest';
import { commandOf, get, instance, put } from '../../support/core-operations.ts';
import { CoreReader, NOTHING } from '../../support/core-reader.ts';

describe('limits', () => {
  test('with as many reads under way as may be, another is refused, and nothing is done', () => {
    const reader = new CoreReader({ limits: { reads: 3 } });
    const operations = ['a', 'b', 'c'].map((label) => get(label, 'x'));
    reader.read(...operations);
    const refused = get('refused', 'x');
    expect(reader.replica.read(refused)).toBe(false);
    const request = reader.onlyRequest();
    expect(request.keys).toHaveLength(3);
    expect(reader.replica.read(refused)).toBe(false); // in a round
    reader.learn('preAccepted');
    reader.reply(2, request, [[0, 1, 0], reader.none, reader.none]);
    expect(reader.answered()).toEqual(operations.slice(1)); // the first waits for the write
    reader.read(get('d', 'x'), get('e', 'x'));
    expect(reader.replica.read(refused)).toBe(false);
    reader.withdraw(operations[0] ?? refused);
    reader.read(refused);
  });

  test('reads that were withdrawn count no more, however long what they waited for takes', () => {
    const reader = new CoreReader({ limits: { reads: 1 } });
    reader.learn('preAccepted');
    for (let n = 0; n < 100; n += 1) {
      const operation = get(`r${n}`, 'x');
      const request = reader.begin(operation);
      if (n % 2 === 0) reader.reply(2, request);
      reader.withdraw(operation);
    }
    reader.reply(2, reader.begin(get('last', 'x')));
    expect(reader.replica.status().blockedInstances).toBe(0);
  });
});

test('reads that were withdrawn before they were asked for do not pile up while nothing can be asked', () => {
  const reader = new CoreReader({ limits: { readRounds: 1 } });
  reader.begin(get('first', 'x'));
  for (let n = 0; n < 1_000; n += 1) {
    const operation = get(`r${n}`, 'x');
    expect(reader.replica.read(operation)).toBe(true);
    reader.withdraw(operation);
  }
  expect(reader.replica.state.reads.arrived.size).toBe(0);
});

describe('a read that was withdrawn leaves nothing behind', () => {
  test('before it was asked for: nobody is asked', () => {
    const reader = new CoreReader();
    const operation = get('r', 'x');
    reader.read(operation);
    reader.withdraw(operation);
    expect(reader.kept()).toEqual(NOTHING);
    expect(reader.replica.hasReady()).toBe(false);
  });

  test('in a round: the others go on, and a round that nobody wants ends', () => {
    const reader = new CoreReader();
    const operations = ['x', 'y', 'z'].map((key) => get(key, key));
    reader.read(...operations);
    const request = reader.onlyRequest();
    const [x = get('', ''), y = get('', ''), z = get('', '')] = operations;
    reader.withdraw(x);
    reader.withdraw(z);
    reader.learn('preAccepted');
    reader.reply(2, request, [[0, 1, 0], reader.none, [0, 1, 0]]);
    expect(reader.answered()).toEqual([y]);
    expect(reader.kept()).toEqual(NOTHING);

    const alone = get('alone', 'x');
    const last = reader.begin(alone);
    reader.withdraw(alone);
    expect(reader.kept()).toEqual(NOTHING);
    reader.reply(2, last);
    expect(reader.answered()).toEqual([]);
    reader.tick(1_000);
    expect(reader.requests()).toEqual([]);
  });

  test('parked on what is not known here: nobody looks for that any more', () => {
    const reader = new CoreReader();
    reader.replica.setReachable(2, false);
    const [one, two] = [get('one', 'x'), get('two', 'x')];
    reader.read(one, two);
    reader.reply(3, reader.onlyRequest(), [
      [0, 1, 0],
      [0, 1, 0],
    ]);
    expect(reader.answered()).toEqual([]);
    expect(reader.kept()).toMatchObject({ waiting: 2, components: 2, parked: 1 });
    reader.withdraw(one);
    expect(reader.kept()).toMatchObject({ waiting: 1, components: 1, parked: 1 });
    reader.withdraw(two);
    expect(reader.kept()).toEqual(NOTHING);
    for (let tick = 0; tick < 1_000; tick += 1) {
      reader.tick(1);
      if (!reader.replica.hasReady()) continue;
      const types = reader.replica.takeReady().messages.map(({ message }) => message.type);
      expect(types.filter((type) => type !== 'watermarks')).toEqual([]);
    }
  });

  test('waiting on a write that is blocked itself: the write goes on without it, and who else reads', () => {
    const reader = new CoreReader();
    reader.replica.step(2, {
      type: 'commit',
      id: instance('2.1'),
      command: commandOf(put('w', 'x')),
      attributes: { seq: 2, deps: [0, 0, 1] }, // nobody here knows 3.1
    });
    reader.replica.takeReady();
    const operations = Array.from({ length: 5 }, (_, index) => get(`r${index}`, 'x'));
    reader.read(...operations);
    reader.reply(2, reader.onlyRequest());
    expect(reader.answered()).toEqual([]);
    expect(reader.kept()).toMatchObject({ waiting: 5, blocked: 6, parked: 1 });
    const left = operations.filter((_, index) => index % 2 === 1);
    for (const operation of operations) if (!left.includes(operation)) reader.withdraw(operation);
    expect(reader.kept()).toMatchObject({ wanted: 2, waiting: 2, blocked: 3, components: 3 });
    const command = commandOf(put('v', 'x'));
    const attributes = { seq: 1, deps: reader.none };
    reader.replica.step(3, { type: 'commit', id: instance('3.1'), command, attributes });
    expect(reader.replica.takeReady()).toMatchObject({
      executions: [{ id: instance('3.1') }, { id: instance('2.1') }],
      reads: left,
    });
    expect(reader.kept()).toEqual(NOTHING);
  });

  test('when it could go on, and has not yet', () => {
    const reader = new CoreReader();
    reader.learn('preAccepted');
    const operation = get('r', 'x');
    reader.reply(2, reader.begin(operation));
    expect(reader.answered()).toEqual([]);
    const attributes = { seq: 1, deps: reader.none };
    reader.replica.step(2, {
      type: 'commit',
      id: instance('2.1'),
      command: commandOf(put('w', 'x')),
      attributes,
    });
    reader.withdraw(operation);
    expect(reader.replica.takeReady()).toMatchObject({ executions: [{ id: instance('2.1') }], reads: [] });
    expect(reader.kept()).toEqual(NOTHING);
  });
});
