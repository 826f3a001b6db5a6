/**
 * What arrived since the loop's last turn. Bounded: messages over the limit are dropped, as the network
 * might have dropped them; operations are bounded where they come in (pending.ts).
 */
import type { Message, ReplicaId } from '../epaxos/index.ts';
import type { Request } from './pending.ts';

export interface InboxLimits {
  /** Messages that wait for a turn. */
  readonly messages: number;
  /** Bytes of the commands inside these messages. */
  readonly messageBytes: number;
}

/** Everything that arrived, in the order in which the loop takes it. */
export interface Arrivals {
  readonly reachable: ReadonlyMap<ReplicaId, boolean>;
  readonly messages: readonly { readonly from: ReplicaId; readonly message: Message }[];
  readonly requests: readonly Request[];
  /** True if at least one tick passed. A replica that was held up does not make up for the ticks it missed (R5.9). */
  readonly ticked: boolean;
  /** How many messages were dropped meanwhile because too many were waiting. */
  readonly dropped: number;
}

export class Inbox {
  readonly #limits: InboxLimits;
  #reachable = new Map<ReplicaId, boolean>();
  #messages: { readonly from: ReplicaId; readonly message: Message }[] = [];
  #messageBytes = 0;
  /** Those that were taken back stay until they are half of it all. */
  #requests: Request[] = [];
  #takenBack = 0;
  #ticked = false;
  #dropped = 0;

  constructor(limits: InboxLimits) {
    this.#limits = limits;
  }

  get isEmpty(): boolean {
    return (
      !this.#ticked &&
      this.#messages.length === 0 &&
      this.#requests.length === this.#takenBack &&
      this.#reachable.size === 0
    );
  }

  addReachable(peer: ReplicaId, reachable: boolean): void {
    this.#reachable.set(peer, reachable);
  }

  addMessages(from: ReplicaId, messages: readonly Message[]): void {
    for (const message of messages) {
      const bytes = commandBytes(message);
      const full =
        this.#messages.length >= this.#limits.messages ||
        this.#messageBytes + bytes > this.#limits.messageBytes;
      if (full) {
        this.#dropped += 1;
        continue;
      }
      this.#messages.push({ from, message });
      this.#messageBytes += bytes;
    }
  }

  /** @param request not queued */
  addRequest(request: Request): void {
    request.isQueued = true;
    this.#requests.push(request);
  }

  /** Takes a request back. False: it is not here (any more). */
  removeRequest(request: Request): boolean {
    if (!request.isQueued) return false;
    request.isQueued = false;
    this.#takenBack += 1;
    if (this.#takenBack * 2 > this.#requests.length) {
      this.#requests = this.#requests.filter(({ isQueued }) => isQueued);
      this.#takenBack = 0;
    }
    return true;
  }

  addTick(): void {
    this.#ticked = true;
  }

  /** Empties the inbox. */
  take(): Arrivals {
    const arrivals = {
      reachable: this.#reachable,
      messages: this.#messages,
      requests: this.#takeRequests(),
      ticked: this.#ticked,
      dropped: this.#dropped,
    };
    this.#dropped = 0;
    this.#reachable = new Map();
    this.#messages = [];
    this.#messageBytes = 0;
    this.#ticked = false;
    return arrivals;
  }

  #takeRequests(): readonly Request[] {
    const requests: Request[] = [];
    for (const request of this.#requests) {
      if (!request.isQueued) continue; // taken back, or handed out just now: it was added again after that
      request.isQueued = false;
      requests.push(request);
    }
    this.#requests = [];
    this.#takenBack = 0;
    return requests;
  }
}

/** The bytes of a message that can be many; everything else in it is small. */
function commandBytes(message: Message): number {
  const carrier = message.type === 'prepareReply' ? message.record : message;
  if (!('command' in carrier) || carrier.command === null || carrier.command === 'sent') return 0;
  return carrier.command.operations.reduce((sum, operation) => sum + operation.size, 0);
}
