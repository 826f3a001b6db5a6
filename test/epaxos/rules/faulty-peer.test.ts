/** R3.13: whatever numbers one peer says, in whatever message: nothing breaks, nothing runs long, nobody else's instance changes. */
import fc from 'fast-check';
import { afterEach, expect, test } from 'vitest';
import {
  formatInstance,
  type InstanceRecord,
  type Message,
  type MessageType,
  Proposal,
  type Ready,
  Replica,
  replicaIds,
  Status,
} from '../../../src/epaxos/index.ts';
import { KvError } from '../../../src/errors.ts';
import {
  decodeFrame,
  decodeRecordApart,
  encodeMessage,
  encodeRecordApart,
  ROUTES,
} from '../../../src/wire/index.ts';
import { countLookups } from '../../support/count-lookups.ts';
import { getOperation, putOperation } from '../../support/kv-operations.ts';
import { recover } from '../../support/recover.ts';
import { LIMITS, renumber, WINDOW } from '../../support/wild-numbers.ts';
import { messagesOf } from '../../wire/client/arbitraries.ts';

const FAULTY = 2;

const lookups = countLookups();
afterEach(lookups.stop);

const request = { client: 'c'.repeat(16), sequence: 1, generation: 1 };
const write = (sequence: number, key = 'k') =>
  putOperation({
    request: { ...request, sequence },
    key: Buffer.from(key),
    value: Buffer.from('v'),
    returnPrevious: false,
  });

/** A replica in the middle of everything: own rounds of all kinds, instances of others in each status, a read. */
function busyReplica(replicas: number): { replica: Replica; ballots: number[]; sequence: number } {
  const replica = new Replica({ id: 1, replicas, seed: 1, limits: { interferingInstances: 8 } });
  for (const peer of replicaIds(replicas)) if (peer !== 1) replica.setReachable(peer, true);
  const none = new Array<number>(replicas).fill(0);
  const value = { command: commandOf(write(50)), attributes: { seq: 1, deps: none } };
  replica.step(3, { type: 'commit', id: { replica: 3, slot: 1 }, ...value });
  const follower = replicas === 3 ? 1 : null;
  replica.step(3, { type: 'preAccept', id: { replica: 3, slot: 2 }, ...value, follower, prompt: false });
  replica.step(3, { type: 'accept', id: { replica: 3, slot: 3 }, ballot: 0, ...value });
  for (const key of ['k', 'l']) {
    replica.propose(new Proposal(write(1, key)));
    replica.takeReady();
  }
  recover(replica, { replica: 3, slot: 2 });
  recover(replica, { replica: 2, slot: 1 });
  replica.read(getOperation({ request, key: Buffer.from('k') }));
  const { messages } = replica.takeReady();
  const asked = messages.find(({ message }) => message.type === 'readRequest')?.message;
  if (asked?.type !== 'readRequest') throw new Error('no read is under way');
  const ballots = [...replica.state.rounds.values()].map((round) => ('ballot' in round ? round.ballot : 0));
  return { replica, ballots, sequence: asked.sequence };
}

function commandOf(operation: ReturnType<typeof write>) {
  const proposal = new Replica({ id: 1, replicas: 3, seed: 1 });
  proposal.propose(new Proposal(operation));
  const command = proposal.takeReady().records[0]?.command;
  if (!command) throw new Error('nothing was proposed');
  return command;
}

/** What arrives of it; null if the frame is refused. */
function received(message: Message, replicas: number): Message | null {
  try {
    return decodeFrame(encodeMessage(message), ROUTES[message.type], { replicas })[0] ?? null;
  } catch (error) {
    if (error instanceof KvError || error instanceof RangeError || error instanceof Error) return null;
    throw error;
  }
}

function snapshot({ state }: Replica): Map<string, InstanceRecord> {
  return new Map(
    state.space.rows.flatMap((row) =>
      [...row.records.values()].map((each) => [formatInstance(each.id), each]),
    ),
  );
}

function requireReadable({ records, reserved }: Ready, replicas: number): void {
  for (const record of records) {
    const { command } = record;
    const read = decodeRecordApart(encodeRecordApart(record), { replicas }).withCommand(command);
    expect(read).toEqual({ ...record, status: Math.min(record.status, Status.committed) });
    for (const each of [record.attributes, record.initial])
      expect(each?.seq ?? 0).toBeLessThanOrEqual(2 ** 52);
  }
  expect(reserved ?? 0).toBeLessThan(2 ** 50);
}

/** False if the replica ends at it: of a second value for what is committed nobody can tell which one is right (I1). */
function takes(replica: Replica, message: Message): boolean {
  try {
    replica.step(FAULTY, message);
    return true;
  } catch (error) {
    if (message.type === 'commit' && String(error).includes('is committed with two different values'))
      return false;
    throw error;
  }
}

/** The instances that a message may change. */
function namedBy(message: Message): string[] {
  if (message.type === 'prepareReply') return [formatInstance(message.record.id)];
  return 'id' in message ? [formatInstance(message.id)] : [];
}

function unlessExecuted(record: InstanceRecord | undefined) {
  return record && { ...record, status: Math.min(record.status, Status.committed) };
}

const cases = [3, 5, 7].flatMap((replicas) =>
  (Object.keys(messagesOf(replicas)) as MessageType[]).map((type) => [replicas, type] as const),
);

test.each(cases)('N = %i, %s', (replicas, type) => {
  const draws = fc.infiniteStream(fc.tuple(fc.integer({ min: 0, max: 9 }), fc.nat(1_000)));
  const before = fc.constantFrom<MessageType[]>([], ['prepare'], ['accept'], ['commit'], ['validateReply']);
  let arrived = 0;
  fc.assert(
    fc.property(before, fc.infiniteStream(fc.nat()), draws, (types, seeds, stream) => {
      const { replica, ballots, sequence } = busyReplica(replicas);
      const pick = (field: string): number | null => {
        const { value } = stream.next() as { value: [number, number] };
        const [how, which] = value;
        if (how === 0) return LIMITS[which % LIMITS.length] ?? 0;
        if (how === 1) return null;
        if (/ballot|promised/i.test(field)) {
          const owners = [0, replicas + FAULTY, 2 * replicas + FAULTY, ...ballots];
          return owners[which % owners.length] ?? 0;
        }
        if (field === 'sequence') return sequence;
        if (field === 'replica') return 1 + (which % replicas);
        return which % 4;
      };
      for (const each of [...types, type]) {
        const seed = (seeds.next() as { value: number }).value;
        const [sample] = fc.sample(messagesOf(replicas)[each], { numRuns: 1, seed });
        const message = received(renumber(sample, '', pick) as Message, replicas);
        if (message === null) continue;
        arrived += 1;
        const known = snapshot(replica);
        const named = namedBy(message);
        lookups.start(500_000);
        if (!takes(replica, message)) return;
        const ready = replica.takeReady();
        lookups.stop();
        requireReadable(ready, replicas);
        const now = snapshot(replica); // what is new there is what this replica proposes again (R5.8)
        for (const [name, record] of known) {
          if (!named.includes(name)) expect(unlessExecuted(now.get(name))).toEqual(unlessExecuted(record));
        }
      }
      lookups.start(5_000_000);
      for (let tick = 0; tick < 30; tick += 1) {
        replica.tick();
        requireReadable(replica.takeReady(), replicas);
      }
      lookups.stop();
      for (const { highest } of replica.status().rows) expect(highest).toBeLessThanOrEqual(WINDOW + 100);
    }),
    { numRuns: 250 },
  );
  expect(arrived).toBeGreaterThan(20);
});
