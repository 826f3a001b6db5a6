/** One replica's loop on what its store holds: what a server runs, and the simulator too. */
import { Replica, type ReplicaOptions } from '../epaxos/index.ts';
import { Sessions } from '../kv/index.ts';
import { Node } from './node.ts';
import type { Core, NodeOptions, Restored } from './node-options.ts';
import { DEFAULT_SNAPSHOT_LIMITS, type SnapshotLimits, SnapshotServer } from './snapshot-server.ts';

/** What a store held, just read back, with a core on it. */
export interface RestoredReplica {
  readonly core: Replica;
  readonly sessions: Sessions;
}

export interface OpenNodeOptions {
  /** The loop's, without what is made here from the store. */
  readonly loop: Omit<NodeOptions, 'core' | 'sessions' | 'restore' | 'serveSnapshot'>;
  /** The core's patience and limits, where they differ from the defaults. */
  readonly replica: Pick<ReplicaOptions, 'timing' | 'limits' | 'thrifty'>;
  readonly snapshots: Partial<SnapshotLimits>;
  /** Random delays and the numbers of reads come from what it gives: another one for every replica and core. */
  readonly drawSeed: () => number;
  /** Is told of every core that begins, and may put something around it. */
  readonly watch?: (restored: RestoredReplica) => Core;
  /** Gives up reading the store back here; what is read later, for a snapshot, it does not concern. */
  readonly signal?: AbortSignal;
}

/** Not started yet. */
export interface OpenedNode {
  readonly node: Node;
  /** To be closed when the loop and the transport have stopped. */
  readonly snapshots: SnapshotServer;
}

/**
 * Reads the store back and makes the loop that goes on from there.
 * @throws KvError storageFailure if anything stored cannot be read back; the signal's reason
 */
export async function openNode(options: OpenNodeOptions): Promise<OpenedNode> {
  const { storage, clock, logger } = options.loop;
  const snapshots = new SnapshotServer({
    storage,
    clock,
    limits: { ...DEFAULT_SNAPSHOT_LIMITS, ...options.snapshots },
    logger,
  });
  const node = new Node({
    ...options.loop,
    ...(await restore(options, options.signal)),
    restore: () => restore(options),
    serveSnapshot: (peer, request) => snapshots.serve(peer, request),
  });
  return { node, snapshots };
}

/** Reads back what the store holds. @param signal gives it up */
async function restore(
  { loop, replica, drawSeed, watch }: OpenNodeOptions,
  signal?: AbortSignal,
): Promise<Restored> {
  const { id, replicas, tickMs, storage, logger } = loop;
  const records = await collect(storage.records(), signal);
  const sessions = new Sessions(await collect(storage.answerPages(), signal), storage.generation());
  const core = new Replica({ ...replica, id, replicas, tickMs, seed: drawSeed() });
  core.restore({ records, pruned: storage.pruned(), reserved: storage.reserved() });
  const { generation, size } = sessions;
  logger.info({ instances: records.length, generation, answers: size }, 'store read');
  return { core: watch === undefined ? core : watch({ core, sessions }), sessions };
}

async function collect<T>(source: AsyncIterable<T>, signal: AbortSignal | undefined): Promise<T[]> {
  const all: T[] = [];
  for await (const one of source) {
    signal?.throwIfAborted();
    all.push(one);
  }
  signal?.throwIfAborted();
  return all;
}
