/** Puts every service that a replica offers on its gRPC server: KV, Admin, health checking, reflection. */
import type { handleUnaryCall, Server, UntypedServiceImplementation } from '@grpc/grpc-js';
import { loadSync } from '@grpc/proto-loader';
import { ReflectionService } from '@grpc/reflection';
import { HealthImplementation, protoPath as healthSchema } from 'grpc-health-check';
import {
  adminService,
  kvService,
  packageDefinition,
  toServiceError,
  UnreadableRequest,
} from '../wire/index.ts';
import { type AdminServiceOptions, createAdminHandlers } from './admin/admin-service.ts';
import type { KvServiceOptions } from './gate.ts';
import { createKvHandlers } from './native/kv-service.ts';
import { PipelineService } from './native/pipeline-service.ts';

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
}

export function addServices(server: Server, options: KvServiceOptions & AdminServiceOptions): Services {
  const pipeline = new PipelineService(options);
  // The handlers are checked against the services' types; grpc-js itself takes any.
  const { Pipeline, ...single } = createKvHandlers(options, pipeline);
  server.addService(kvService, { ...readable(single), Pipeline } as UntypedServiceImplementation);
  server.addService(adminService, readable({ ...createAdminHandlers(options) }));
  new ReflectionService({ ...packageDefinition, ...loadSync(healthSchema) }).addToServer(server);
  const health = new HealthImplementation({
    [HEALTH_SERVICES.server]: 'NOT_SERVING',
    [HEALTH_SERVICES.kv]: 'NOT_SERVING',
  });
  health.addToServer(server);
  return {
    setHealth: (service, serving) =>
      health.setStatus(HEALTH_SERVICES[service], serving ? 'SERVING' : 'NOT_SERVING'),
    endStreams: () => pipeline.endAll(),
  };
}

/** The same methods; a request that cannot be read does not come to them, and is the caller's fault. */
function readable(
  handlers: Readonly<Record<string, (call: never, callback: never) => void>>,
): UntypedServiceImplementation {
  const guarded = Object.entries(handlers).map(([name, handler]) => {
    const handle = handler as handleUnaryCall<unknown, unknown>;
    const method: typeof handle = (call, callback) => {
      if (call.request instanceof UnreadableRequest) callback(toServiceError(call.request.error));
      else handle(call, callback);
    };
    return [name, method] as const;
  });
  return Object.fromEntries(guarded);
}
