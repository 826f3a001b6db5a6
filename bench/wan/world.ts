/**
 * Sites, the network between them, and clients, in virtual time. A run is a function of its options: the same seed
 * gives the same latencies, on any machine.
 */
import type { Message } from '../../src/epaxos/index.ts';
import { assert } from '../../src/util/assert.ts';
import type { Prng } from '../../src/util/prng.ts';
import { between, generator, Stream } from '../../test/sim/draw.ts';
import { EventQueue } from '../../test/sim/event-queue.ts';
import { Clients } from './clients.ts';
import { EpaxosProgram } from './epaxos-program.ts';
import { type PaxosMessage, PaxosProgram } from './multi-paxos.ts';
import { roundTripMs, type SiteCount } from './regions.ts';
import { Samples } from './samples.ts';
import type { Setting, WorldOptions } from './settings.ts';
import { type Outgoing, type Program, Site } from './site.ts';
import type { Table } from './table.ts';

/** After the last operation has begun: time for all to end, and for the replicas to become equal. */
const QUIET_MS = 10_000;

export interface Outcome<P> {
  readonly samples: Samples;
  /** By site. */
  readonly programs: readonly P[];
}

interface Run<M, P> {
  readonly sites: SiteCount;
  readonly setting: Setting;
  readonly options: WorldOptions;
  readonly createProgram: (at: number) => P;
  /** The site that serves the clients of a region. */
  readonly servedBy: (region: number) => number;
  /** Only to tell apart what M is. */
  readonly message?: M;
}

/** EPaxos: clients talk to the replica in their own region. */
export function runEpaxos(parts: {
  readonly sites: SiteCount;
  readonly setting: Setting;
  readonly options: WorldOptions;
}): Outcome<EpaxosProgram> {
  const seeds = generator(parts.options.seed, Stream.replicas);
  const createProgram = (at: number) =>
    new EpaxosProgram({ sites: parts.sites, at, seed: seeds.integer(0, 2 ** 31) });
  return run<Message, EpaxosProgram>({ ...parts, createProgram, servedBy: (region) => region });
}

/** Multi-Paxos: clients talk to the leader, wherever it is. */
export function runMultiPaxos(parts: {
  readonly sites: SiteCount;
  readonly setting: Setting;
  readonly options: WorldOptions;
  /** Index of its region. */
  readonly leader: number;
  /** Whether the leader reads without asking the others. */
  readonly lease?: boolean;
}): Outcome<PaxosProgram> {
  const { sites, leader, lease = false } = parts;
  const createProgram = (at: number) => new PaxosProgram({ sites, at, leader, lease });
  return run<PaxosMessage, PaxosProgram>({ ...parts, createProgram, servedBy: () => leader });
}

function run<M, P extends Program<M> & { readonly table: Table }>(parts: Run<M, P>): Outcome<P> {
  const { sites, setting, options, createProgram, servedBy } = parts;
  const queue = new EventQueue();
  const samples = new Samples(sites);
  const network = new Network<M>(queue, options);
  for (let at = 0; at < sites; at += 1) network.add(createProgram(at), at);
  const hopMs = (region: number) => network.oneWayMs(region, servedBy(region));
  const clients = new Clients({
    options,
    setting,
    queue,
    prng: generator(options.seed, Stream.clients),
    samples,
    submit: (region, request) =>
      queue.after(hopMs(region), () => network.sites[servedBy(region)]?.submit(request)),
    wayBackMs: hopMs,
  });
  clients.start(sites);
  const endMs = options.warmUpMs + options.measuredMs + QUIET_MS;
  network.startTicks(endMs);
  while (queue.step());
  const programs = network.sites.map((site) => site.program as P);
  assertEqualTables(programs);
  return { samples, programs };
}

/** Sites and the links between them: every link keeps the order of its messages, as a stream does. */
class Network<M> {
  readonly sites: Site<M>[] = [];
  readonly #queue: EventQueue;
  readonly #options: WorldOptions;
  readonly #prng: Prng;
  /** By link: when its last message arrives. */
  readonly #lastMs = new Map<string, number>();

  constructor(queue: EventQueue, options: WorldOptions) {
    this.#queue = queue;
    this.#options = options;
    this.#prng = generator(options.seed, Stream.network);
  }

  add(program: Program<M>, at: number): void {
    const send = (messages: readonly Outgoing<M>[]) => this.#send(at, messages);
    this.sites.push(new Site({ program, queue: this.#queue, syncMs: this.#options.syncMs, send }));
  }

  oneWayMs(from: number, to: number): number {
    const { jitter } = this.#options;
    return (roundTripMs(from, to) / 2) * between(this.#prng, 1 - jitter, 1 + jitter);
  }

  /** Every site has its own phase. The ticks end with the run. */
  startTicks(endMs: number): void {
    const { tickMs } = this.#options;
    for (const site of this.sites) {
      const tick = () => {
        site.tick();
        if (this.#queue.nowMs < endMs) this.#queue.after(tickMs, tick);
      };
      this.#queue.after(between(this.#prng, 0, tickMs), tick);
    }
  }

  /** What is sent to a site at once travels together. */
  #send(from: number, messages: readonly Outgoing<M>[]): void {
    for (const to of new Set(messages.map((outgoing) => outgoing.to))) {
      const group = messages.filter((outgoing) => outgoing.to === to);
      const link = `${from}>${to}`;
      const { nowMs } = this.#queue;
      const arrivalMs = Math.max(this.#lastMs.get(link) ?? 0, nowMs + this.oneWayMs(from, to));
      this.#lastMs.set(link, arrivalMs);
      this.#queue.after(arrivalMs - nowMs, () => {
        for (const { message } of group) this.sites[to]?.receive(from, message);
      });
    }
  }
}

/** In the end all replicas must have executed the same: otherwise no figure is worth anything. */
function assertEqualTables(programs: readonly { readonly table: Table }[]): void {
  const [first, ...others] = programs.map(({ table }) => contents(table));
  assert(
    others.every((other) => other === first),
    'the tables of all replicas are equal in the end',
  );
}

function contents({ rows }: Table): string {
  const sorted = [...rows].sort(([a], [b]) => (a < b ? -1 : 1));
  return sorted.map(([key, { version, value }]) => `${key}=${version}:${Buffer.from(value)}`).join('\n');
}
