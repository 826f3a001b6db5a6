/** Looks at what a core wants done, on the way to the loop that does it. */
import type { Message, Operation, Proposal, Ready, Replica, ReplicaId } from '../../../src/epaxos/index.ts';
import type { Core } from '../../../src/node/index.ts';
import { demandAtMost } from '../checkers/violation.ts';

export interface Watching {
  /** Is called for every batch, and takes it. */
  readonly onReady: (take: () => Ready) => Ready;
  /** So many messages waited for a turn, with so many bytes of commands in them. */
  readonly onDrained: (waited: { readonly messages: number; readonly bytes: number }) => void;
  /** The core has taken an operation and holds so many with it. */
  readonly onTaken: (held: number) => void;
}

export class WatchedCore implements Core {
  readonly #core: Replica;
  readonly #watching: Watching;
  /** Messages given since the last turn was over. */
  #steps = 0;
  #bytes = 0;

  constructor(core: Replica, watching: Watching) {
    this.#core = core;
    this.#watching = watching;
  }

  propose(proposal: Proposal): boolean {
    // What went into an instance in vain is held again without being asked (R5.8); so it is looked at here.
    const { waitingOperations } = this.#core.proposer;
    const isTaken = this.#core.propose(proposal);
    if (isTaken) this.#watching.onTaken(waitingOperations + 1);
    return isTaken;
  }

  read(operation: Operation): boolean {
    return this.#core.read(operation);
  }

  withdraw(proposal: Proposal): boolean {
    return this.#core.withdraw(proposal);
  }

  step(from: ReplicaId, message: Message): void {
    this.#steps += 1;
    this.#bytes += commandBytes(message);
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
    this.#watching.onDrained({ messages: this.#steps, bytes: this.#bytes });
    this.#steps = 0;
    this.#bytes = 0;
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

function commandBytes(message: Message): number {
  const carrier = message.type === 'prepareReply' ? message.record : message;
  if (!('command' in carrier) || carrier.command === null || carrier.command === 'sent') return 0;
  return carrier.command.operations.reduce((sum, { size }) => sum + size, 0);
}

/**
 * What is open in a core keeps to its limit, and its executor remembers nothing that it has executed.
 * @throws Violation bounds
 */
export function checkOpen(core: Replica, id: ReplicaId): void {
  const { proposer } = core;
  const { executor, limits } = core.state;
  demandAtMost(proposer.open.size, limits.openInstances, `own instances are open at replica ${id}`);
  const { blocked, components, names, parked, forest } = executor;
  for (const [what, { size }] of Object.entries({ components, names, parked, nodes: forest.nodes }))
    demandAtMost(size, blocked, `${what} are in the executor of replica ${id}, which waits with ${blocked}`);
}
