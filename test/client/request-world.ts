/** Requests, endpoints and a clock in the hands of a test: no connection is made, and no time passes by itself. */
import { EndpointPool } from '../../src/client/endpoint-pool.ts';
import { Failover } from '../../src/client/failover.ts';
import { Request, type RequestFields, type Stage, type Target } from '../../src/client/request.ts';
import { RequestIds } from '../../src/client/request-ids.ts';
import { type ErrorCode, KvError, type Outcome } from '../../src/errors.ts';
import type { OperationResult } from '../../src/kv/index.ts';
import { TimingWheel } from '../../src/util/timing-wheel.ts';
import { encodePut } from '../../src/wire/index.ts';

/** How often the requests are looked at whose time has come. */
export const TICK_MS = 10;

/** A request that nobody waits for. */
export function requestOf(
  fields: Partial<RequestFields<OperationResult>> & { readonly mutates?: boolean } = {},
): Request {
  return new Request({
    kind: { mutates: fields.mutates ?? true, stale: false, answerOf: (result) => result },
    key: 'key',
    operation: encodePut({
      client: Buffer.alloc(16),
      sequence: 1,
      generation: 1,
      key: Buffer.from('key'),
      value: Buffer.from('value'),
      returnPrevious: false,
    }),
    name: { sequence: 1, generation: 1 },
    startedMs: 0,
    allowedMs: 30_000,
    resolve: () => undefined,
    reject: () => undefined,
    ...fields,
  }) as Request;
}

/** What an attempt gets: a version, an error, or nothing for ever. */
export type Answer = number | readonly [ErrorCode, Outcome] | 'silence';

export interface Attempt {
  readonly address: string;
  readonly silenceMs: number;
  /** What was left of the request's time. */
  readonly timeoutMs: number;
}

export class FakeTarget implements Target {
  readonly address: string;
  lastActiveMs = Number.NEGATIVE_INFINITY;
  roundTripMs = Number.POSITIVE_INFINITY;
  isSettled = true;
  /** How far a request is when it is taken back. */
  progress: Stage = 'sent';
  /** In the order they were sent. */
  readonly sent: Request[] = [];
  readonly takenBack: Request[] = [];
  onSend: (request: Request) => void = () => undefined;

  constructor(address: string) {
    this.address = address;
  }

  send(request: Request): void {
    this.sent.push(request);
    this.onSend(request);
  }

  takeBack(request: Request): Stage {
    this.takenBack.push(request);
    return this.progress;
  }
}

export class RequestWorld {
  nowMs = 100_000;
  readonly targets: readonly FakeTarget[];
  readonly pool: EndpointPool;
  readonly failover: Failover;
  readonly wakeUps = new TimingWheel<Request>(0);
  readonly ids = new RequestIds();

  constructor(
    addresses: readonly string[] = ['a:1', 'b:2', 'c:3'],
    { retryForMs = null }: { readonly retryForMs?: number | null } = {},
  ) {
    const now = () => this.nowMs;
    this.targets = addresses.map((address) => new FakeTarget(address));
    this.pool = new EndpointPool(this.targets, now);
    this.failover = new Failover(this.pool, {
      silenceTimeoutMs: 1000,
      retryForMs,
      wakeUps: this.wakeUps,
      ids: this.ids,
      now,
      onSettled: () => undefined,
    });
  }

  target(address: string): FakeTarget {
    const target = this.targets.find((each) => each.address === address);
    if (target === undefined) throw new Error(`there is no endpoint ${address}`);
    return target;
  }

  /** Lets time pass, tick by tick. */
  pass(durationMs: number): void {
    for (const endMs = this.nowMs + durationMs; this.nowMs < endMs; ) {
      this.nowMs += TICK_MS;
      for (const request of this.wakeUps.takeDue(this.nowMs)) {
        if (!request.isSettled) this.failover.wake(request, this.nowMs);
      }
    }
  }

  /** Runs one request to its end; `answer` says what each attempt gets. */
  run(
    answer: (attempt: Attempt, index: number, request: Request) => Answer,
    options: { readonly timeoutMs?: number; readonly mutates?: boolean } = {},
  ) {
    const attempts: Attempt[] = [];
    let value: number | null = null;
    let error: KvError | null = null;
    const startedMs = this.nowMs;
    const request = requestOf({
      mutates: options.mutates ?? true,
      startedMs,
      allowedMs: options.timeoutMs ?? 30_000,
      resolve: ({ version }) => {
        value = version;
      },
      reject: (reason) => {
        error = reason;
      },
    });
    const due: (() => void)[] = [];
    for (const target of this.targets) {
      target.onSend = () => {
        const { address } = target;
        const attempt = { address, silenceMs: request.silenceMs, timeoutMs: request.deadlineMs - this.nowMs };
        attempts.push(attempt);
        const result = answer(attempt, attempts.length - 1, request);
        if (result === 'silence') return;
        due.push(() => {
          if (request.target !== target) return; // it was taken back meanwhile
          if (typeof result === 'number') {
            this.pool.served(target);
            this.failover.served(request, { version: result, value: null, previousVersion: 0 });
          } else {
            const [code, outcome] = result;
            this.failover.failed(request, new KvError(code, `it says ${code}`, { outcome }));
          }
        });
      };
    }
    this.failover.begin(request, this.nowMs);
    while (!request.isSettled) {
      const next = due.shift();
      if (next === undefined) this.pass(TICK_MS);
      else next();
    }
    return {
      value: value as number | null,
      error: error as KvError | null,
      attempts,
      addresses: attempts.map(({ address }) => address),
      elapsedMs: this.nowMs - startedMs,
    };
  }
}
