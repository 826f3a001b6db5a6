/**
 * Commands as bytes: message Command. What was received, or encoded before, is not encoded again: these very bytes are
 * passed on and stored.
 */
import { Command, type Operation } from '../../epaxos/index.ts';
import { KvError } from '../../errors.ts';
import { asKvOperation, LIMITS } from '../../kv/index.ts';
import { asBuffer } from '../../util/as-buffer.ts';
import { malformed } from '../check.ts';
import { bytesTag, fieldLength, WireReader, writeBytes } from '../protobuf.ts';
import { decodeOperation } from './operation.ts';

/** Message Command, encoded. */
export type WireCommand = Uint8Array;

const OPERATIONS_TAG = bytesTag(1);

/** The bytes of a command; they are shared and must not be changed. */
export function commandToWire(command: Command): Buffer {
  return asBuffer(command.bytes(encodeOperations));
}

/**
 * The inverse of {@link commandToWire}. The command keeps `bytes`, which must not be changed afterwards.
 * @throws KvError invalidArgument if it holds no operation or a malformed one, limitExceeded if it is over
 *   {@link LIMITS}.commandBytes or one of its operations over the limits of keys and values
 */
export function commandFromWire(bytes: WireCommand): Command {
  return Command.of(bytes, decodeOperations);
}

function encodeOperations(operations: readonly Operation[]): Buffer {
  let length = 0;
  for (const { size } of operations) length += fieldLength(size);
  const encoded = Buffer.allocUnsafe(length);
  let position = 0;
  for (const operation of operations) {
    position = writeBytes(encoded, position, OPERATIONS_TAG, asKvOperation(operation).bytes);
  }
  return encoded;
}

function decodeOperations(bytes: WireCommand): readonly Operation[] {
  const encoded = asBuffer(bytes);
  const reader = new WireReader(encoded, 'Command');
  let size = 0;
  const operations: Operation[] = [];
  while (!reader.isDone) {
    const tag = reader.varint();
    if (tag !== OPERATIONS_TAG) {
      reader.skip(tag);
      continue;
    }
    const extent = reader.extent();
    size += extent.end - extent.start;
    if (size > LIMITS.commandBytes) {
      throw new KvError('limitExceeded', `a command has more than ${LIMITS.commandBytes} bytes`);
    }
    operations.push(decodeOperation(encoded, extent));
  }
  if (operations.length === 0) throw malformed('a command without operations');
  return operations;
}
