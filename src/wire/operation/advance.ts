/** An operation that ends a generation, read from its bytes (R7.12). */
import { type Access, EVERYTHING } from '../../epaxos/index.ts';
import type { AdvanceOperation, RequestId } from '../../kv/index.ts';
import { WireReader } from '../protobuf.ts';
import { refuse } from './operation-checks.ts';
import { TAGS } from './operation-encoder.ts';

const ACCESSES: readonly Access[] = [{ key: EVERYTHING, writes: true }];

export class DecodedAdvance implements AdvanceOperation {
  readonly kind = 'advance';
  readonly request: RequestId;
  readonly key = '';
  readonly generation: number;
  readonly bytes: Buffer;
  readonly size: number;

  /**
   * @param parts.bytes the whole operation
   * @param parts.body of the advance inside it
   * @throws KvError invalidArgument unless it names a generation
   */
  constructor(parts: { readonly request: RequestId; readonly bytes: Buffer; readonly body: Buffer }) {
    const { request, bytes, body } = parts;
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
