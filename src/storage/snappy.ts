/** Reading what LevelDB has compressed: the block format of Snappy. */

/**
 * The bytes that were compressed.
 * @throws Error if these are no compressed bytes
 */
export function uncompress(source: Buffer): Buffer {
  let at = 0;
  const next = () => {
    const byte = source[at];
    if (byte === undefined) throw new Error('compressed bytes end too early');
    at += 1;
    return byte;
  };
  const integer = (bytes: number) => {
    let value = 0;
    for (let index = 0; index < bytes; index += 1) value += next() * 256 ** index;
    return value;
  };
  let length = 0;
  for (let scale = 1; ; scale *= 128) {
    const byte = next();
    length += (byte & 127) * scale;
    if (byte < 128) break;
  }
  // A copy of at most 64 bytes takes two: no honest length is far above that of the source.
  if (length > source.length * 64) throw new Error('compressed bytes name a wrong length');
  const target = Buffer.alloc(length);
  let written = 0;
  const literal = (tag: number) => {
    const size = 1 + (tag >>> 2 < 60 ? tag >>> 2 : integer((tag >>> 2) - 59));
    if (at + size > source.length || written + size > length) throw new Error('a literal is too long');
    source.copy(target, written, at, at + size);
    at += size;
    written += size;
  };
  const copy = (size: number, offset: number) => {
    if (offset === 0 || offset > written || written + size > length)
      throw new Error('a copy is out of bounds');
    // It may overlap with what it writes.
    for (let index = 0; index < size; index += 1, written += 1)
      target[written] = target[written - offset] as number;
  };
  while (at < source.length) {
    const tag = next();
    const kind = tag & 3;
    if (kind === 0) literal(tag);
    else if (kind === 1) copy(4 + ((tag >>> 2) & 7), ((tag >>> 5) << 8) + next());
    else copy(1 + (tag >>> 2), integer(kind === 2 ? 2 : 4));
  }
  if (written !== length) throw new Error('compressed bytes end too early');
  return target;
}
