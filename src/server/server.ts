/** The composition root: one replica with its store, its gRPC server, its transport and its loop. */
import { randomInt } from 'node:crypto';
import { promisify } from 'node:util';
import { Server, ServerCredentials, type UntypedServiceImplementation } from '@grpc/grpc-js';
import { addServices, WaitingBytes } from '../api/index.ts';
import type { ReplicaOptions } from '../epaxos/index.ts';
import { KvError } from '../errors.ts';
import {
  type AdvanceLimits,
  type Clock,
  createPeerStores,
  openNode,
  type SnapshotLimits,
  systemClock,
} from '../node/index.ts';
import { openLevelStorage, type Storage } from '../storage/index.ts';
import { GrpcTransport } from '../transport/index.ts';
import { PROGRAM_VERSION } from '../util/program-version.ts';
import { SERVER_OPTIONS, WAITING_LIMITS, type WaitingLimits } from '../wire/index.ts';
import type { ServerConfig } from './config.ts';
import { Connections } from './connections.ts';
import { requireHeap } from './heap.ts';
import { createLogger, type Logger } from './logger.ts';
import { requireOpenFiles } from './open-files.ts';
import { RepeatedLines } from './repeated-lines.ts';
import { SCRUB_LIMITS, Scrubber, type ScrubLimits } from './scrubber.ts';
import { observeRefusals, observeTransport, observeWaiting } from './transport-log.ts';
import { countUnfinished } from './unfinished-messages.ts';

/** How long things may take when a server stops, in milliseconds. */
export const STOP_LIMITS = {
  /** For the requests that wait to be answered. */
  drainMs: 5_000,
  /** For the calls that are left to end, and the last answers to leave. */
  closeMs: 1_000,
} as const;

/** After a standstill, for clients to be told that their connections are closed, in milliseconds. */
const STANDSTILL_CLOSE_MS = 100;

/** Messages of peers that may wait for a turn of the loop; the transport's own queues are bounded too. */
const INBOX_LIMITS = { messages: 65_536, messageBytes: 64 * 1024 * 1024 } as const;

/** What tests and embedders replace. */
export interface ServerParts {
  /** Instead of a store in `dataDir`; it is closed with the server. */
  readonly storage?: Storage;
  readonly logger?: Logger;
  /** The core's patience and limits, where they are to differ from the defaults. */
  readonly replica?: Pick<ReplicaOptions, 'timing' | 'limits'>;
  readonly snapshots?: Partial<SnapshotLimits>;
  /** How fast the store is looked through for damage, where that is to differ from {@link SCRUB_LIMITS}. */
  readonly scrub?: ScrubLimits;
  /** When generations end, where that is to differ from the default. */
  readonly advance?: AdvanceLimits;
  /** What may wait for clients, where that is to differ from {@link WAITING_LIMITS}. */
  readonly waiting?: Partial<WaitingLimits>;
  /** Instead of the machine's own. */
  readonly clock?: Clock;
}

export interface RunningServer {
  /** `host:port` where it listens; the port is the real one also where 0 was configured. */
  readonly address: string;
  /**
   * Resolves with the reason if the replica cannot go on (a broken disk, a bug): the process must end,
   * with an error. Never rejects, and stays open in a server that is well.
   */
  readonly failed: Promise<Error>;
  /** Takes no new requests, lets those that wait finish for a while, and closes everything. Idempotent. */
  stop(): Promise<void>;
}

/**
 * Starts a replica. It serves as soon as this resolves; it answers requests once a majority is reachable.
 * @param signal gives the start up between two of its steps
 * @throws KvError addressInUse or badConfiguration (listen, too few file descriptors or too small a heap), and what opening the store throws
 * (dataDirectoryLocked, dataDirectoryMismatch, storageFailure); the signal's reason; nothing is left open then
 */
export async function startServer(
  config: ServerConfig,
  parts: ServerParts = {},
  signal?: AbortSignal,
): Promise<RunningServer> {
  const { id, cluster, peers } = config;
  const logger = parts.logger ?? createLogger({ level: config.logLevel, cluster, replica: id });
  const clock = parts.clock ?? systemClock;
  requireOpenFiles();
  requireHeap();
  signal?.throwIfAborted();
  const storage = parts.storage ?? (await openStorage(config));
  const repeated = new RepeatedLines();
  const observer = observeWaiting(logger, repeated);
  const waiting = new WaitingBytes({
    clock,
    limits: { ...WAITING_LIMITS, ...parts.waiting },
    onCut(cut, peer, bytes) {
      connections.closePeer(peer);
      observer.onCut(cut, peer, bytes);
    },
  });
  const server = new Server({
    ...SERVER_OPTIONS,
    interceptors: [countUnfinished(waiting, observer.onUnfinished)],
  });
  const injector = server.createConnectionInjector(ServerCredentials.createInsecure());
  const connections = new Connections({ injector, onRefused: observeRefusals(logger, repeated) });
  try {
    signal?.throwIfAborted();
    const stores = createPeerStores(storage, (error) =>
      logger.error({ err: error }, 'cannot remember a peer'),
    );
    const transport = new GrpcTransport({
      cluster,
      stores,
      replicas: peers.size,
      self: id,
      peers: Array.from(peers, ([peer, address]) => ({ id: peer, address })).filter((peer) => peer.id !== id),
      observer: observeTransport(logger, repeated),
    });
    const { node, snapshots } = await openNode({
      loop: {
        id,
        replicas: peers.size,
        storage,
        transport,
        ...(parts.advance === undefined ? {} : { advance: parts.advance }),
        clock,
        tickMs: config.tickMs,
        limits: {
          requests: config.maxPendingRequests,
          requestBytes: config.maxPendingBytes,
          ...INBOX_LIMITS,
        },
        logger,
        onQuorum: (reachable) => services.setHealth('kv', reachable),
        onStoodStill: () => {
          const letIn = services.turnAway(stoodStill());
          setTimeout(() => {
            injector.drain(0);
            letIn();
          }, STANDSTILL_CLOSE_MS);
        },
      },
      replica: { ...parts.replica, thrifty: config.thrifty },
      snapshots: parts.snapshots ?? {},
      drawSeed: () => randomInt(2 ** 32),
      ...(signal === undefined ? {} : { signal }),
    });
    server.addService(
      transport.service.definition,
      transport.service.implementation as UntypedServiceImplementation,
    );
    const services = addServices(server, {
      node,
      logger,
      config,
      version: PROGRAM_VERSION,
      clock,
      waiting,
      onStalled: observer.onStalled,
    });
    const address = await listen(connections, config.listen);
    signal?.throwIfAborted();
    node.start();
    const scrubber = new Scrubber({
      storage,
      limits: parts.scrub ?? SCRUB_LIMITS,
      logger,
      onDamage: (error) => node.fail(error),
    });
    services.setHealth('server', true);
    logger.info({ address, version: PROGRAM_VERSION }, 'serving');
    if (config.thrifty) {
      logger.info('thrifty mode: fewer messages, and slower answers when a replica of the quorum fails');
    }
    void node.failed.then(() => {
      services.setHealth('server', false);
      services.setHealth('kv', false);
    });

    const stop = async () => {
      logger.info('stopping');
      services.setHealth('server', false);
      services.setHealth('kv', false);
      await node.stop(STOP_LIMITS.drainMs);
      services.endStreams();
      await transport.close();
      connections.stopListening();
      await closeServer(server);
      repeated.close();
      await snapshots.close();
      await scrubber.stop();
      await storage.close();
      logger.info('stopped');
    };
    let stopped: Promise<void> | undefined;
    return {
      address,
      failed: node.failed,
      stop() {
        stopped ??= stop();
        return stopped;
      },
    };
  } catch (error) {
    if (signal?.aborted) logger.info('told to stop while it was starting');
    connections.stopListening();
    server.forceShutdown();
    await storage.close();
    throw error;
  }
}

function stoodStill(): KvError {
  return new KvError('connectionLost', 'the replica stood still: the connections to it are closed', {
    outcome: 'unknown',
  });
}

function openStorage({ id, cluster, peers, dataDir }: ServerConfig): Promise<Storage> {
  return openLevelStorage({
    directory: dataDir,
    identity: { cluster, replica: id, replicas: peers.size },
  });
}

/** @returns the address with the real port */
async function listen(connections: Connections, address: string): Promise<string> {
  try {
    const port = await connections.listen(address);
    return address.replace(/\d+$/, String(port));
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    if (reason.includes('EADDRINUSE')) {
      throw new KvError(
        'addressInUse',
        `${address} is already in use; stop whatever listens there or choose another --listen`,
        { cause: error },
      );
    }
    throw new KvError('badConfiguration', `cannot listen at ${address}: ${reason}`, { cause: error });
  }
}

/** Lets calls end; after a while, ends them. (A client's health watch would never end by itself.) */
async function closeServer(server: Server): Promise<void> {
  const timer = setTimeout(() => server.forceShutdown(), STOP_LIMITS.closeMs);
  await promisify(server.tryShutdown.bind(server))();
  clearTimeout(timer);
}
