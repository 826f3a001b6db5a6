/** Clients that send what no client sends, each kind of call, over several connections; the others must not mind. */
import { randomBytes } from 'node:crypto';
import { type Client, type ClientDuplexStream, Metadata, type ServiceError, status } from '@grpc/grpc-js';
import { LIMITS } from '../../src/kv/index.ts';
import { Prng } from '../../src/util/prng.ts';
import {
  adminService,
  decodeRequestFrame,
  decodeResponseFrame,
  encodeRequestFrame,
  kvService,
  messageCodec,
  openChannel,
} from '../../src/wire/index.ts';
import type { FuzzWorld } from './fuzz-world.ts';
import { DAMAGES, damaged } from './schema-fuzz.ts';
import { inTime } from './until.ts';

const CALLS = ['Put', 'Get', 'MultiGet', 'Delete', 'Status'] as const;
type Call = (typeof CALLS)[number];

const operationType = messageCodec<object>('Operation');

/** To each replica. */
const CONNECTIONS = 2;
/** Calls under way at once, on each connection. */
const AT_ONCE = 8;
const PATIENT_MS = 60_000;
/** What is the fault of nobody but the replica. */
const FAULTS: readonly number[] = [status.UNKNOWN, status.INTERNAL, status.DATA_LOSS, status.UNIMPLEMENTED];

/** Runs all of it: so many of each kind. @returns what was seen, in words */
export async function fuzzClients(world: FuzzWorld, count: number): Promise<string> {
  const { cluster, seed } = world;
  const ends = new Map<string, number>();
  const note = (what: string) => ends.set(what, (ends.get(what) ?? 0) + 1);
  const connections = cluster.endpoints.flatMap((address) =>
    Array.from({ length: CONNECTIONS }, () => openChannel(address)),
  );
  const share = Math.ceil(count / connections.length);
  try {
    const latencies = await world.beside(async () => {
      await Promise.all(
        connections.map(async ({ client }, index) => {
          const random = new Prng(seed * 1_000 + index);
          await new PipelineFuzz(client, random, note).run(share);
          for (const call of CALLS) await fuzzCalls({ client, call, random, note, count: share });
        }),
      );
    });
    const told = [...ends].sort(([one], [other]) => (one < other ? -1 : 1));
    return `seed ${seed}: ${told.map(([what, times]) => `${what} ${times}`).join(', ')}; ${latencies}`;
  } finally {
    for (const connection of connections) connection.close();
  }
}

/** Single calls, some at once. @throws Error if one ends as none should */
async function fuzzCalls(options: {
  readonly client: Client;
  readonly call: Call;
  readonly random: Prng;
  readonly note: (what: string) => void;
  readonly count: number;
}): Promise<void> {
  const { client, call, random, note } = options;
  let left = options.count;
  const work = async () => {
    while (left > 0) {
      left -= 1;
      const code = await endOf(client, call, requestOf(call, random));
      if (FAULTS.includes(code)) throw new Error(`${call} ended with ${status[code]}`);
      note(`${call} ${status[code]}`);
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, work));
}

function endOf(client: Client, call: Call, request: Buffer): Promise<number> {
  const { path } = call === 'Status' ? adminService.Status : kvService[call];
  const options = { deadline: Date.now() + PATIENT_MS };
  const asIs = (bytes: Buffer) => bytes;
  return new Promise((resolve, reject) => {
    const onEnd = (error: ServiceError | null) => {
      if (error?.code === status.DEADLINE_EXCEEDED && Date.now() >= options.deadline)
        reject(new Error(`${call} was not answered within ${PATIENT_MS} ms`));
      else resolve(error?.code ?? status.OK);
    };
    client.makeUnaryRequest(path, asIs, asIs, request, new Metadata(), options, onEnd);
  });
}

/** One stream, which is opened again when the replica has ended it. */
class PipelineFuzz {
  readonly #client: Client;
  readonly #random: Prng;
  readonly #note: (what: string) => void;
  #call: ClientDuplexStream<Buffer, Buffer> | null = null;
  #ended: number | null = null;
  #responses = 0;
  /** Looks whether what is waited for has come. */
  #look = () => {};

  constructor(client: Client, random: Prng, note: (what: string) => void) {
    this.#client = client;
    this.#random = random;
    this.#note = note;
  }

  /** Each frame is answered, or ends the stream. @throws Error otherwise, or if the stream ends as none should */
  async run(count: number): Promise<void> {
    for (let sent = 0; sent < count; sent += 1) {
      const frame = frameOf(this.#random);
      const expected = expectedResponses(frame);
      const call = this.#call ?? this.#open();
      const wanted = this.#responses + (expected ?? Number.POSITIVE_INFINITY);
      const done = new Promise<void>((resolve) => {
        this.#look = () => {
          if (this.#ended !== null || this.#responses >= wanted) resolve();
        };
      });
      call.write(frame);
      await inTime('a frame is answered', done, PATIENT_MS);
      this.#noteEnd();
    }
    this.#call?.cancel();
  }

  #noteEnd(): void {
    if (this.#ended === null) {
      this.#note('Pipeline OK');
      return;
    }
    if (FAULTS.includes(this.#ended)) throw new Error(`Pipeline ended with ${status[this.#ended]}`);
    this.#note(`Pipeline ${status[this.#ended]}`);
    this.#call = null;
  }

  #open(): ClientDuplexStream<Buffer, Buffer> {
    const { path, requestSerialize, responseDeserialize } = kvService.Pipeline;
    const call = this.#client.makeBidiStreamRequest(path, requestSerialize, responseDeserialize);
    this.#call = call;
    this.#ended = null;
    call.on('data', (frame: Buffer) => {
      if (this.#call !== call) return;
      const { responses, pong } = decodeResponseFrame(frame);
      this.#responses += responses.length + Number(pong);
      this.#look();
    });
    const end = (code: number) => {
      if (this.#call !== call) return;
      this.#ended ??= code;
      this.#look();
    };
    call.on('error', ({ code }: ServiceError) => end(code));
    call.on('end', () => setImmediate(end, status.OK));
    return call;
  }
}

/** A pong for a frame without requests; null if it cannot be read, and ends the stream. */
function expectedResponses(frame: Buffer): number | null {
  try {
    return Math.max(1, decodeRequestFrame(frame).length);
  } catch {
    return null;
  }
}

function frameOf(random: Prng): Buffer {
  const requests = Array.from({ length: random.integer(0, 3) }, (_, id) => ({
    id,
    timeoutMs: random.integer(0, 3) === 0 ? 0 : 10_000,
    operation: operationOf(random),
    stale: random.integer(0, 7) === 0,
  }));
  return wildly(encodeRequestFrame(requests), 'RequestFrame', random);
}

/** Encoded without the checks that a client makes. */
function operationOf(random: Prng): Buffer {
  const key = keyOf(random);
  const request = requestIdOf(random);
  const returnPrevious = random.integer(0, 1) === 0;
  switch (random.integer(0, 3)) {
    case 0:
      return operationType.encode({ request, put: { key, value: valueFor(random), returnPrevious } });
    case 1:
      return operationType.encode({ request, get: { key } });
    case 2:
      return operationType.encode({ request, delete: { key, returnPrevious } });
    default:
      return operationType.encode({ request, multiGet: { keys: [key, keyOf(random)] } });
  }
}

/** An encoded request, half of them damaged. */
function requestOf(call: Call, random: Prng): Buffer {
  const key =
    random.integer(0, 99) === 0 ? Buffer.alloc(LIMITS.keyBytes + random.integer(0, 1), 'k') : keyOf(random);
  const requestId = random.integer(0, 1) === 0 ? null : requestIdOf(random);
  const returnPrevious = random.integer(0, 1) === 0;
  const stale = random.integer(0, 3) === 0;
  switch (call) {
    case 'Put': {
      const value = valueFor(random);
      return wildly(
        kvService.Put.requestSerialize({ key, value, returnPrevious, requestId }),
        'PutRequest',
        random,
      );
    }
    case 'Get':
      return wildly(kvService.Get.requestSerialize({ key, stale }), 'GetRequest', random);
    case 'MultiGet': {
      const many = random.integer(0, 99) === 0;
      const length = many ? LIMITS.multiGetKeys + random.integer(0, 1) : random.integer(0, 4);
      const keys = Array.from({ length }, () => keyOf(random));
      return wildly(kvService.MultiGet.requestSerialize({ keys, stale }), 'MultiGetRequest', random);
    }
    case 'Delete':
      return wildly(
        kvService.Delete.requestSerialize({ key, returnPrevious, requestId }),
        'DeleteRequest',
        random,
      );
    default:
      return wildly(Buffer.alloc(0), 'StatusRequest', random);
  }
}

/** None of the ordinary clients' keys, nor a few bits away from one. */
function keyOf(random: Prng): Buffer {
  return Buffer.from(`0 wild ${random.integer(0, 99)}`);
}

function valueFor(random: Prng): Buffer {
  if (random.integer(0, 499) === 0) return Buffer.alloc(LIMITS.valueBytes + random.integer(0, 1));
  return randomBytes(random.integer(0, 50));
}

function requestIdOf(random: Prng) {
  const numbers = [1, 2, 2 ** 31, 2 ** 32, 2 ** 40, 2 ** 52, 2 ** 53 - 1];
  const draw = () => numbers[random.integer(0, numbers.length - 1)] ?? 1;
  return { client: randomBytes(16), sequence: draw(), generation: random.integer(0, 3) === 0 ? draw() : 1 };
}

function wildly(bytes: Buffer, name: string, random: Prng): Buffer {
  if (random.integer(0, 1) === 0) return bytes;
  const damage = DAMAGES[random.integer(0, 1) === 0 ? 0 : random.integer(1, DAMAGES.length - 1)] ?? 'flip';
  return damaged(bytes, { name, damage, random });
}
