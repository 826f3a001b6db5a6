/** Frames between replicas: every message survives, malformed ones are refused one by one, nothing crashes. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { MAX_LISTED, type Message, type MessageType } from '../../../src/epaxos/index.ts';
import { KvError } from '../../../src/errors.ts';
import {
  commandToWire,
  decodeBeat,
  decodeFrame,
  encodeBeat,
  encodeMessage,
  frameName,
  type Lane,
  MESSAGE_STREAMS,
  messageCodec,
  ROUTES,
} from '../../../src/wire/index.ts';
import { encodedCommand } from '../arbitraries.ts';
import { messagesOf, sampleOfEach } from '../client/arbitraries.ts';

const CONTEXT = { replicas: 3 };
const LANES: Lane[] = MESSAGE_STREAMS.flatMap((stream) => [
  { stream, direction: 'request' },
  { stream, direction: 'response' },
]);

function laneOf(message: Message): Lane {
  return ROUTES[message.type];
}

/** Why a frame is refused; null if it is not. Any other failure fails the test. */
function refusal(frame: Uint8Array, lane: Lane, replicas = 3): KvError | null {
  try {
    decodeFrame(frame, lane, { replicas });
    return null;
  } catch (error) {
    if (error instanceof KvError) return error;
    throw error;
  }
}

describe.each([3, 5, 7])('with %i replicas', (replicas) => {
  const arbitraries = messagesOf(replicas);

  it.each(Object.keys(arbitraries) as MessageType[])('%s survives the wire', (type) => {
    fc.assert(
      fc.property(arbitraries[type], (message) => {
        const decoded = decodeFrame(encodeMessage(message), laneOf(message), { replicas });
        expect(decoded).toEqual([message]);
      }),
    );
  });

  it('messages of one lane, one after another, are one frame', () => {
    const commits = fc.array(arbitraries.commit, { minLength: 2, maxLength: 10 });
    fc.assert(
      fc.property(commits, (messages) => {
        const frame = Buffer.concat(messages.map(encodeMessage));
        const decoded = decodeFrame(frame, { stream: 'Commit', direction: 'request' }, { replicas });
        expect(decoded).toEqual(messages);
      }),
    );
  });
});

it('messages of two types that share a lane share a frame', () => {
  const samples = sampleOfEach(5, 1).filter(({ type }) => type === 'validate' || type === 'waiting');
  const frame = Buffer.concat(samples.map(encodeMessage));
  const decoded = decodeFrame(frame, { stream: 'Validate', direction: 'request' }, { replicas: 5 });
  expect(decoded).toEqual(samples);
});

it('an executed record travels as committed', () => {
  const record = {
    id: { replica: 1, slot: 4 },
    status: 4,
    ballot: 0,
    acceptedBallot: 0,
    command: null,
    noOp: true,
    attributes: { seq: 0, deps: [0, 0, 0] },
    initial: null,
    follower: null,
  } as const;
  const bytes = encodeMessage({ type: 'prepareReply', ballot: 4, record });
  const messages = decodeFrame(bytes, ROUTES.prepareReply, CONTEXT);
  expect(messages).toEqual([{ type: 'prepareReply', ballot: 4, record: { ...record, status: 3 } }]);
});

it('every field of every frame of the schema has a message type', () => {
  for (const lane of LANES) {
    const fields = Object.values(ROUTES)
      .filter(({ stream, direction }) => stream === lane.stream && direction === lane.direction)
      .map(({ field }) => field);
    // What the schema knows is decoded as an array, and what it does not know is not there.
    const frame = messageCodec<Record<string, unknown>>(frameName(lane)).decode(Buffer.alloc(0));
    const declared = Object.keys(Object.getPrototypeOf(frame)).filter((name) => Array.isArray(frame[name]));
    expect(declared.sort()).toEqual(fields.sort());
  }
});

const id = { replica: 1, slot: 5 };
const attributes = { seq: 1, deps: [4, 0, 0] };
const good: Message = { type: 'preAcceptReply', id, attributes };
const command = encodedCommand([Buffer.from('not an operation')]);
const record = { id, status: 1, ballot: 0, acceptedBallot: 0, noOp: true, attributes };

/** By type, wire objects of which each is malformed in one respect, and what the reason must say. */
const MALFORMED: Readonly<Record<MessageType, readonly (readonly [wire: object, reason: RegExp])[]>> = {
  preAccept: [
    [{ command, attributes, follower: 2 }, /id is missing/],
    [{ id, attributes, follower: 2 }, /command is missing/],
    [{ id, command: encodedCommand([]), attributes, follower: 2 }, /without operations/],
    [{ id, command, attributes, follower: 2 }, /malformed Operation/],
    [{ id, command, attributes, follower: 1 }, /its own follower/],
    [{ id, command, attributes, follower: 0 }, /replica 0/],
    [{ id, command, attributes, follower: 4 }, /replica 4/],
  ].map(([wire, reason]) => [withOperation(wire as object, reason as RegExp), reason as RegExp] as const),
  preAcceptReply: [
    [{ id }, /attributes are missing/],
    [{ id: { replica: 0, slot: 5 }, attributes }, /replica 0/],
    [{ id: { replica: 4, slot: 5 }, attributes }, /replica 4/],
    [{ id: { replica: 1, slot: 0 }, attributes }, /slot is 0/],
    [{ id: { replica: 1, slot: 2 ** 60 }, attributes }, /the slot is 1152921504606847000/],
    [{ id, attributes: { seq: 1, deps: [0, 0] } }, /2 slots instead of 3/],
    [{ id, attributes: { seq: 1, deps: [0, 0, 0, 0, 0] } }, /5 slots instead of 3/],
    [{ id, attributes: { seq: 2 ** 60, deps: [0, 0, 0] } }, /seq is/],
    [{ id, attributes: { seq: 1, deps: [0, 2 ** 60, 0] } }, /slot of a vector/],
    [{ id, attributes: { seq: 1, deps: [5, 0, 0] } }, /1\.5 depends on slot 5 of its own row/],
  ],
  accept: [
    [{ id, ballot: 4 }, /attributes are missing/],
    [{ id, ballot: 3, attributes }, /no replica owns ballot 3/],
    [{ id, ballot: 2 ** 60, attributes }, /the ballot is/],
    [{ id, ballot: 4, attributes, command }, /malformed Operation/],
  ],
  acceptReply: [
    [{ ballot: 4, promised: 4 }, /id is missing/],
    [{ id, ballot: 1, promised: 4 }, /no replica owns ballot 1/],
    [{ id, ballot: 4, promised: 2 ** 60 }, /the ballot is/],
  ],
  commit: [
    [{ id }, /attributes are missing/],
    [{ id, attributes, command: encodedCommand([]) }, /without operations/],
    [{ id, attributes, command, sent: true }, /sent before/],
  ],
  prepare: [
    [{ ballot: 4 }, /id is missing/],
    [{ id, ballot: 0 }, /recovery has ballot 0/],
  ],
  prepareReply: [
    [{ ballot: 4 }, /record is missing/],
    [{ ballot: 0, record }, /recovery has ballot 0/],
    [{ ballot: 4, record: { ...record, status: 5 } }, /unknown status 5/],
    [{ ballot: 4, record: { ...record, attributes: null } }, /no attributes/],
    [{ ballot: 4, record: { ...record, noOp: false } }, /neither command nor no-op/],
    [{ ballot: 4, record: { ...record, follower: 9 } }, /replica 9/],
    [{ ballot: 4, record: { ...record, ballot: 3 } }, /no replica owns ballot 3/],
    [
      { ballot: 4, record: { ...record, ballot: 4, acceptedBallot: 5 } },
      /1\.5 is accepted at 5, and promised at 4/,
    ],
    [
      { ballot: 4, record: { ...record, attributes: { seq: 1, deps: [5, 0, 0] } } },
      /depends on slot 5 of its own row/,
    ],
    [
      { ballot: 4, record: { ...record, initial: { seq: 1, deps: [6, 0, 0] } } },
      /depends on slot 6 of its own row/,
    ],
  ],
  validate: [
    [{ id, ballot: 4, attributes }, /command is missing/],
    [{ id, ballot: 0, attributes, command }, /recovery has ballot 0/],
  ],
  validateReply: [
    [{ id, ballot: 0, promised: 0 }, /recovery has ballot 0/],
    [{ id, ballot: 4, promised: 4, contradictions: [{ committed: true }] }, /id is missing/],
    [{ id, ballot: 4, promised: 4, contradictions: [{ id: { replica: 9, slot: 1 } }] }, /replica 9/],
  ],
  waiting: [
    [{ matching: 1 }, /id is missing/],
    [{ id, matching: 4 }, /4 of 3 replicas match/],
  ],
  fetch: [
    [{ ranges: [{ replica: 9, from: 1, to: 2 }] }, /replica 9/],
    [{ ranges: [{ replica: 1, from: 0, to: 2 }] }, /first slot of a range is 0/],
    [{ ranges: [{ replica: 1, from: 3, to: 2 }] }, /from slot 3 to slot 2/],
    [{ ranges: [{ replica: 1, from: 3, to: 2 ** 60 }] }, /last slot of a range is/],
  ],
  watermarks: (['committed', 'executed', 'highest', 'pruned'] as const).flatMap((field) => {
    const vectors = { committed: [0, 0, 0], executed: [0, 0, 0], highest: [0, 0, 0], pruned: [0, 0, 0] };
    return [
      [{ ...vectors, [field]: [0, 0] }, /2 slots instead of 3/],
      [{ ...vectors, [field]: [0, 0, 2 ** 60] }, /slot of a vector/],
    ] as const;
  }),
  readRequest: [
    [{ sequence: 1, keys: [] }, /without a key/],
    [{ sequence: 2 ** 60, keys: [new Uint8Array(1)] }, /sequence/],
  ],
  readReply: [
    [{ sequence: 1, deps: [{ slots: [0, 0] }] }, /2 slots instead of 3/],
    [{ sequence: 2 ** 60, deps: [] }, /sequence/],
  ],
};

/** A PreAccept that is to fail for another reason than its command gets a good one. */
function withOperation(wire: object, reason: RegExp): object {
  if (!('follower' in wire) || !/follower|replica/.test(reason.source)) return wire;
  const [sample] = sampleOfEach(3, 1);
  if (sample?.type !== 'preAccept') throw new Error('the first sample is a preAccept');
  return { ...wire, command: commandToWire(sample.command) };
}

describe.each(Object.keys(MALFORMED) as MessageType[])('a malformed %s', (type) => {
  it.each(MALFORMED[type].map(([wire, reason]) => ({ reason, wire })))(
    'is refused: $reason',
    ({ reason, wire }) => {
      const route = ROUTES[type];
      const frame = messageCodec<Record<string, unknown>>(frameName(route)).encode({
        [route.field]: [wire],
        epoch: 1,
      });
      const error = refusal(frame, route);
      expect(error).toMatchObject({ name: 'KvError', code: 'invalidArgument' });
      expect(error?.message).toMatch(reason);
    },
  );
});

it('with more than three replicas nobody is designated', () => {
  const [sample] = sampleOfEach(5, 1);
  if (sample?.type !== 'preAccept') throw new Error('the first sample is a preAccept');
  const frame = encodeMessage({ ...sample, follower: 2 });
  expect(refusal(frame, ROUTES.preAccept, 5)?.message).toMatch(/replica 2 is designated, among 5/);
});

it.each([true, false])('whether both followers are to answer at once survives the wire: %s', (prompt) => {
  const [sample] = sampleOfEach(3, 1);
  if (sample?.type !== 'preAccept') throw new Error('the first sample is a preAccept');
  const messages = decodeFrame(encodeMessage({ ...sample, prompt }), ROUTES.preAccept, CONTEXT);
  expect(messages).toEqual([{ ...sample, prompt }]);
});

it('of a frame with a malformed message nothing is taken', () => {
  const bad: Message = { ...good, attributes: { seq: 1, deps: [0] } };
  const frame = Buffer.concat([good, bad, good, bad].map(encodeMessage));
  expect(refusal(frame, ROUTES.preAcceptReply)?.message).toMatch(/a vector has 1 slots instead of 3/);
});

it.each([
  ['none', {}],
  ['another one', { epoch: 2 }],
])('a frame of an epoch that is not the present one is refused as a whole: %s', (_what, epoch) => {
  const frame = messageCodec<object>('PrepareFrame');
  const messages = [{ id: { replica: 1, slot: 1 }, ballot: 4 }];
  const lane = { stream: 'Prepare', direction: 'request' } as const;
  expect(decodeFrame(frame.encode({ messages, epoch: 1 }), lane, CONTEXT)).toHaveLength(1);
  expect(refusal(frame.encode({ messages, ...epoch }), lane)).toMatchObject({ code: 'invalidArgument' });
});

it('a frame that cannot be parsed is refused', () => {
  expect(refusal(Buffer.from([0x0a, 0xff]), ROUTES.commit)).toMatchObject({ code: 'invalidArgument' });
});

it('no bytes whatsoever make the decoder fail otherwise', () => {
  const lane = fc.constantFrom(...LANES);
  fc.assert(
    fc.property(lane, fc.uint8Array({ maxLength: 64 }), (lane, bytes) => {
      refusal(bytes, lane);
    }),
    { numRuns: 2000 },
  );
  const messages = fc.oneof(...Object.values(messagesOf(3)));
  fc.assert(
    fc.property(messages, fc.nat(), fc.nat({ max: 255 }), (message, position, byte) => {
      const bytes = encodeMessage(message);
      bytes[position % bytes.length] = byte;
      refusal(bytes, laneOf(message));
    }),
    { numRuns: 2000 },
  );
});

it('heartbeats carry their sequence, and nothing else passes for one', () => {
  const full = { sequence: Number.MAX_SAFE_INTEGER, mark: { run: 'a1', batch: Number.MAX_SAFE_INTEGER } };
  for (const beat of [{ sequence: 1, mark: null }, full]) expect(decodeBeat(encodeBeat(beat))).toEqual(beat);
  expect(() => decodeBeat(encodeBeat({ sequence: 0, mark: null }))).toThrow(/sequence is missing/);
  expect(() => decodeBeat(Buffer.alloc(0))).toThrow(/of epoch 0/);
  expect(() => decodeBeat(encodeBeat({ sequence: 2 ** 60, mark: null }))).toThrow(/not an integer/);
  expect(() => decodeBeat(Buffer.from([0xff]))).toThrow(/malformed Ping/);
  const run = (name: string, batch = 1) => encodeBeat({ sequence: 1, mark: { run: name, batch } });
  expect(() => decodeBeat(run('x'))).toThrow(/hexadecimal/);
  expect(() => decodeBeat(run('a'.repeat(33)))).toThrow(/hexadecimal/);
  expect(() => decodeBeat(run('a', 2 ** 60))).toThrow(/not an integer/);
});

describe('a list in a message (R3.14)', () => {
  const id = { replica: 2, slot: 7 };
  const listing: [string, (length: number) => Message][] = [
    ['keys', (length) => ({ type: 'readRequest', sequence: 1, keys: Array.from({ length }, () => 'k') })],
    ['deps', (length) => ({ type: 'readReply', sequence: 1, deps: Array.from({ length }, () => [1, 2, 3]) })],
    [
      'ranges',
      (length) => ({ type: 'fetch', ranges: Array.from({ length }, () => ({ replica: 1, from: 2, to: 3 })) }),
    ],
    [
      'contradictions',
      (length) => ({
        type: 'validateReply',
        id,
        ballot: 5,
        promised: 5,
        contradictions: Array.from({ length }, () => ({ id, committed: false })),
        more: false,
      }),
    ],
  ];

  it.each(listing)('has an end: %s', (_, messageWith) => {
    const longest = messageWith(MAX_LISTED);
    expect(refusal(encodeMessage(longest), laneOf(longest))).toBeNull();
    const longer = messageWith(MAX_LISTED + 1);
    expect(refusal(encodeMessage(longer), laneOf(longer))?.message).toContain('a list of 4097 elements');
  });
});
