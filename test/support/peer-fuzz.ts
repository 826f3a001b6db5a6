/** A peer that says, of each kind of message, what no replica says; two replicas and their clients must not mind. */
import { randomBytes } from 'node:crypto';
import { expect } from 'vitest';
import type { MessageType } from '../../src/epaxos/index.ts';
import { Prng } from '../../src/util/prng.ts';
import {
  decodeBeat,
  decodeSnapshotChunk,
  decodeSnapshotRequest,
  encodeBeat,
  encodeSnapshotChunk,
  encodeSnapshotRequest,
  HEARTBEAT_STREAM,
  ROUTES,
} from '../../src/wire/index.ts';
import { FalsePeer } from './false-peer.ts';
import { CLIENT_KEYS, type FuzzWorld, SERVING } from './fuzz-world.ts';
import { CLUSTER } from './process-cluster.ts';
import { DAMAGES, damaged } from './schema-fuzz.ts';
import { type WildFrame, WildMessages } from './wild-messages.ts';

export interface PeerFuzzSize {
  /** Messages of each kind. */
  readonly messages: number;
  /** Of each kind of request, at most so many that cannot be read: each ends the streams, which are opened again. */
  readonly unreadable: number;
  /** Requests for a snapshot. */
  readonly snapshots: number;
  /** Of each kind of reply, those that make a replica hang up: it calls again only after a while. */
  readonly wrongReplies: number;
}

const TYPES = Object.keys(ROUTES) as MessageType[];
const REPLIES = TYPES.filter((type) => ROUTES[type].direction === 'response');
/** Commits come before, while nothing else has named the slots that they commit. */
const REQUESTS = TYPES.filter((type) => ROUTES[type].direction === 'request' && type !== 'commit');

/** What a replica may log as an error: it is what is done here. */
export const HUNG_UP = /hung up on a peer: it does not keep to the protocol/;

/** Runs all of it. @returns what was seen, in words */
export async function fuzzPeers(world: FuzzWorld, size: PeerFuzzSize): Promise<string> {
  const { cluster, seed } = world;
  const store = await stopAndReadStoreId(world);
  const random = new Prng(seed);
  const endpoints = cluster.endpoints;
  const snapshotFrames = () => [0, 1, 2].flatMap(() => snapshotChunk(random) ?? []);
  const peer = await FalsePeer.start({ cluster: CLUSTER, endpoints, store, snapshotFrames });
  const sent = new Map<string, number>();
  const count = (name: string) => sent.set(name, (sent.get(name) ?? 0) + 1);
  let withheld = 0;
  try {
    const latencies = await world.beside(async () => {
      const { rows } = await cluster.status(1);
      const committed = rows.map((row) => row.committed);
      const wild = new WildMessages({ seed, keys: CLIENT_KEYS, committed });
      const fuzz = new Fuzz({ peer, wild, random, size, count });
      await fuzz.run();
      withheld = wild.withheld;
    });
    const counted = [...sent].map(([name, times]) => `${name} ${times}`).join(', ');
    const { opened, snapshots } = peer.counts;
    return `seed ${seed}: ${counted}; ${opened} streams opened, ${snapshots} snapshots asked of it, ${withheld} lies withheld; ${latencies}`;
  } finally {
    peer.close();
  }
}

interface FuzzOptions {
  readonly peer: FalsePeer;
  readonly wild: WildMessages;
  readonly random: Prng;
  readonly size: PeerFuzzSize;
  readonly count: (name: string) => void;
}

class Fuzz {
  readonly #options: FuzzOptions;
  /** By type, frames that were drawn and cannot be read. */
  readonly #unreadable = new Map<string, number>();

  constructor(options: FuzzOptions) {
    this.#options = options;
  }

  async run(): Promise<void> {
    const { messages, snapshots } = this.#options.size;
    const half = Math.ceil(messages / SERVING.length);
    const both = (step: (to: number) => Promise<void>) => Promise.all(SERVING.map(step));
    await both((to) => this.#amidst(to, Math.ceil(half / 10)));
    await both((to) => this.#requests(to, ['commit'], half));
    const wrong = new Map<number, WildFrame[]>(SERVING.map((to) => [to, []]));
    await both((to) => this.#replies(to, half, wrong.get(to) ?? []));
    await both((to) => this.#requests(to, REQUESTS, half));
    await both((to) => this.#beats(to, half));
    await both((to) => this.#snapshots(to, Math.ceil(snapshots / SERVING.length)));
    await both((to) => this.#wrongReplies(to, wrong.get(to) ?? []));
  }

  /** What interferes with what the clients do: first of all, for what is far ahead would make it wait. */
  async #amidst(to: number, rounds: number): Promise<void> {
    for (let round = 0; round < rounds; round += 1) {
      await this.#request(to, this.#options.wild.nextAmidst());
      this.#options.count("preAccept amidst the clients'");
    }
  }

  /** One of each kind after the other. */
  async #requests(to: number, types: readonly MessageType[], rounds: number): Promise<void> {
    for (let round = 0; round < rounds; round += 1) {
      for (const type of types) {
        const frame = this.#nextRequest(type);
        await this.#request(to, frame);
        this.#options.count(type);
      }
    }
  }

  #nextRequest(type: MessageType): WildFrame {
    const { wild, size } = this.#options;
    for (;;) {
      const frame = wild.next(type);
      if (frame.isReadable) return frame;
      const unreadable = this.#unreadable.get(type) ?? 0;
      this.#unreadable.set(type, unreadable + 1);
      if (unreadable < size.unreadable) return frame;
    }
  }

  async #request(to: number, { type, frame, isReadable }: WildFrame): Promise<void> {
    const { peer } = this.#options;
    const { stream } = ROUTES[type];
    await peer.request(to, stream, frame);
    if (!isReadable) await peer.untilHungUp(to, stream);
  }

  /** Those that can be read; the others are put into `wrong`. */
  async #replies(to: number, rounds: number, wrong: WildFrame[]): Promise<void> {
    const { peer, wild, count } = this.#options;
    for (let round = 0; round < rounds; round += 1) {
      for (const type of REPLIES) {
        let wildFrame = wild.next(type);
        for (; !wildFrame.isReadable; wildFrame = wild.next(type)) wrong.push(wildFrame);
        await peer.reply(to, ROUTES[type].stream, wildFrame.frame);
        count(type);
      }
    }
  }

  async #wrongReplies(to: number, wrong: readonly WildFrame[]): Promise<void> {
    const { peer, count, size } = this.#options;
    for (const type of REPLIES) {
      for (const { frame } of wrong.filter((each) => each.type === type).slice(0, size.wrongReplies)) {
        await peer.replyWrongly(to, ROUTES[type].stream, frame);
        count(`${type} that is none`);
      }
    }
  }

  async #beats(to: number, rounds: number): Promise<void> {
    const { peer, random, count } = this.#options;
    for (let round = 0; round < rounds; round += 1) {
      const mark = { run: randomBytes(8).toString('hex'), batch: random.integer(0, 2 ** 30) };
      const beat = encodeBeat({ sequence: 1 + round, mark: round % 2 === 0 ? mark : null });
      const frame = round < this.#options.size.unreadable ? wildly(beat, 'Ping', random) : beat;
      await peer.request(to, HEARTBEAT_STREAM, frame);
      if (!canBeRead(() => decodeBeat(frame))) await peer.untilHungUp(to, HEARTBEAT_STREAM);
      count('ping');
    }
  }

  async #snapshots(to: number, rounds: number): Promise<void> {
    const { peer, random, count } = this.#options;
    for (let round = 0; round < rounds; round += 1) {
      const request = { id: 'x', after: randomBytes(3), offset: random.integer(0, 2 ** 30) };
      const bytes = encodeSnapshotRequest(round % 2 === 0 ? request : { ...request, id: '', offset: 0 });
      const frame = wildly(bytes, 'SnapshotRequest', random);
      await peer.askForSnapshot(to, frame);
      count(
        canBeRead(() => decodeSnapshotRequest(frame)) ? 'snapshotRequest' : 'snapshotRequest that is none',
      );
    }
  }
}

/** Not one that says that it is the last: what comes with it is believed, as there is no other way to get it. */
function snapshotChunk(random: Prng): Buffer | null {
  const vector = () => [0, 1, 2].map(() => random.integer(0, 2 ** 20));
  const entries = [{ key: randomBytes(9), value: randomBytes(20) }];
  const pruned = { pruned: vector(), floor: vector() };
  const chunk = encodeSnapshotChunk({ id: 'x', pruned, entries, rest: random.integer(0, 9), done: false });
  const frame = wildly(chunk, 'SnapshotChunk', random);
  try {
    return decodeSnapshotChunk(frame, { replicas: 3 }).done ? null : frame;
  } catch {
    return frame;
  }
}

function wildly(bytes: Buffer, name: string, random: Prng): Buffer {
  const damage = DAMAGES[random.integer(0, DAMAGES.length)];
  return damage === undefined ? bytes : damaged(bytes, { name, damage, random });
}

function canBeRead(decode: () => unknown): boolean {
  try {
    decode();
    return true;
  } catch {
    return false;
  }
}

/** From now on replica 3 is the peer of the test. */
async function stopAndReadStoreId({ cluster }: FuzzWorld): Promise<string> {
  await cluster.kill(3);
  const store = await cluster.readStore(3, async ({ id }) => id);
  expect(store).not.toBe('');
  return store;
}
