/** The snapshots that a process has open for peers: its state at the moment when the peer first asked, whatever happened since. */
import type { ReplicaId } from '../../src/epaxos/index.ts';
import type { Machine } from './process.ts';
import { spoiled } from './sabotage.ts';
import { chunkOf, type Snapshot, type SnapshotChunk, type SnapshotRequest } from './snapshot.ts';

/** A chunk of a snapshot that a peer asks for. */
export interface ServedSnapshot {
  readonly peer: ReplicaId;
  readonly request: SnapshotRequest;
  readonly answer: (chunk: SnapshotChunk) => void;
}

export class SnapshotSource {
  readonly #machine: Machine;
  /** By peer. */
  readonly #open = new Map<ReplicaId, Snapshot>();

  constructor(machine: Machine) {
    this.#machine = machine;
  }

  /** A peer asks for a chunk: of the snapshot that is open for it, or, if it means another, of a new one. */
  serve({ peer, request, answer }: ServedSnapshot): void {
    const { chunkEntries: count } = this.#machine.world.options.snapshots;
    const open = this.#open.get(peer);
    if (open?.id === request.id) answer(chunkOf(open, { after: request.after, count }));
    else answer(chunkOf(this.#openFor(peer), { after: 0, count }));
  }

  #openFor(peer: ReplicaId): Snapshot {
    const { world, disk, id } = this.#machine;
    this.#machine.snapshots += 1;
    const name = { id: `${id}.${this.#machine.snapshots}`, source: id };
    const snapshot = spoiled(world.options.sabotage, disk.snapshot(name));
    this.#open.set(peer, snapshot);
    world.observers.opened(id, snapshot);
    world.statistics.snapshotsOffered += 1;
    world.trace.note(world.queue.nowMs, id, 'opens snapshot', name.id, 'for', peer, snapshot.executions);
    return snapshot;
  }
}
