/** Looks at what a core wants done, on the way to the loop that does it. */
import type { Message, Operation, Proposal, Ready, Replica, ReplicaId } from '../../../src/epaxos/index.ts';
import type { Core } from '../../../src/node/index.ts';

export class WatchedCore implements Core {
  readonly #core: Replica;
  readonly #onReady: (take: () => Ready) => Ready;

  /** @param onReady is called for every batch, and takes it */
  constructor(core: Replica, onReady: (take: () => Ready) => Ready) {
    this.#core = core;
    this.#onReady = onReady;
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

  hasReady(): boolean {
    return this.#core.hasReady();
  }

  isAtRest(): boolean {
    return this.#core.isAtRest();
  }

  takeReady(): Ready {
    return this.#onReady(() => this.#core.takeReady());
  }

  status(): ReturnType<Replica['status']> {
    return this.#core.status();
  }
}
