/**
 * A cluster of cores whose network, disks and clocks are in the hands of the test. Nothing happens by
 * itself: messages stay in flight until the test delivers, duplicates or drops them, time passes only with
 * `tick`. A replica that got something takes its turn at once: write, send, execute. Verbs that select messages fail
 * when they find none, so that a scenario cannot pass by doing nothing.
 *
 *   propose submit read turn     deliver deliverAll advance settle duplicate drop clear
 *   tick run                     crash crashDuring restart isolate rejoin recover
 *   look decision log events     inFlight messages replica answers
 */
import {
  type Envelope,
  formatInstance,
  type Limits,
  type Message,
  type Operation,
  Proposal,
  type Ready,
  Replica,
  type ReplicaId,
  replicaIds,
  type Timing,
  type TraceEvent,
} from '../../src/epaxos/index.ts';
import { requireDurable, requireReserved } from './core-durability.ts';
import { describeFlight, type Filter, type Flight, matches } from './core-flights.ts';
import { CoreObserver } from './core-observer.ts';
import { instance, type Look, labelOf, nameOf, statusName } from './core-operations.ts';
import { CoreStore } from './core-store.ts';
import { recover } from './recover.ts';

interface Member {
  replica: Replica | null;
  readonly store: CoreStore;
  readonly events: TraceEvent[];
  readonly answers: string[];
  isolated: boolean;
}

/** The moments of a turn at which a replica can crash. */
export type CrashPoint =
  | 'before the write'
  | 'while writing'
  | 'after the write'
  | 'after sending'
  | 'after execution';

export interface CoreClusterOptions {
  readonly timing?: Partial<Timing>;
  readonly limits?: Partial<Limits>;
  readonly seed?: number;
  readonly thrifty?: boolean;
}

export class CoreCluster {
  readonly ids: readonly ReplicaId[];
  readonly #options: CoreClusterOptions;
  readonly #members = new Map<ReplicaId, Member>();
  readonly #observer = new CoreObserver();
  #flights: Flight[] = [];
  #advances = 0;

  constructor(replicas: number, options: CoreClusterOptions = {}) {
    this.ids = replicaIds(replicas);
    this.#options = options;
    for (const id of this.ids) {
      this.#members.set(id, {
        replica: null,
        store: new CoreStore(),
        events: [],
        answers: [],
        isolated: false,
      });
    }
    for (const id of this.ids) this.restart(id);
  }

  // ---- proposing and turns

  /** Hands in operations and takes a turn; returns the instance that they were proposed in. */
  propose(id: ReplicaId, ...operations: Operation[]): string {
    const before = this.#member(id).events.length;
    this.submit(id, ...operations);
    this.#finishTurns(id);
    const proposed = this.events(id)
      .slice(before)
      .filter((event) => event.type === 'proposed');
    const [only, ...others] = proposed;
    if (only === undefined || others.length > 0) throw new Error(`proposed in ${proposed.length} instances`);
    return formatInstance(only.id);
  }

  /** Hands in operations, without a turn; returns what they can be taken back by. */
  submit(id: ReplicaId, ...operations: Operation[]): Proposal[] {
    return operations.map((operation) => {
      const proposal = new Proposal(operation);
      if (!this.replica(id).propose(proposal)) throw new Error('the operation was refused');
      return proposal;
    });
  }

  /** Hands in a read of one key, which gets no instance (R8.1), and takes turns. */
  read(id: ReplicaId, operation: Operation): void {
    if (!this.replica(id).read(operation)) throw new Error('the read was refused');
    this.#finishTurns(id);
  }

  /** One turn, as the server does it: take the batch, write it, send, execute. Returns the batch. */
  turn(id: ReplicaId): Ready {
    return this.#turnUpTo(id, 'after execution');
  }

  // ---- the network

  /** Delivers each message that is in flight now and matches, in the order in which they were sent. */
  deliver(filter: Filter = {}): void {
    for (const flight of this.#take(filter)) this.#receive(flight);
  }

  /** A network where every message takes `delay` calls of this: delivers those that were sent so long ago. */
  advance(delay: number): void {
    this.#advances += 1;
    const isDue = ({ sentAt }: Flight) => this.#advances - sentAt >= delay;
    const due = this.#flights.filter(isDue);
    this.#flights = this.#flights.filter((flight) => !isDue(flight));
    for (const flight of due) this.#receive(flight);
  }

  /** Delivers until nothing that matches is in flight any more, and all have taken their turns. */
  deliverAll(filter: Filter = {}): void {
    for (let rounds = 0; this.inFlight(filter) > 0; rounds += 1) {
      if (rounds > 10_000) throw new Error(`messages without end: ${this.messages(filter).slice(0, 5)}`);
      this.deliver(filter);
    }
  }

  /** Everybody takes turns and everything is delivered, until nothing is left to do without time passing. */
  settle(): void {
    for (const id of this.#alive()) this.#finishTurns(id);
    this.deliverAll();
  }

  /** Puts a second copy of each matching message in flight. */
  duplicate(filter: Filter): void {
    const matching = this.#flights.filter((flight) => matches(flight, filter));
    if (matching.length === 0) throw new Error(`nothing to duplicate for ${JSON.stringify(filter)}`);
    this.#flights.push(...matching);
  }

  drop(filter: Filter = {}): void {
    this.#take(filter);
  }

  /** Loses whatever may be in flight. */
  clear(): void {
    this.#flights = [];
  }

  /** How many messages match. */
  inFlight(filter: Filter = {}): number {
    return this.#flights.filter((flight) => matches(flight, filter)).length;
  }

  /** What is in flight, one readable line a message: "1→2 preAccept 1.1 a seq 1 deps 0,0,0". */
  messages(filter: Filter = {}): string[] {
    return this.#flights.filter((flight) => matches(flight, filter)).map(describeFlight);
  }

  /** The messages themselves. */
  contents(filter: Filter = {}): Message[] {
    return this.#flights.filter((flight) => matches(flight, filter)).map(({ message }) => message);
  }

  // ---- time

  /** Lets time pass at one replica, or at all, with turns but without any delivery. */
  tick(count = 1, ids: readonly ReplicaId[] = this.ids): void {
    for (let tick = 0; tick < count; tick += 1) {
      for (const id of ids) {
        this.#member(id).replica?.tick();
        this.#finishTurns(id);
      }
    }
  }

  /** Lets time pass, delivering everything, until a condition holds. Returns the ticks that took. */
  run(until: () => boolean, options: { readonly atMost: number } = { atMost: 3_000 }): number {
    this.settle();
    for (let ticks = 0; ticks <= options.atMost; ticks += 1) {
      if (until()) return ticks;
      this.tick();
      this.settle();
    }
    throw new Error(`not within ${options.atMost} ticks`);
  }

  // ---- faults

  /** Stops a replica; the others notice. What it sent stays in flight, what was sent to it is lost. */
  crash(id: ReplicaId, options: { readonly losing?: 'nothing' | 'unsynced' } = {}): void {
    const member = this.#member(id);
    member.replica = null;
    if (options.losing === 'unsynced') member.store.loseUnsynced();
    this.#flights = this.#flights.filter((flight) => flight.to !== id);
    this.#tellReachability();
  }

  /** Takes a turn up to a moment, and crashes then. Returns the batch that the turn was about. */
  crashDuring(id: ReplicaId, moment: CrashPoint): Ready {
    const ready = this.#turnUpTo(id, moment);
    this.crash(id);
    return ready;
  }

  /** Starts a replica from its disk. */
  restart(id: ReplicaId): void {
    const { seed = 1, timing = {}, limits = {}, thrifty = false } = this.#options;
    const member = this.#member(id);
    member.replica = new Replica({
      id,
      replicas: this.ids.length,
      seed: seed * 100 + id,
      timing: { flushTicks: 1, followerTicks: 10, ...timing },
      // What is handed in together makes one instance, and what comes later and interferes waits for it. Slots follow each
      // other, also after a restart. Of three the follower that is not designated answers with its tick (R4.2), so that a
      // test has the one reply that decides in its hands; R4.5 has tests of its own.
      limits: {
        instancesPerTurn: 1,
        interferingInstances: 1,
        reservedSlots: 0,
        promptInstances: 0,
        ...limits,
      },
      thrifty,
    });
    member.replica.restore(member.store);
    this.#tellReachability();
  }

  /** From now on nothing reaches a replica, and nothing leaves it. */
  isolate(id: ReplicaId): void {
    this.#member(id).isolated = true;
    this.#flights = this.#flights.filter((flight) => flight.to !== id && flight.from !== id);
    this.#tellReachability();
  }

  rejoin(id: ReplicaId): void {
    this.#member(id).isolated = false;
    this.#tellReachability();
  }

  /** Makes a replica recover an instance, whoever may be working on it. */
  recover(id: ReplicaId, name: string): void {
    recover(this.replica(id), instance(name));
    this.#finishTurns(id);
  }

  // ---- looking

  replica(id: ReplicaId): Replica {
    const { replica } = this.#member(id);
    if (replica === null) throw new Error(`replica ${id} is down`);
    return replica;
  }

  /** What a replica knows of an instance, in words. Fails if it was pruned. */
  look(id: ReplicaId, name: string): Look {
    const { status, ballot, acceptedBallot, noOp, command, attributes } = this.replica(id).state.space.get(
      instance(name),
    );
    return {
      status: statusName(status),
      ballot,
      acceptedBallot,
      value: noOp ? 'no-op' : command === null ? null : nameOf(command),
      seq: attributes?.seq ?? null,
      deps: attributes?.deps ?? null,
    };
  }

  /** What an instance was committed as, by anybody at any time: "a", "no-op"; null if it was not. */
  decision(name: string): string | null {
    return this.#observer.decision(instance(name));
  }

  /** The labels of what a replica has executed, in order. */
  log(id: ReplicaId): string[] {
    return this.#member(id).store.log.map(nameOf);
  }

  /** What was read at a replica without an instance: "r after a,b" for a read that sees what a and b have written. */
  answers(id: ReplicaId): readonly string[] {
    return this.#member(id).answers;
  }

  /** All that happened at a replica, also before a restart. */
  events(id: ReplicaId): readonly TraceEvent[] {
    return this.#member(id).events;
  }

  /** By which path a replica came to an instance's commit; null if it did not. */
  path(id: ReplicaId, name: string): string | null {
    const found = this.events(id).find(
      (event) => event.type === 'committed' && formatInstance(event.id) === name,
    );
    return found?.type === 'committed' ? found.path : null;
  }

  #turnUpTo(id: ReplicaId, moment: CrashPoint): Ready {
    const { store, events, answers } = this.#member(id);
    const ready = this.replica(id).takeReady();
    if (moment === 'before the write') return ready;
    requireReserved(ready, store);
    this.#send(id, ready.early);
    if (moment === 'while writing') return ready;
    store.write(ready);
    requireDurable(ready, id, this.#stores());
    for (const record of ready.records) this.#observer.wrote(record);
    events.push(...ready.events);
    if (moment === 'after the write') return ready;
    this.#send(id, ready.messages);
    if (moment === 'after sending') return ready;
    for (const execution of ready.executions) {
      const { command } = execution;
      if (command !== null) this.#observer.executed(command, store.writeCounts);
      store.apply([execution]);
    }
    for (const read of ready.reads) answers.push(`${labelOf(read)} after ${this.log(id).join()}`);
    if (ready.pruned !== null) {
      store.prune(ready.pruned);
      this.#observer.forgot(ready.pruned);
    }
    return ready;
  }

  #send(id: ReplicaId, messages: readonly Envelope[]): void {
    const { isolated } = this.#member(id);
    for (const { to, message } of messages) {
      const { replica, isolated: lost } = this.#member(to);
      if (to === id) throw new Error(`replica ${id} sends itself a ${message.type}`);
      if (replica !== null && !isolated && !lost) {
        this.#flights.push({ from: id, to, message, sentAt: this.#advances });
      }
    }
  }

  #finishTurns(id: ReplicaId): void {
    for (let turns = 0; this.#member(id).replica?.hasReady(); turns += 1) {
      if (turns > 10_000) throw new Error(`replica ${id} takes turns without end`);
      this.turn(id);
    }
  }

  #receive({ from, to, message }: Flight): void {
    const { replica } = this.#member(to);
    if (replica === null) return;
    replica.step(from, message);
    this.#finishTurns(to);
  }

  #take(filter: Filter): Flight[] {
    const taken = this.#flights.filter((flight) => matches(flight, filter));
    if (taken.length === 0) {
      throw new Error(`nothing for ${JSON.stringify(filter)} among:\n${this.messages().join('\n')}`);
    }
    this.#flights = this.#flights.filter((flight) => !matches(flight, filter));
    return taken;
  }

  #tellReachability(): void {
    for (const id of this.#alive()) {
      for (const other of this.ids) {
        if (other === id) continue;
        const { replica, isolated } = this.#member(other);
        this.replica(id).setReachable(other, replica !== null && !isolated && !this.#member(id).isolated);
      }
    }
  }

  /** Everybody's disks, in order. */
  #stores(): CoreStore[] {
    return this.ids.map((id) => this.#member(id).store);
  }

  #alive(): ReplicaId[] {
    return this.ids.filter((id) => this.#member(id).replica !== null);
  }

  #member(id: ReplicaId): Member {
    const member = this.#members.get(id);
    if (member === undefined) throw new Error(`no replica ${id}`);
    return member;
  }
}
