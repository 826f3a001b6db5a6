/** Looks at what a core wants done, on the way to the loop that does it. */
import type { Message, Operation, Proposal, Ready, Replica, ReplicaId } from '../../../src/epaxos/index.ts';
import type { Core } from '../../../src/node/index.ts';

export interface Watching {
  /** Is called for every batch, and takes it. */
  readonly onReady: (take: () => Ready) => Ready;
  /** So many messages waited for a turn. */
  readonly onDrained: (messages: number) => void;
}

export class WatchedCore implements Core {
  readonly #core: Replica;
  readonly #watching: Watching;
  /** Messages given since the last turn was over. */
  #steps = 0;

  constructor(core: Replica, watching: Watching) {
    this.#core = core;
    this.#watching = watching;
  }

  propose(proposal: Proposal): boolean {
    return this.#core.propose(proposal);
  }

  read(operation: Operation): boolean {
    return this.#core.read(operation);
  }

  withdraw(proposal: Proposal): boolean {
    return this.#core.withdraw(proposal);
  }

  step(from: ReplicaId, message: Message): void {
    this.#steps += 1;
    this.#core.step(from, message);
  }

  tick(): void {
    this.#core.tick();
  }

  setReachable(id: ReplicaId, reachable: boolean): void {
    this.#core.setReachable(id, reachable);
  }

  setRoundTrip(id: ReplicaId, milliseconds: number): void {
    this.#core.setRoundTrip(id, milliseconds);
  }

  /** Asked when everything that had arrived was given. */
  hasReady(): boolean {
    this.#watching.onDrained(this.#steps);
    this.#steps = 0;
    return this.#core.hasReady();
  }

  isAtRest(): boolean {
    return this.#core.isAtRest();
  }

  takeReady(): Ready {
    return this.#watching.onReady(() => this.#core.takeReady());
  }

  status(): ReturnType<Replica['status']> {
    return this.#core.status();
  }
}
