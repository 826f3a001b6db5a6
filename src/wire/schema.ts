/**
 * The protobuf schema, loaded once and synchronously, and the message types of it that are encoded and
 * decoded directly (records on disk, operations, the hot frames between peers). The conversions that
 * proto-loader puts around every message cost several times the decoding itself, so they are not used here.
 */
import { fileURLToPath } from 'node:url';
import protobuf from 'protobufjs';
import { KvError } from '../errors.ts';
import { asBuffer } from '../util/as-buffer.ts';
import { assert } from '../util/assert.ts';
import { VARINT_BYTES } from './protobuf.ts';

/** The directory of the schema. It lies beside src/ and beside dist/ alike, two levels above this file. */
export const PROTO_DIRECTORY = fileURLToPath(new URL('../../proto', import.meta.url));

/** Every file of the schema, relative to {@link PROTO_DIRECTORY}. */
export const PROTO_FILES = [
  'epaxos/v1/instance.proto',
  'epaxos/v1/replica.proto',
  'epaxos/v1/kv.proto',
  'epaxos/v1/admin.proto',
  'epaxos/v1/storage.proto',
] as const;

const PACKAGE = 'epaxos.v1';

/** A message type of the schema as a pair of functions over plain objects of shape `T`. */
export interface MessageCodec<T> {
  /** Fields that are null or undefined are left out. The result is fresh: nobody else holds it. */
  encode(value: T): Buffer;
  /**
   * Absent fields read as the defaults of proto3: 0, false, '', no bytes, no elements; null for an absent
   * message and an absent `optional` field. 64-bit integers are numbers, not checked: those of 2^53 and
   * more come out as some number that is not a safe integer. Fields of bytes are views of `bytes`, which
   * must therefore not be changed afterwards.
   * @throws KvError invalidArgument if the bytes are not such a message
   */
  decode(bytes: Uint8Array): T;
}

/** A field as a decoder's prototype holds its default. */
type Defaults = Record<string, unknown>;

/**
 * Numbers of fields, and lengths, that are read of one message, all within it together: far more than any message has that a
 * replica or a client sends. Without it one of 16 MiB could be made of millions of empty elements, each an object here.
 */
const MAX_FIELDS = 1_048_576;

const NO_BYTES: Uint8Array = Buffer.alloc(0);

// The library declares that 64-bit integers are read as Long objects; the subclass below reads numbers.
const BufferReader = protobuf.BufferReader as unknown as new (
  bytes: Buffer,
) => { readonly buf: Buffer; readonly len: number; pos: number; uint32(): number };

/**
 * Reads 64-bit integers as numbers. The library's own way to get numbers is a switch for the whole process
 * (util.Long), which would change under the feet of every other user of the library, and is slower.
 */
class NumberReader extends BufferReader {
  fields = 0;

  /** Every field begins with one. */
  override uint32(): number {
    this.fields += 1;
    if (this.fields > MAX_FIELDS) throw new RangeError(`more than ${MAX_FIELDS} fields`);
    return super.uint32();
  }

  uint64(): number {
    let value = 0;
    let factor = 1;
    for (let index = 0; index < VARINT_BYTES; index++) {
      const byte = this.pos < this.len ? this.buf[this.pos] : undefined;
      if (byte === undefined) throw new RangeError('an integer is cut off');
      this.pos += 1;
      value += (byte & 0x7f) * factor;
      if (byte < 0x80) return value;
      factor *= 0x80;
    }
    throw new RangeError('an integer is too long');
  }
}

/** The library's default for bytes is an array, and for 64-bit integers a Long; give them their proper types. */
function repairDefaults(type: protobuf.Type): void {
  const defaults = type.ctor.prototype as Defaults;
  for (const field of type.fieldsArray) {
    if (field.repeated || field.options?.proto3_optional === true) continue;
    if (field.type === 'bytes') defaults[field.name] = NO_BYTES;
    if (field.type === 'uint64') defaults[field.name] = 0;
  }
  const signed = type.fieldsArray.find((field) => /^(s?int64|s?fixed64)$/.test(field.type));
  assert(signed === undefined, `${signed?.fullName}: of the 64-bit integers only uint64 is read as a number`);
}

function loadSchema(): protobuf.Namespace {
  const root = new protobuf.Root();
  root.resolvePath = (_origin, target) => `${PROTO_DIRECTORY}/${target}`;
  root.loadSync([...PROTO_FILES]);
  root.resolveAll();
  const namespace = root.lookup(PACKAGE);
  assert(namespace instanceof protobuf.Namespace, `the schema has the package ${PACKAGE}`);
  for (const member of namespace.nestedArray) {
    if (member instanceof protobuf.Type) repairDefaults(member);
  }
  return namespace;
}

const schema = loadSchema();

/**
 * The message type of that name in package epaxos.v1, such as 'Operation'. `T` is the shape of its plain
 * objects, with field names in camel case; that it fits the schema is for the caller to see to.
 */
export function messageCodec<T extends object>(name: string): MessageCodec<T> {
  const type = schema.lookupType(name);
  return {
    encode: (value) => type.encode(value).finish() as Buffer,
    decode: (bytes) => {
      try {
        const reader = new NumberReader(asBuffer(bytes)) as unknown as protobuf.Reader;
        return type.decode(reader) as unknown as T;
      } catch (error) {
        const reason = error instanceof Error ? error.message : String(error);
        throw new KvError('invalidArgument', `malformed ${name}: ${reason}`, { cause: error });
      }
    },
  };
}
