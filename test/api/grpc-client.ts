/** A plain gRPC client of one replica, as promises: what any foreign client would use. */
import {
  type CallOptions,
  Client,
  credentials,
  Metadata,
  type MethodDefinition,
  type ServiceError,
} from '@grpc/grpc-js';
import { adminService, kvService, RPC_LIMITS } from '../../src/wire/index.ts';

/** What a failed call rejects with, the trailing metadata in plain sight. */
export interface CallFailure {
  readonly status: number;
  readonly details: string;
  readonly code: unknown;
  readonly outcome: unknown;
}

export class GrpcClient {
  readonly #client: Client;

  constructor(address: string) {
    this.#client = new Client(address, credentials.createInsecure(), {
      'grpc.max_receive_message_length': RPC_LIMITS.messageBytes,
    });
  }

  readonly put = this.#method(kvService.Put);
  readonly get = this.#method(kvService.Get);
  readonly multiGet = this.#method(kvService.MultiGet);
  readonly delete = this.#method(kvService.Delete);
  readonly status = this.#method(adminService.Status);

  /** Calls a method of any service. Without options the deadline is far away. */
  call<Request, Response>(
    method: MethodDefinition<Request, Response>,
    request: Request,
    options: CallOptions & { readonly signal?: AbortSignal } = {},
  ): Promise<Response> {
    const { signal, ...callOptions } = { deadline: Date.now() + 30_000, ...options };
    return new Promise((resolve, reject) => {
      const call = this.#client.makeUnaryRequest(
        method.path,
        method.requestSerialize,
        method.responseDeserialize,
        request,
        new Metadata(),
        callOptions,
        (error, response) => {
          if (error !== null) reject(failure(error));
          else resolve(response as Response);
        },
      );
      signal?.addEventListener('abort', () => call.cancel());
    });
  }

  close(): void {
    this.#client.close();
  }

  #method<Request, Response>(method: MethodDefinition<Request, Response>) {
    return (request: Request, options?: CallOptions & { readonly signal?: AbortSignal }): Promise<Response> =>
      this.call(method, request, options);
  }
}

function failure({ code, details, metadata }: ServiceError): CallFailure {
  return {
    status: code,
    details,
    code: metadata.get('epaxos-code')[0],
    outcome: metadata.get('epaxos-outcome')[0],
  };
}
