/**
 * The gRPC services of epaxos.v1, as definitions that a server and a client can be made of.
 */
import type { MethodDefinition } from '@grpc/grpc-js';
import { loadSync } from '@grpc/proto-loader';
import { KvError } from '../errors.ts';
import { assert } from '../util/assert.ts';
import type {
  DeleteRequest,
  DeleteResponse,
  GetRequest,
  GetResponse,
  MultiGetRequest,
  MultiGetResponse,
  PutRequest,
  PutResponse,
  StatusRequest,
  StatusResponse,
} from './client/kv-messages.ts';
import { REPLICA_STREAMS, type ReplicaStream, SNAPSHOT_CALL } from './peer/routes.ts';
import { PROTO_DIRECTORY } from './schema.ts';

/** The loaded schema: services and messages by full name. For gRPC reflection. */
export const packageDefinition = loadSync(
  ['epaxos/v1/kv.proto', 'epaxos/v1/admin.proto', 'epaxos/v1/replica.proto'],
  { includeDirs: [PROTO_DIRECTORY], longs: Number, keepCase: false, defaults: true, oneofs: true },
);

/** The methods of a service, by the name they have in the schema. */
type Service<Types extends Record<string, readonly [request: unknown, response: unknown]>> = {
  readonly [Method in keyof Types]: MethodDefinition<Types[Method][0], Types[Method][1]>;
};

export type KvService = Service<{
  Put: readonly [PutRequest, PutResponse];
  Get: readonly [GetRequest, GetResponse];
  MultiGet: readonly [MultiGetRequest, MultiGetResponse];
  Delete: readonly [DeleteRequest, DeleteResponse];
  /** Encoded frames; see pipeline-codec.ts. */
  Pipeline: readonly [Buffer, Buffer];
}>;

export type AdminService = Service<{
  Status: readonly [StatusRequest, StatusResponse];
}>;

/**
 * The peers' service takes and gives frames as bytes, encoded and decoded by the replica codec: the
 * loader's own object conversion would cost four times the decoding, a message for several peers is
 * encoded once, and a malformed frame is ours to refuse instead of the end of its stream.
 */
export type ReplicaService = Readonly<
  Record<ReplicaStream | typeof SNAPSHOT_CALL, MethodDefinition<Buffer, Buffer>>
>;

/** Takes and gives bytes. */
const FRAMES = {
  requestSerialize: asBytes,
  requestDeserialize: asBytes,
  responseSerialize: asBytes,
  responseDeserialize: asBytes,
};

const KV_CALLS = ['Put', 'Get', 'MultiGet', 'Delete', 'Pipeline'];

/** Stands for a request that could not be read: gRPC would take it for an internal error of the server. */
export class UnreadableRequest {
  readonly error: KvError;

  constructor(error: KvError) {
    this.error = error;
  }
}

/** The clients' service, epaxos.v1.KV. The requests and responses of its stream are encoded frames. */
export const kvService = withCodecs(withUnreadable(loadedService('epaxos.v1.KV', KV_CALLS)), {
  Pipeline: FRAMES,
}) as unknown as KvService;

/** The operators' service, epaxos.v1.Admin. */
export const adminService = withUnreadable(
  loadedService('epaxos.v1.Admin', ['Status']),
) as unknown as AdminService;

const REPLICA_CALLS = [...REPLICA_STREAMS, SNAPSHOT_CALL];

/** The peers' service, epaxos.v1.Replica; its requests and responses are encoded frames. */
export const replicaService = withCodecs(
  loadedService('epaxos.v1.Replica', REPLICA_CALLS),
  Object.fromEntries(REPLICA_CALLS.map((name) => [name, FRAMES])),
) as unknown as ReplicaService;

type Methods = Record<string, MethodDefinition<never, never>>;

/** The same service, which hands a request that cannot be read to its method as an {@link UnreadableRequest}. */
function withUnreadable(service: Methods): Methods {
  return Object.fromEntries(
    Object.entries(service).map(([name, method]) => {
      const requestDeserialize = (bytes: Buffer) => {
        try {
          return method.requestDeserialize(bytes);
        } catch (error) {
          const reason = error instanceof Error ? error.message : String(error);
          return new UnreadableRequest(
            new KvError('invalidArgument', `the request cannot be read: ${reason}`, {
              outcome: 'notApplied',
              cause: error,
            }),
          );
        }
      };
      return [name, { ...method, requestDeserialize } as unknown as Methods[string]];
    }),
  );
}

/** The same service, its methods with these conversions instead of the loader's. */
function withCodecs(service: Methods, codecs: Readonly<Record<string, object>>): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(service).map(([name, method]) => [name, { ...method, ...codecs[name] }]),
  );
}

function asBytes(frame: Buffer): Buffer {
  return frame;
}

/** A service from the schema, which must have exactly these methods. */
function loadedService(name: string, methods: readonly string[]): Methods {
  const service = packageDefinition[name];
  assert(service !== undefined && !('format' in service), `the schema defines the service ${name}`);
  assert(
    Object.keys(service).sort().join() === [...methods].sort().join(),
    `the schema's service ${name} has the methods ${methods.join(', ')}`,
  );
  return service as unknown as Methods;
}
