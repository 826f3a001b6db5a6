/** The services over a real gRPC server, with a node that a test drives by hand. */
import { Server, ServerCredentials } from '@grpc/grpc-js';
import { afterEach } from 'vitest';
import { addServices, type Services } from '../../src/api/services.ts';
import { type Cut, WaitingBytes } from '../../src/api/waiting-bytes.ts';
import type { KvError } from '../../src/errors.ts';
import type { KvOperation, OperationResult, ReadOperation } from '../../src/kv/index.ts';
import { type Clock, systemClock } from '../../src/node/clock.ts';
import { Call, Request, type Waiter } from '../../src/node/pending.ts';
import { createLogger } from '../../src/server/logger.ts';
import { countUnfinished } from '../../src/server/unfinished-messages.ts';
import { createDeferred, type Deferred } from '../../src/util/deferred.ts';
import { SERVER_OPTIONS, WAITING_LIMITS, type WaitingLimits } from '../../src/wire/index.ts';
import { FakeCore } from '../node/fakes.ts';
import { GrpcClient } from './grpc-client.ts';

const logger = createLogger({ level: 'silent', cluster: 'test', replica: 1 });
export const NO_ROW: OperationResult = { version: 0, value: null, previousVersion: 0 };

export interface Submission {
  readonly operation: KvOperation;
  readonly timeoutMs: number;
  readonly waiter: Waiter;
  readonly cancelled: Promise<void>;
}

/** Answers every operation with `result`, unless there is an error to throw or to fail with, or null: never. */
export class FakeNode {
  readonly submissions: Submission[] = [];
  readonly staleReads: ReadOperation[] = [];
  readonly #cancelled = new Map<Call, Deferred<void>>();
  result: OperationResult | null = NO_ROW;
  thrown: Error | null = null;
  failure: KvError | null = null;
  generation = 5;
  snapshot: { source: number; entries: number; bytes: number } | null = null;

  submit(operation: KvOperation, timeoutMs: number, waiter: Waiter): Call | null {
    if (this.thrown !== null) throw this.thrown;
    const cancelled: Deferred<void> = createDeferred();
    this.submissions.push({ operation, timeoutMs, waiter, cancelled: cancelled.promise });
    const call = new Call(new Request(operation), waiter);
    this.#cancelled.set(call, cancelled);
    const { failure, result } = this;
    queueMicrotask(() => {
      if (failure !== null) waiter.failed(failure);
      else if (result !== null) waiter.answered(result);
    });
    return call;
  }

  cancel(call: Call): void {
    this.#cancelled.get(call)?.resolve();
  }

  readStale(operation: ReadOperation): OperationResult {
    if (this.thrown !== null) throw this.thrown;
    this.staleReads.push(operation);
    return this.result ?? NO_ROW;
  }

  status() {
    return {
      ...new FakeCore().status(),
      paths: { fast: 7, slow: 8, recovered: 9 },
      latencies: { operations: 12, commit: [0, 5, 6], execute: [0, 0, 11], executionDelay: [11] },
      peers: [
        { id: 2, address: 'b:2', reachable: true, roundTripMs: 0.5, dropped: 4, violations: 2 },
        { id: 3, address: 'c:3', reachable: false, roundTripMs: null, dropped: 0, violations: 0 },
      ],
      pendingRequests: 0,
      generation: this.generation,
      snapshot: this.snapshot,
    };
  }
}

const closing: (() => void)[] = [];
afterEach(() => {
  for (const close of closing.splice(0)) close();
});

/** What a test replaces: by default the machine's clock and the real limits. */
export interface SetUpOptions {
  readonly clock?: Clock;
  readonly limits?: Partial<WaitingLimits>;
}

export interface SetUp {
  readonly node: FakeNode;
  readonly client: GrpcClient;
  readonly services: Services;
  readonly address: string;
  readonly waiting: WaitingBytes;
  /** The connections that were to be closed, and why. */
  readonly cuts: { readonly cut: Cut; readonly peer: string; readonly bytes: number }[];
  /** The clients whose streams were ended. */
  readonly stalled: string[];
  /** The clients whose unfinished requests were refused. */
  readonly refused: string[];
}

export async function setUp({ clock = systemClock, limits = {} }: SetUpOptions = {}): Promise<SetUp> {
  const node = new FakeNode();
  const cuts: SetUp['cuts'] = [];
  const stalled: string[] = [];
  const refused: string[] = [];
  const waiting = new WaitingBytes({
    clock,
    onCut: (cut, peer, bytes) => cuts.push({ cut, peer, bytes }),
    limits: { ...WAITING_LIMITS, ...limits },
  });
  const interceptors = [countUnfinished(waiting, (peer) => refused.push(peer))];
  const server = new Server({ ...SERVER_OPTIONS, interceptors });
  const peers = new Map([
    [1, 'a:1'],
    [2, 'b:2'],
    [3, 'c:3'],
  ]);
  const config = { id: 1, cluster: 'test', peers };
  const services = addServices(server, {
    node,
    logger,
    config,
    version: '1.2.3',
    clock,
    waiting,
    onStalled: (peer) => stalled.push(peer),
  });
  const port = await new Promise<number>((resolve, reject) => {
    server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, bound) =>
      error === null ? resolve(bound) : reject(error),
    );
  });
  const address = `127.0.0.1:${port}`;
  const client = new GrpcClient(address);
  closing.push(
    () => client.close(),
    () => server.forceShutdown(),
  );
  return { node, client, services, address, waiting, cuts, stalled, refused };
}
