/**
 * How a replica comes to the snapshot of a peer that has forgotten what it needs: what the server's fetcher does, in
 * virtual time. Chunk by chunk, beside the turns; what has arrived is on disk, so that neither a lost chunk nor a
 * restart begins from the beginning. Putting it in place is for the loop.
 */
import type { ReplicaId } from '../../src/epaxos/index.ts';
import { assert } from '../../src/util/assert.ts';
import type { Machine, Process } from './process.ts';
import type { SnapshotChunk } from './snapshot.ts';

/** A source that gave nothing so often is left for another one. */
const ATTEMPTS = 3;

export class SnapshotCopy {
  readonly #machine: Machine;
  readonly #process: Process;
  #state: 'idle' | 'fetching' | 'complete' = 'idle';
  /** Attempts since the last one that brought something. */
  #failures = 0;
  #notBeforeMs = 0;
  /** Names the request whose answer counts. */
  #token = 0;

  constructor(machine: Machine, process: Process) {
    this.#machine = machine;
    this.#process = process;
  }

  /** True from when a complete snapshot is staged until {@link finished}. */
  get isComplete(): boolean {
    return this.#state === 'complete';
  }

  /** The core needs a snapshot, and this peer can give one. */
  wanted(named: ReplicaId): void {
    const { world, disk } = this.#machine;
    if (this.#state !== 'idle' || world.queue.nowMs < this.#notBeforeMs) return;
    const { staged } = disk;
    this.#state = 'fetching';
    if (staged?.complete) this.#completed();
    else this.#ask(staged !== null && this.#failures < ATTEMPTS ? staged.source : named);
  }

  /** What was staged has been put in place, or did not fit. */
  finished(result: { readonly installed: boolean }): void {
    assert(this.#state === 'complete', 'a complete snapshot is put in place');
    this.#state = 'idle';
    if (result.installed) this.#failures = 0;
    else this.#backOff();
  }

  /** Asks for the next chunk; the request, the answer, or the time to wait for it may be lost. */
  #ask(source: ReplicaId): void {
    const { id, world, disk } = this.#machine;
    const { staged } = disk;
    const isResumed = staged?.source === source;
    const request = isResumed ? { id: staged.id, after: staged.entries.length } : { id: null, after: 0 };
    this.#token += 1;
    const token = this.#token;
    const isAwaited = () => token === this.#token;
    const answer = (chunk: SnapshotChunk) =>
      world.network.carry(source, id, () =>
        this.#machine.later(this.#process, 0, () => {
          if (isAwaited()) this.#arrived(chunk);
        }),
      );
    world.network.carry(id, source, () => world.serveSnapshot(source, { peer: id, request, answer }));
    this.#machine.later(this.#process, world.options.snapshots.timeoutMs, () => {
      if (!isAwaited()) return;
      this.#token += 1;
      this.#state = 'idle';
      this.#backOff();
    });
  }

  #arrived(chunk: SnapshotChunk): void {
    const { world, disk, id } = this.#machine;
    this.#token += 1;
    world.trace.note(world.queue.nowMs, id, 'gets a chunk', chunk.id, chunk.after, chunk.entries.length);
    this.#machine.afterDisk(this.#process, world.options.disk.writeMs, () => {
      disk.stage(chunk);
      this.#failures = 0;
      if (chunk.done) this.#completed();
      else this.#ask(chunk.source);
    });
  }

  #completed(): void {
    this.#state = 'complete';
    this.#process.wake();
  }

  #backOff(): void {
    const { world } = this.#machine;
    this.#notBeforeMs =
      world.queue.nowMs + world.options.snapshots.backoffMs * 2 ** Math.min(this.#failures, 4);
    this.#failures += 1;
  }
}
