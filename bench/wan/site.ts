/**
 * One place of the simulated world: a program that replicates, and the loop that runs it in virtual time. The
 * loop is the server's (src/node/node.ts): drain what arrived, write and sync, send, execute, answer; what
 * arrives meanwhile waits for the next turn. Both protocols run in this loop, so that they pay the same.
 */
import type { KvOperation, OperationResult } from '../../src/kv/index.ts';
import type { EventQueue } from '../../test/sim/event-queue.ts';

/** One operation of a client, at the place that serves it. */
export interface Request {
  readonly operation: KvOperation;
  /** A write is chosen, and that is on disk as far as it must be before anybody may know. */
  onCommitted(): void;
  onAnswered(result: OperationResult): void;
}

export interface Outgoing<M> {
  /** The index of the site. */
  readonly to: number;
  readonly message: M;
}

/** What a program wants done at the end of a turn, in the order of the fields. */
export interface Turn<M> {
  /** Sent at once, while the disk is being written. */
  readonly early: readonly Outgoing<M>[];
  /** Whether something must be on disk before anything else happens. */
  readonly sync: boolean;
  readonly messages: readonly Outgoing<M>[];
  /** Executes and answers. */
  finish(): void;
}

/** A replica of some protocol. Does nothing by itself. */
export interface Program<M> {
  receive(from: number, message: M): void;
  submit(request: Request): void;
  tick(): void;
  /** Null if there is nothing to do. */
  takeTurn(): Turn<M> | null;
}

export class Site<M> {
  readonly program: Program<M>;
  readonly #queue: EventQueue;
  readonly #syncMs: number;
  readonly #send: (messages: readonly Outgoing<M>[]) => void;
  #messages: { readonly from: number; readonly message: M }[] = [];
  #requests: Request[] = [];
  #ticked = false;
  #turn: 'idle' | 'scheduled' | 'running' = 'idle';

  constructor(parts: {
    readonly program: Program<M>;
    readonly queue: EventQueue;
    readonly syncMs: number;
    readonly send: (messages: readonly Outgoing<M>[]) => void;
  }) {
    this.program = parts.program;
    this.#queue = parts.queue;
    this.#syncMs = parts.syncMs;
    this.#send = parts.send;
  }

  receive(from: number, message: M): void {
    this.#messages.push({ from, message });
    this.#wake();
  }

  submit(request: Request): void {
    this.#requests.push(request);
    this.#wake();
  }

  tick(): void {
    this.#ticked = true;
    this.#wake();
  }

  /** At the same moment, but after all that happens at it: what arrives together is one turn. */
  #wake(): void {
    if (this.#turn !== 'idle') return;
    this.#turn = 'scheduled';
    this.#queue.after(0, () => this.#run());
  }

  #run(): void {
    this.#turn = 'running';
    const { program } = this;
    for (const { from, message } of this.#messages) program.receive(from, message);
    for (const request of this.#requests) program.submit(request);
    if (this.#ticked) program.tick();
    this.#messages = [];
    this.#requests = [];
    this.#ticked = false;
    const turn = program.takeTurn();
    if (turn !== null) this.#send(turn.early);
    if (turn === null) this.#turn = 'idle';
    else if (turn.sync) this.#queue.after(this.#syncMs, () => this.#finish(turn));
    else this.#finish(turn);
  }

  #finish(turn: Turn<M>): void {
    this.#send(turn.messages);
    turn.finish();
    this.#turn = 'idle';
    // The program may have work left, whatever arrived.
    this.#wake();
  }
}
