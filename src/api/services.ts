/** Puts every service that a replica offers on its gRPC server: KV, Admin, health checking, reflection. */
import type { handleUnaryCall, Server, UntypedServiceImplementation } from '@grpc/grpc-js';
import { loadSync } from '@grpc/proto-loader';
import { ReflectionService } from '@grpc/reflection';
import { HealthImplementation, protoPath as healthSchema } from 'grpc-health-check';
import { KvError } from '../errors.ts';
import {
  adminService,
  kvService,
  packageDefinition,
  toServiceError,
  UnreadableRequest,
} from '../wire/index.ts';
import { type AdminServiceOptions, createAdminHandlers } from './admin/admin-service.ts';
import { createKvHandlers } from './native/kv-service.ts';
import { PipelineService, type PipelineServiceOptions } from './native/pipeline-service.ts';
import { UnaryCalls } from './native/unary-calls.ts';

/** The health service's names for what it tells about. */
export const HEALTH_SERVICES = {
  /** The server as a whole: it runs and takes requests. */
  server: '',
  /** Requests can also be answered: a majority of replicas is reachable. */
  kv: 'epaxos.v1.KV',
} as const;

export interface Services {
  /** Tells who asks or watches the health service whether a service is served. Neither is at the start. */
  setHealth(service: keyof typeof HEALTH_SERVICES, serving: boolean): void;
  /** Ends the clients' streams, which would never end by themselves. For when the loop has stopped. */
  endStreams(): void;
  /**
   * Ends all that clients wait for, and what they still ask, with a status: the connections are about to be closed.
   * @returns what lets clients in again
   */
  turnAway(error: KvError): () => void;
}

export type ServicesOptions = PipelineServiceOptions & AdminServiceOptions;

export function addServices(server: Server, options: ServicesOptions): Services {
  const pipeline = new PipelineService(options);
  const calls = new UnaryCalls(options);
  // The handlers are checked against the services' types; grpc-js itself takes any.
  const { Pipeline, ...single } = createKvHandlers(options, { pipeline, calls });
  const gate: Gate = { refusal: null };
  server.addService(kvService, {
    ...readable(single, gate),
    Pipeline: (call: Parameters<typeof Pipeline>[0]) =>
      gate.refusal === null ? Pipeline(call) : call.emit('error', toServiceError(gate.refusal)),
  } as UntypedServiceImplementation);
  server.addService(adminService, readable({ ...createAdminHandlers(options) }, gate));
  new ReflectionService({ ...packageDefinition, ...loadSync(healthSchema) }).addToServer(server);
  const health = new HealthImplementation({
    [HEALTH_SERVICES.server]: 'NOT_SERVING',
    [HEALTH_SERVICES.kv]: 'NOT_SERVING',
  });
  health.addToServer(server);
  return {
    setHealth: (service, serving) =>
      health.setStatus(HEALTH_SERVICES[service], serving ? 'SERVING' : 'NOT_SERVING'),
    endStreams: () =>
      pipeline.endAll(
        new KvError('shuttingDown', 'the replica is stopping; ask another one', { outcome: 'notApplied' }),
      ),
    turnAway(error) {
      gate.refusal = new KvError(error.code, error.message, { outcome: 'notApplied' });
      pipeline.endAll(error);
      calls.endAll(error);
      return () => {
        gate.refusal = null;
      };
    },
  };
}

/** What every call is refused with; null: none is. */
interface Gate {
  refusal: KvError | null;
}

/** The same methods; a request that cannot be read does not come to them, and is the caller's fault. */
function readable(
  handlers: Readonly<Record<string, (call: never, callback: never) => void>>,
  gate: Gate,
): UntypedServiceImplementation {
  const guarded = Object.entries(handlers).map(([name, handler]) => {
    const handle = handler as handleUnaryCall<unknown, unknown>;
    const method: typeof handle = (call, callback) => {
      if (gate.refusal !== null) callback(toServiceError(gate.refusal));
      else if (call.request instanceof UnreadableRequest) callback(toServiceError(call.request.error));
      else handle(call, callback);
    };
    return [name, method] as const;
  });
  return Object.fromEntries(guarded);
}
