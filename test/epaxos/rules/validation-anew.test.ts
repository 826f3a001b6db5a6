/** R5.12: a recovery that waits for what was forgotten here meanwhile. */
import { describe, expect, test } from 'vitest';
import { type Contradiction, type Message, Replica, Status } from '../../../src/epaxos/index.ts';
import { commandOf, instance, put } from '../../support/core-operations.ts';
import { recover } from '../../support/recover.ts';

describe('R5.12: a contradiction that was forgotten here', () => {
  const id = instance('1.1');
  const command = commandOf(put('a', 'x'));
  const none = { seq: 1, deps: [0, 0, 0, 0, 0] };

  /** Replica 3, which has forgotten 2.1, waits in a recovery of 1.1 for what 5 says of that. */
  function waiting(): Replica {
    const replica = new Replica({ id: 3, replicas: 5, seed: 1 });
    const pruned = { pruned: [0, 1, 0, 0, 0], floor: [0, 1, 0, 0, 0] };
    replica.restore({ records: [], pruned, reserved: 0 });
    for (const peer of [1, 2, 4, 5]) replica.setReachable(peer, true);
    replica.step(1, { type: 'preAccept', id, command, attributes: none, follower: null, prompt: false });
    recover(replica, id);
    replica.takeReady();
    return replica;
  }

  const promise = (ballot: number): Message => ({
    type: 'prepareReply',
    ballot,
    record: {
      id,
      status: Status.preAccepted,
      ballot,
      acceptedBallot: 0,
      command,
      noOp: false,
      attributes: none,
      initial: none,
      follower: null,
    },
  });
  const answer = (ballot: number, contradictions: readonly Contradiction[], more = false): Message => {
    return { type: 'validateReply', id, ballot, promised: ballot, contradictions, more };
  };
  const types = (replica: Replica) => [
    ...new Set(replica.takeReady().messages.map(({ message }) => message.type)),
  ];

  test.each([4, 5])('one member that has left out some is enough to begin anew (replica %i)', (brief) => {
    const replica = new Replica({ id: 3, replicas: 5, seed: 1 });
    replica.step(1, { type: 'preAccept', id, command, attributes: none, follower: null, prompt: false });
    recover(replica, id);
    const { ballot } = replica.state.space.get(id);
    for (const from of [4, 5]) replica.step(from, promise(ballot));
    const other = instance('2.1');
    for (const from of [4, 5]) {
      replica.step(from, answer(ballot, [{ id: other, committed: false }], from === brief));
    }
    expect(replica.state.roundOf(id)).toMatchObject({ type: 'validate', isWaiting: true });
    replica.takeReady();
    const attributes = { seq: 2, deps: [1, 0, 0, 0, 0] };
    replica.step(2, { type: 'commit', id: other, command: commandOf(put('b', 'x')), attributes });
    expect(types(replica)).not.toContain('accept');
    expect(replica.state.roundOf(id)).toBeUndefined();
  });

  test('decides nothing: the recovery begins anew, with another Q that may know', () => {
    const replica = waiting();
    const first = replica.state.space.get(id).ballot;
    for (const from of [4, 5]) replica.step(from, promise(first));
    expect(types(replica)).toEqual(['validate']);
    replica.step(4, answer(first, []));
    replica.step(5, answer(first, [{ id: instance('2.1'), committed: false }]));
    expect(types(replica)).not.toContain('accept');
    expect(replica.state.roundOf(id)).toBeUndefined();

    let ticks = 0;
    for (; replica.state.roundOf(id) === undefined && ticks < 1_000; ticks += 1) replica.tick();
    expect(replica.state.roundOf(id)).toMatchObject({ type: 'prepare' });
    expect(types(replica)).toContain('prepare');
    const second = replica.state.space.get(id).ballot;
    expect(second).toBeGreaterThan(first);
    for (const from of [4, 5]) replica.step(from, promise(second));
    for (const from of [4, 5]) replica.step(from, answer(second, []));
    expect(replica.state.space.get(id)).toMatchObject({
      status: Status.accepted,
      noOp: false,
      attributes: none,
    });
  });
});
