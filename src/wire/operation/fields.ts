/** The fields of an operation (message Operation of proto/epaxos/v1/instance.proto). */
import type { RequestId } from '../../kv/index.ts';
import { bytesTag, integerTag } from '../protobuf.ts';

/** The tags of the fields of what touches one key, which differ; null for a field that it does not have. */
export interface BodyTags {
  readonly value: number | null;
  readonly returnPrevious: number | null;
  readonly unrecorded: number | null;
}

/** The tags of the fields, by message. */
export const TAGS = {
  request: bytesTag(1),
  put: bytesTag(2),
  get: bytesTag(3),
  delete: bytesTag(4),
  multiGet: bytesTag(5),
  advance: bytesTag(6),
  requestId: { client: bytesTag(1), sequence: integerTag(2), generation: integerTag(3) },
  /** Of a multi-get, each of its keys. */
  key: bytesTag(1),
  ofPut: { value: bytesTag(2), returnPrevious: integerTag(3), unrecorded: integerTag(4) },
  ofGet: { value: null, returnPrevious: null, unrecorded: null },
  ofDelete: { value: null, returnPrevious: integerTag(2), unrecorded: integerTag(3) },
  ofAdvance: { generation: integerTag(1) },
} as const;

/** What was found in the bytes of an operation that has a reader of its own. */
export interface OperationParts {
  readonly request: RequestId;
  /** The whole operation. */
  readonly bytes: Buffer;
  /** Of its kind, inside it. */
  readonly body: Buffer;
}
