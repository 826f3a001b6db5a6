/**
 * The plainest client that a Node program can have of either store: one gRPC call a request, the request's bytes
 * put together by hand and the answer's bytes left as they are. Key and value have the same field numbers in both
 * schemas, so that even the bytes are the same.
 */

import type { Target } from '../src/load/index.ts';
import { fromServiceError, openChannel } from '../src/wire/index.ts';

/** The methods of a store. */
export interface UnaryPaths {
  readonly put: string;
  readonly get: string;
}

export const EPAXOS_PATHS: UnaryPaths = { put: '/epaxos.v1.KV/Put', get: '/epaxos.v1.KV/Get' };
export const ETCD_PATHS: UnaryPaths = { put: '/etcdserverpb.KV/Put', get: '/etcdserverpb.KV/Range' };

const KEY_FIELD = (1 << 3) | 2;
const VALUE_FIELD = (2 << 3) | 2;

export class UnaryTarget implements Target {
  readonly #channel;
  readonly #paths: UnaryPaths;

  /** @param options `address`: `host:port` of one replica or member, the only one it talks to */
  constructor(options: { readonly address: string; readonly paths: UnaryPaths }) {
    this.#channel = openChannel(options.address);
    this.#paths = options.paths;
  }

  put(key: Uint8Array, value: Uint8Array): Promise<Buffer> {
    const request = Buffer.allocUnsafe(2 * 5 + 2 + key.length + value.length);
    const end = writeBytes(request, {
      at: writeBytes(request, { at: 0, field: KEY_FIELD, bytes: key }),
      field: VALUE_FIELD,
      bytes: value,
    });
    return this.#call(this.#paths.put, request.subarray(0, end));
  }

  get(key: Uint8Array): Promise<Buffer> {
    const request = Buffer.allocUnsafe(5 + 1 + key.length);
    const end = writeBytes(request, { at: 0, field: KEY_FIELD, bytes: key });
    return this.#call(this.#paths.get, request.subarray(0, end));
  }

  close(): void {
    this.#channel.close();
  }

  #call(path: string, request: Buffer): Promise<Buffer> {
    return new Promise((resolve, reject) => {
      this.#channel.client.makeUnaryRequest(path, asIs, asIs, request, (error, response) => {
        if (error === null) resolve(response as Buffer);
        else reject(fromServiceError(error));
      });
    });
  }
}

function asIs(bytes: Buffer): Buffer {
  return bytes;
}

/** Writes a field of bytes, and returns where it ends. */
function writeBytes(
  buffer: Buffer,
  { at, field, bytes }: { readonly at: number; readonly field: number; readonly bytes: Uint8Array },
): number {
  let position = buffer.writeUInt8(field, at);
  let rest = bytes.length;
  for (; rest > 0x7f; rest >>>= 7) position = buffer.writeUInt8((rest & 0x7f) | 0x80, position);
  position = buffer.writeUInt8(rest, position);
  buffer.set(bytes, position);
  return position + bytes.length;
}
