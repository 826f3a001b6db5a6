/** A multi-get that was read from its bytes. There are few of them, so it holds whatever it is asked for. */
import type { Access } from '../../epaxos/index.ts';
import type { MultiGetOperation, RequestId } from '../../kv/index.ts';
import { WireReader } from '../protobuf.ts';
import { type OperationParts, TAGS } from './fields.ts';
import { checkKeyBytes, checkKeyCount, checkOperationBytes } from './operation-checks.ts';

export class DecodedMultiGet implements MultiGetOperation {
  readonly kind = 'multiGet';
  readonly request: RequestId;
  readonly key: string;
  readonly keys: readonly string[];
  readonly accesses: readonly Access[];
  readonly bytes: Buffer;
  readonly size: number;

  /**
   * @throws KvError invalidArgument without keys, with an empty one, or if the body is malformed; limitExceeded over
   *   kv's LIMITS
   */
  constructor({ request, bytes, body }: OperationParts) {
    checkOperationBytes(bytes.length);
    const accesses = readAccesses(body);
    this.request = request;
    this.key = accesses[0]?.key ?? '';
    this.keys = accesses.map(({ key }) => key);
    this.accesses = accesses;
    this.bytes = bytes;
    this.size = bytes.length;
  }
}

/** One for each key, in their order. At least one. */
function readAccesses(body: Buffer): Access[] {
  const reader = new WireReader(body, 'MultiGet');
  const accesses: Access[] = [];
  while (!reader.isDone) {
    const tag = reader.varint();
    if (tag !== TAGS.key) {
      reader.skip(tag);
      continue;
    }
    const key = reader.text('latin1');
    checkKeyBytes(key.length);
    accesses.push({ key, writes: false });
    checkKeyCount(accesses.length);
  }
  checkKeyCount(accesses.length);
  return accesses;
}
