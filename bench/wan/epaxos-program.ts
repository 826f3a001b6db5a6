/** The production core as a program of the simulated world, driven as the server's loop drives it. */
import {
  type Envelope,
  type InstanceRecord,
  type Message,
  Proposal,
  type Ready,
  Replica,
} from '../../src/epaxos/index.ts';
import { asKvOperation, type KvOperation } from '../../src/kv/index.ts';
import { assert } from '../../src/util/assert.ts';
import { roundTripMs, type SiteCount } from './regions.ts';
import type { Program, Request, Turn } from './site.ts';
import { Table } from './table.ts';

/** How the instances of one replica were committed, and what it sent. */
export interface EpaxosCounts {
  readonly paths: Record<'fast' | 'slow' | 'recovery', number>;
  readonly messages: Map<Message['type'], number>;
  recoveries: number;
}

export class EpaxosProgram implements Program<Message> {
  readonly core: Replica;
  readonly table = new Table();
  readonly counts: EpaxosCounts = {
    paths: { fast: 0, slow: 0, recovery: 0 },
    messages: new Map(),
    recoveries: 0,
  };
  readonly #requests = new Map<KvOperation, Request>();

  /** @param options.at index of the region; the replica's id is one more */
  constructor(options: { readonly sites: SiteCount; readonly at: number; readonly seed: number }) {
    const { sites, at, seed } = options;
    this.core = new Replica({ id: at + 1, replicas: sites, seed });
    this.core.restore({ records: [], pruned: null, reserved: 0 });
    for (let peer = 0; peer < sites; peer += 1) {
      if (peer === at) continue;
      this.core.setRoundTrip(peer + 1, roundTripMs(at, peer));
      this.core.setReachable(peer + 1, true);
    }
  }

  receive(from: number, message: Message): void {
    this.core.step(from + 1, message);
  }

  submit(request: Request): void {
    const { operation } = request;
    const isTaken =
      operation.kind === 'get' ? this.core.read(operation) : this.core.propose(new Proposal(operation));
    assert(isTaken, 'the clients of this world never fill a queue');
    this.#requests.set(operation, request);
  }

  tick(): void {
    this.core.tick();
  }

  takeTurn(): Turn<Message> | null {
    if (!this.core.hasReady()) return null;
    const ready = this.core.takeReady();
    for (const { message } of [...ready.early, ...ready.messages]) {
      this.counts.messages.set(message.type, (this.counts.messages.get(message.type) ?? 0) + 1);
    }
    const outgoing = ({ to, message }: Envelope) => ({ to: to - 1, message });
    return {
      early: ready.early.map(outgoing),
      sync: ready.sync,
      messages: ready.messages.map(outgoing),
      finish: () => this.#finish(ready),
    };
  }

  #finish(ready: Ready): void {
    this.#noteCommits(ready);
    const operations = ready.executions.flatMap(
      ({ command }) => command?.operations.map(asKvOperation) ?? [],
    );
    this.#execute(operations);
    this.#execute(ready.reads.map(asKvOperation));
  }

  /** The commits that this replica made as coordinator; their records are in the same batch. */
  #noteCommits({ events, records }: Ready): void {
    for (const event of events) {
      if (event.type === 'recoveryStarted') this.counts.recoveries += 1;
      if (event.type !== 'committed' || event.path === 'learned') continue;
      this.counts.paths[event.path] += 1;
      const record = records.find(({ id }) => id.replica === event.id.replica && id.slot === event.id.slot);
      for (const operation of commandOf(record)) this.#requests.get(operation)?.onCommitted();
    }
  }

  /** A replica executes everybody's operations and answers its own clients. */
  #execute(operations: readonly KvOperation[]): void {
    const results = this.table.apply(operations);
    for (const [index, operation] of operations.entries()) {
      const request = this.#requests.get(operation);
      const result = results[index];
      if (request === undefined || result === undefined) continue;
      this.#requests.delete(operation);
      request.onAnswered(result);
    }
  }
}

function commandOf(record: InstanceRecord | undefined): readonly KvOperation[] {
  return record?.noOp === false ? (record.command?.operations.map(asKvOperation) ?? []) : [];
}
