/**
 * One request of a caller, from the call to its answer, and where it stands meanwhile. Many thousands are open
 * at once: each is one object that is handed on from hand to hand, with no timer, no signal and no promise of
 * its own but the one its caller waits for.
 */

import type { KvError } from '../errors.ts';
import type { OperationResult } from '../kv/index.ts';
import { Timed } from '../util/timing-wheel.ts';
import type { PipelineRequest } from '../wire/index.ts';
import { renamed } from '../wire/index.ts';
import type { AttemptHistory } from './attempt-history.ts';
import type { Bytes } from './entry.ts';
import type { RequestIds } from './request-ids.ts';
import type { Listed, RequestList } from './request-list.ts';
import type { MeasuredDistance } from './round-trip.ts';

/** What all requests of a kind have in common. */
export interface RequestKind<Answer> {
  /** True if it changes something, so that an attempt without an answer may have been applied. */
  readonly mutates: boolean;
  /** True for a read that a replica may answer by itself. */
  readonly stale: boolean;
  /** What the caller is told. */
  readonly answerOf: (result: OperationResult, key: Bytes) => Answer;
}

/** What a request is made of. */
export interface RequestFields<Answer> {
  readonly kind: RequestKind<Answer>;
  readonly key: Bytes;
  /** Encoded. */
  readonly operation: Uint8Array;
  /** What its id is made of, as it is encoded; of a read the generation is 0. */
  readonly name: RequestName;
  /** When the call was made, on the client's clock. */
  readonly startedMs: number;
  /** For the whole call, all attempts together. */
  readonly allowedMs: number;
  readonly resolve: (answer: Answer) => void;
  readonly reject: (error: KvError) => void;
}

/** How far a request had come at an endpoint when it was taken back; only `sent` ones may have been applied. */
export type Stage = 'connecting' | 'queued' | 'sent';

/** What failover, and the choice between endpoints, need of one. Its round trip is the shortest measured lately. */
export interface Target extends MeasuredDistance {
  readonly address: string;
  /** When it last served any request, or took more of what is sent, on the client's clock; minus infinity before that. */
  readonly lastActiveMs: number;
  /** Takes the request over: it is answered, fails, or is taken back. None of that happens within this call. */
  send(request: Request): void;
  /** Lets go of a request that it was sent; an answer that still comes is ignored. */
  takeBack(request: Request, reason: 'timeout' | 'cancel'): Stage;
}

/** What differs between the ids of one client's requests. */
export interface RequestName {
  readonly sequence: number;
  /** 0: none is known yet. */
  readonly generation: number;
}

/**
 * Fields are grouped by who writes them. It is a {@link PipelineRequest} itself, so that a frame is encoded
 * from the requests as they are.
 */
export class Request<Answer = unknown> extends Timed implements PipelineRequest, Listed<Request> {
  readonly startedMs: number;
  readonly allowedMs: number;
  readonly #kind: RequestKind<Answer>;
  readonly #key: Bytes;
  readonly #resolve: (answer: Answer) => void;
  readonly #reject: (error: KvError) => void;
  #operation: Uint8Array;
  #name: RequestName;

  /** Written by the window: the bytes of the operation when its turn came, which a new name may change. */
  windowBytes = 0;

  /** Written by the pipeline as it sends the request: its number there, and what is left of its time. */
  id = 0;
  timeoutMs = 0;
  /** Written by the pipeline: whether it has left under its present name, so that it must keep that. */
  hasLeft = false;

  /** Written by the list that the request waits in, if it does. */
  list: RequestList<Request> | null = null;
  before: Request | null = null;
  behind: Request | null = null;

  /** Written by failover. Target null: it waits, for a place in the window or for its next round. */
  target: Target | null = null;
  attemptedMs = 0;
  silenceMs = 0;
  /** Null until the first attempt has failed. */
  history: AttemptHistory | null = null;
  isSettled = false;

  /** Only if the caller gave a signal: what lets go of it. */
  release: (() => void) | null = null;

  constructor(fields: RequestFields<Answer>) {
    super();
    this.#operation = fields.operation;
    this.#name = fields.name;
    this.startedMs = fields.startedMs;
    this.allowedMs = fields.allowedMs;
    this.#kind = fields.kind;
    this.#key = fields.key;
    this.#resolve = fields.resolve;
    this.#reject = fields.reject;
  }

  /** Encoded. */
  get operation(): Uint8Array {
    return this.#operation;
  }

  /** In which it was, or will be, first sent (R7.12); 0: not known yet, and for a read. */
  get generation(): number {
    return this.#name.generation;
  }

  /** Names it anew if it has not left yet and a newer generation is known: then it is first sent in that. */
  refresh({ generation }: RequestIds): void {
    if (!this.mutates || this.hasLeft || this.generation === generation) return;
    this.#rename({ sequence: this.#name.sequence, generation });
  }

  /** Makes another request of it: for one that no replica has executed or will. */
  renew(ids: RequestIds): void {
    this.hasLeft = false;
    this.#rename({ sequence: ids.next(), generation: ids.generation });
  }

  get mutates(): boolean {
    return this.#kind.mutates;
  }

  get stale(): boolean {
    return this.#kind.stale;
  }

  get deadlineMs(): number {
    return this.startedMs + this.allowedMs;
  }

  /** Tells the caller. */
  resolve(result: OperationResult): void {
    this.#resolve(this.#kind.answerOf(result, this.#key));
  }

  /** Tells the caller. */
  reject(error: KvError): void {
    this.#reject(error);
  }

  #rename(name: RequestName): void {
    this.#operation = renamed(this.#operation, name);
    this.#name = name;
  }
}
