/** The present generation of request ids as bytes (message StoredGeneration), R7.12. */
import { checkCount, malformed, messageCodec } from '../wire/index.ts';

interface StoredGeneration {
  readonly generation: number;
}

const generationType = messageCodec<StoredGeneration>('StoredGeneration');

export function encodeGeneration(generation: number): Buffer {
  return generationType.encode({ generation });
}

/** @throws KvError invalidArgument */
export function decodeGeneration(bytes: Uint8Array): number {
  const generation = checkCount(generationType.decode(bytes).generation, 'the generation');
  if (generation === 0) throw malformed('the generation is 0');
  return generation;
}
