/**
 * Damage to encoded messages of the schema: every number at its limits and beyond, lists of another length, fields that are
 * missing, bytes in the place of messages, and bytes that are not what was sent.
 */
import { join } from 'node:path';
import protobuf from 'protobufjs';
import type { Prng } from '../../src/util/prng.ts';
import { PROTO_DIRECTORY, PROTO_FILES } from '../../src/wire/index.ts';

/** Of 32 bits and of 64, signed or not: where they end, and N, the limits of slots and of what is exact. */
const NUMBERS = [
  0,
  1,
  2,
  3,
  4,
  65_536,
  65_537,
  2 ** 31 - 1,
  2 ** 31,
  2 ** 32 - 1,
  2 ** 32,
  2 ** 40,
  2 ** 40 + 9,
  2 ** 50 - 1,
  2 ** 50,
  2 ** 52,
  2 ** 52 + 1,
  2 ** 53 - 1,
  2 ** 53,
  2 ** 63,
  2 ** 64 - 2 ** 11,
];

/** Fields of bytes that hold a message of the schema. */
const ENCODED: Readonly<Record<string, string>> = {
  command: 'Command',
  operations: 'Operation',
  operation: 'Operation',
};

const schema = load();

/** How a frame is damaged. */
export const DAMAGES = ['fields', 'flip', 'cut', 'insert', 'noise'] as const;
export type Damage = (typeof DAMAGES)[number];

/** Another encoding instead of this one, of a message of that name. */
export function damaged(
  bytes: Uint8Array,
  { name, damage, random }: { readonly name: string; readonly damage: Damage; readonly random: Prng },
): Buffer {
  const copy = Buffer.from(bytes);
  switch (damage) {
    case 'fields':
      return withOtherFields(name, copy, random);
    case 'flip': {
      if (copy.length === 0) return Buffer.from([random.integer(0, 255)]);
      for (let count = random.integer(1, 3); count > 0; count -= 1) {
        const at = random.integer(0, copy.length - 1);
        copy.writeUInt8(copy.readUInt8(at) ^ (1 << random.integer(0, 7)), at);
      }
      return copy;
    }
    case 'cut':
      return copy.subarray(0, random.integer(0, Math.max(0, copy.length - 1)));
    case 'insert': {
      const at = random.integer(0, copy.length);
      return Buffer.concat([copy.subarray(0, at), noise(random, 8), copy.subarray(at)]);
    }
    case 'noise':
      return noise(random, 64);
    default:
      throw new Error(`unknown damage ${String(damage satisfies never)}`);
  }
}

/** Decodes it, gives some of its fields other values and encodes that; what cannot be decoded is left as it is. */
function withOtherFields(name: string, bytes: Buffer, random: Prng): Buffer {
  const type = schema.lookupType(name);
  let content: Record<string, unknown>;
  try {
    content = type.toObject(type.decode(bytes), { longs: Number });
  } catch {
    return bytes;
  }
  change(type, content, random);
  return Buffer.from(type.encode(content).finish());
}

function change(type: protobuf.Type, content: Record<string, unknown>, random: Prng): void {
  for (const field of type.fieldsArray) {
    const value = content[field.name];
    if (!field.repeated) {
      const changed = value === undefined ? absent(field, random) : changedValue(field, value, random);
      if (changed === undefined) delete content[field.name];
      else content[field.name] = changed;
      continue;
    }
    const list = ((value ?? []) as unknown[]).map((each) => changedValue(field, each, random) ?? each);
    content[field.name] = random.integer(0, 7) === 0 ? resized(field, list, random) : list;
  }
}

function absent(field: protobuf.Field, random: Prng): unknown {
  return isNumber(field) && random.integer(0, 7) === 0 ? numberFor(random) : undefined;
}

/** Undefined: it is left out. */
function changedValue(field: protobuf.Field, value: unknown, random: Prng): unknown {
  const { resolvedType } = field;
  if (resolvedType instanceof protobuf.Type) {
    if (random.integer(0, 15) === 0) return undefined;
    change(resolvedType, value as Record<string, unknown>, random);
    return value;
  }
  if (isNumber(field)) return random.integer(0, 3) === 0 ? numberFor(random) : value;
  if (field.type === 'bool') return random.integer(0, 3) === 0 ? !value : value;
  if (field.type === 'string') return random.integer(0, 3) === 0 ? textFor(random) : value;
  if (field.type !== 'bytes') return value;
  const inner = ENCODED[field.name];
  if (inner !== undefined && random.integer(0, 3) === 0) {
    const damage = DAMAGES[random.integer(0, DAMAGES.length - 1)] ?? 'flip';
    return damaged(value as Uint8Array, { name: inner, damage, random });
  }
  return random.integer(0, 15) === 0 ? noise(random, 40) : value;
}

/** N − 1, N + 1, none, or very many. */
function resized(field: protobuf.Field, list: unknown[], random: Prng): unknown[] {
  const last = list.at(-1) ?? (isNumber(field) ? numberFor(random) : undefined);
  switch (random.integer(0, 3)) {
    case 0:
      return list.slice(0, -1);
    case 1:
      return [];
    case 2:
      return last === undefined ? list : [...list, last];
    default:
      return last === undefined ? list : [...list, ...new Array<unknown>(random.integer(2, 200)).fill(last)];
  }
}

function isNumber({ type }: protobuf.Field): boolean {
  return type === 'uint64' || type === 'uint32' || type === 'double';
}

function numberFor(random: Prng): number {
  return NUMBERS[random.integer(0, NUMBERS.length - 1)] ?? 0;
}

function textFor(random: Prng): string {
  const texts = ['', 'x', 'ffff', 'é', 'f'.repeat(33), 'f'.repeat(5_000)];
  return texts[random.integer(0, texts.length - 1)] ?? '';
}

function noise(random: Prng, most: number): Buffer {
  return Buffer.from(Array.from({ length: random.integer(1, most) }, () => random.integer(0, 255)));
}

function load(): protobuf.Namespace {
  const root = new protobuf.Root();
  root.resolvePath = (_origin, target) => join(PROTO_DIRECTORY, target);
  root.loadSync([...PROTO_FILES]);
  root.resolveAll();
  return root.lookup('epaxos.v1') as protobuf.Namespace;
}
