/**
 * What arrived since the loop's last turn. Bounded: messages over the limit are dropped, as the network
 * might have dropped them; operations are bounded where they come in (pending.ts).
 */
import type { Message, ReplicaId } from '../epaxos/index.ts';
import type { KvOperation } from '../kv/index.ts';

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
  readonly operations: Iterable<KvOperation>;
  /** True if at least one tick passed. A replica that was held up does not make up for the ticks it missed (R5.9). */
  readonly ticked: boolean;
}

export class Inbox {
  readonly #limits: InboxLimits;
  #reachable = new Map<ReplicaId, boolean>();
  #messages: { readonly from: ReplicaId; readonly message: Message }[] = [];
  #messageBytes = 0;
  #operations = new Set<KvOperation>();
  #ticked = false;
  #dropped = 0;

  constructor(limits: InboxLimits) {
    this.#limits = limits;
  }

  get isEmpty(): boolean {
    return (
      !this.#ticked &&
      this.#messages.length === 0 &&
      this.#operations.size === 0 &&
      this.#reachable.size === 0
    );
  }

  /** Messages dropped since the start because too many were waiting. */
  get dropped(): number {
    return this.#dropped;
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

  addOperation(operation: KvOperation): void {
    this.#operations.add(operation);
  }

  /** Takes an operation back. False: it is not here (any more). */
  removeOperation(operation: KvOperation): boolean {
    return this.#operations.delete(operation);
  }

  addTick(): void {
    this.#ticked = true;
  }

  /** Empties the inbox. */
  take(): Arrivals {
    const arrivals = {
      reachable: this.#reachable,
      messages: this.#messages,
      operations: this.#operations,
      ticked: this.#ticked,
    };
    this.#reachable = new Map();
    this.#messages = [];
    this.#messageBytes = 0;
    this.#operations = new Set();
    this.#ticked = false;
    return arrivals;
  }
}

/** The bytes of a message that can be many; everything else in it is small. */
function commandBytes(message: Message): number {
  const carrier = message.type === 'prepareReply' ? message.record : message;
  if (!('command' in carrier) || carrier.command === null || carrier.command === 'sent') return 0;
  return carrier.command.operations.reduce((sum, operation) => sum + operation.bytes.length, 0);
}
