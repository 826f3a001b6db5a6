/** How the operations of each kind are read from their bytes. */
import { type KindName, type KvOperation, OPERATIONS } from '../../kv/index.ts';
import { DecodedAdvance } from './advance.ts';
import { type BodyTags, type OperationParts, TAGS } from './fields.ts';
import { DecodedMultiGet } from './multi-get.ts';

/** What touches one key is read where it lies, by its fields; everything else by what it is made into. */
type Reading =
  | { readonly fields: BodyTags; readonly make: null }
  | { readonly fields: null; readonly make: (parts: OperationParts) => KvOperation };

/** How an operation of one kind is read. */
export type Body = Reading & {
  readonly kind: KindName;
  /** Whether it writes what it touches. */
  readonly writes: boolean;
};

/** By kind: the field of the operation that it is in, and how it is read. */
const READERS: { readonly [Name in KindName]: Reading & { readonly tag: number } } = {
  put: { tag: TAGS.put, fields: TAGS.ofPut, make: null },
  get: { tag: TAGS.get, fields: TAGS.ofGet, make: null },
  delete: { tag: TAGS.delete, fields: TAGS.ofDelete, make: null },
  multiGet: { tag: TAGS.multiGet, fields: null, make: (parts) => new DecodedMultiGet(parts) },
  advance: { tag: TAGS.advance, fields: null, make: (parts) => new DecodedAdvance(parts) },
};

/** The same by tag; undefined for a field of no known kind. */
export const BODIES: readonly (Body | undefined)[] = byTag();

function byTag(): (Body | undefined)[] {
  const kinds = Object.keys(READERS) as KindName[];
  const bodies: (Body | undefined)[] = Array.from({
    length: 1 + Math.max(...kinds.map((kind) => READERS[kind].tag)),
  });
  for (const kind of kinds) {
    const { tag, ...reading } = READERS[kind];
    bodies[tag] = { kind, writes: OPERATIONS[kind].role !== 'read', ...reading };
  }
  return bodies;
}
