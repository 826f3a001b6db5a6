/** An operation that ends a generation, read from its bytes (R7.12). */
import { type Access, EVERYTHING } from '../../epaxos/index.ts';
import type { AdvanceOperation, RequestId } from '../../kv/index.ts';
import { WireReader } from '../protobuf.ts';
import { type OperationParts, TAGS } from './fields.ts';
import { refuse } from './operation-checks.ts';

const ACCESSES: readonly Access[] = [{ key: EVERYTHING, writes: true }];

export class DecodedAdvance implements AdvanceOperation {
  readonly kind = 'advance';
  readonly request: RequestId;
  readonly key = '';
  readonly generation: number;
  readonly bytes: Buffer;
  readonly size: number;

  /**
   * @throws KvError invalidArgument unless it names a generation
   */
  constructor({ request, bytes, body }: OperationParts) {
    this.request = request;
    this.bytes = bytes;
    this.size = bytes.length;
    this.generation = readGeneration(body);
    if (!Number.isSafeInteger(this.generation) || this.generation < 1) {
      throw refuse('invalidArgument', `generation ${this.generation} cannot end`);
    }
  }

  get accesses(): readonly Access[] {
    return ACCESSES;
  }
}

function readGeneration(body: Buffer): number {
  const reader = new WireReader(body, 'Advance');
  let generation = 0;
  while (!reader.isDone) {
    const tag = reader.varint();
    if (tag === TAGS.ofAdvance.generation) generation = reader.varint();
    else reader.skip(tag);
  }
  return generation;
}
