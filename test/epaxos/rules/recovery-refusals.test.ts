/** What a recovery learns from refusals that come after its promises (protocol.md section 5). */
import { expect, test } from 'vitest';
import { emptyRecord, Replica, Status } from '../../../src/epaxos/index.ts';
import { commandOf, instance, put } from '../../support/core-operations.ts';
import { recover } from '../../support/recover.ts';

test('R5.1: the next recovery outbids a promise that an AcceptReply or a ValidateReply told', () => {
  const id = instance('1.1');
  const record = {
    ...emptyRecord(id),
    status: Status.preAccepted,
    ballot: 7,
    command: commandOf(put('a', 'x')),
    attributes: { seq: 1, deps: [0, 0, 0, 0, 0] },
    initial: { seq: 1, deps: [0, 0, 0, 0, 0] },
  };
  const refusals = [
    { type: 'acceptReply', id, ballot: 7, promised: 34 },
    { type: 'validateReply', id, ballot: 7, promised: 34, contradictions: [], more: false },
  ] as const;
  for (const refusal of refusals) {
    const replica = new Replica({ id: 2, replicas: 5, seed: 1 });
    recover(replica, id);
    // Without L's promise it is in doubt; with it, a no-op is accepted.
    replica.step(refusal.type === 'acceptReply' ? 1 : 3, { type: 'prepareReply', ballot: 7, record });
    replica.step(4, { type: 'prepareReply', ballot: 7, record });
    expect(replica.state.roundOf(id)?.type).toBe(refusal.type === 'acceptReply' ? 'accept' : 'validate');
    replica.step(4, refusal);
    expect(replica.state.roundOf(id)).toBeUndefined();
    recover(replica, id);
    expect(replica.state.roundOf(id)).toMatchObject({ type: 'prepare', ballot: 37 });
  }
});
