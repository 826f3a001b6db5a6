/**
 * Frames between replicas: bytes to messages and back. A frame consists of repeated fields only, so the
 * frames of single messages, one after another, are a frame of all of them: a message is encoded once,
 * however many peers it goes to and whatever it is sent together with.
 */

import { FIRST_EPOCH, type Message, type MessageType } from '../../epaxos/index.ts';
import { checkCount, checkEpoch, type DecodeContext, malformed } from '../check.ts';
import { type MessageCodec, messageCodec } from '../schema.ts';
import { CONVERSIONS, type Conversion } from './replica-messages.ts';
import {
  type Direction,
  frameName,
  type Lane,
  MESSAGE_STREAMS,
  type MessageStream,
  ROUTES,
} from './routes.ts';
import { type StoreMark, type StoreMarkFields, storeMarkFields, storeMarkOf } from './store-mark.ts';

/** A frame as a plain object: by field, the messages of one type; and the epoch that all of them are of. */
type Frame = Readonly<Record<string, readonly unknown[] | number>>;

/** One lane's frames, and which messages they carry. */
interface LaneCodec {
  readonly frame: MessageCodec<Frame>;
  readonly fields: readonly { readonly name: string; readonly type: MessageType }[];
}

const LANES = Object.fromEntries(
  MESSAGE_STREAMS.map((stream) => [
    stream,
    {
      request: laneCodec({ stream, direction: 'request' }),
      response: laneCodec({ stream, direction: 'response' }),
    },
  ]),
) as Readonly<Record<MessageStream, Readonly<Record<Direction, LaneCodec>>>>;

/** A ping or a pong: they look the same. */
export interface BeatMessage {
  /** ≥ 1; a pong has its ping's. */
  readonly sequence: number;
  /** How far the sender's store has come; null: nothing to tell yet. */
  readonly mark: StoreMark | null;
}

const beatType = messageCodec<{ readonly sequence: number; readonly epoch: number } & StoreMarkFields>(
  'Ping',
);

/** The frame that holds this one message; several of one lane, concatenated, are a frame too. */
export function encodeMessage(message: Message): Buffer {
  const route = ROUTES[message.type];
  return LANES[route.stream][route.direction].frame.encode({
    epoch: FIRST_EPOCH,
    [route.field]: [conversionOf(message.type).toWire(message)],
  });
}

/**
 * The messages of a frame that arrived. Operations are views of `bytes`, which must not be changed afterwards.
 * @param context N, by which vectors and ids are judged
 * @throws KvError invalidArgument or limitExceeded if any of it is nothing that a replica can send: then of all of it nothing
 *   is to be believed
 */
export function decodeFrame(bytes: Uint8Array, lane: Lane, context: DecodeContext): readonly Message[] {
  const { frame, fields } = LANES[lane.stream][lane.direction];
  const content = frame.decode(bytes);
  checkEpoch(content.epoch);
  const messages: Message[] = [];
  for (const { name, type } of fields) {
    const { fromWire } = conversionOf(type);
    for (const wire of (content[name] ?? []) as readonly unknown[]) {
      messages.push(fromWire(wire as Parameters<typeof fromWire>[0], context));
    }
  }
  return messages;
}

export function encodeBeat({ sequence, mark }: BeatMessage): Buffer {
  return beatType.encode({ sequence, ...storeMarkFields(mark), epoch: FIRST_EPOCH });
}

/** @throws KvError invalidArgument */
export function decodeBeat(bytes: Uint8Array): BeatMessage {
  const beat = beatType.decode(bytes);
  checkEpoch(beat.epoch);
  const sequence = checkCount(beat.sequence, "the heartbeat's sequence");
  if (sequence === 0) throw malformed("the heartbeat's sequence is missing");
  return { sequence, mark: storeMarkOf(beat) };
}

function laneCodec(lane: Lane): LaneCodec {
  const types = (Object.keys(ROUTES) as MessageType[]).filter((type) => {
    return ROUTES[type].stream === lane.stream && ROUTES[type].direction === lane.direction;
  });
  const fields = types.map((type) => ({ name: ROUTES[type].field, type }));
  return { frame: messageCodec<Frame>(frameName(lane)), fields };
}

/** The table is right for every type; the compiler cannot follow a type that is only known when running. */
function conversionOf(type: MessageType): Conversion<MessageType> {
  return CONVERSIONS[type] as unknown as Conversion<MessageType>;
}
