/**
 * A set of vectors of small integers, each with a tag, numbered in the order of insertion: the states that were seen.
 * Vectors are kept and compared whole, so that no state is ever taken for another because their hashes meet.
 * It lives in typed arrays, outside of the heap: (width + 1) · 4 bytes a vector, and 8 to 16 for finding it.
 */

const CHUNK = 1 << 18;

export class VectorTable {
  readonly width: number;
  size = 0;
  readonly #chunks: Uint32Array[] = [];
  /** Index + 1 of a vector; 0 for none. Open addressing, at most half full. */
  #slots = new Uint32Array(1 << 12);

  constructor(width: number) {
    this.width = width;
  }

  /** Bytes in use. */
  get bytes(): number {
    return this.#slots.byteLength + this.#chunks.length * CHUNK * (this.width + 1) * 4;
  }

  /** True if the vector is new; then it has the number `size` − 1. */
  add(vector: Uint32Array, tag: number): boolean {
    const mask = this.#slots.length - 1;
    let slot = hash(vector, 0, this.width) & mask;
    for (;;) {
      const found = this.#slots[slot] ?? 0;
      if (found === 0) break;
      if (this.#equals(found - 1, vector)) return false;
      slot = (slot + 1) & mask;
    }
    this.#append(vector, tag);
    this.#slots[slot] = this.size;
    if (this.size * 2 > this.#slots.length) this.#grow();
    return true;
  }

  /** Copies a vector into `into`, and returns its tag. */
  read(index: number, into: Uint32Array): number {
    const chunk = this.#chunk(index);
    const start = (index % CHUNK) * (this.width + 1);
    for (let place = 0; place < this.width; place += 1) into[place] = chunk[start + place] ?? 0;
    return chunk[start + this.width] ?? 0;
  }

  #equals(index: number, vector: Uint32Array): boolean {
    const chunk = this.#chunk(index);
    const start = (index % CHUNK) * (this.width + 1);
    for (let place = 0; place < this.width; place += 1)
      if (chunk[start + place] !== vector[place]) return false;
    return true;
  }

  #append(vector: Uint32Array, tag: number): void {
    if (this.size === this.#chunks.length * CHUNK)
      this.#chunks.push(new Uint32Array(CHUNK * (this.width + 1)));
    const chunk = this.#chunk(this.size);
    const start = (this.size % CHUNK) * (this.width + 1);
    chunk.set(vector, start);
    chunk[start + this.width] = tag;
    this.size += 1;
  }

  #grow(): void {
    const slots = new Uint32Array(this.#slots.length * 2);
    const mask = slots.length - 1;
    for (let index = 0; index < this.size; index += 1) {
      let slot = hash(this.#chunk(index), (index % CHUNK) * (this.width + 1), this.width) & mask;
      while (slots[slot] !== 0) slot = (slot + 1) & mask;
      slots[slot] = index + 1;
    }
    this.#slots = slots;
  }

  #chunk(index: number): Uint32Array {
    const chunk = this.#chunks[Math.floor(index / CHUNK)];
    if (chunk === undefined) throw new RangeError(`no vector ${index}`);
    return chunk;
  }
}

/** Only where to look: equality decides. */
function hash(values: Uint32Array, start: number, width: number): number {
  let mixed = 0x9e3779b9;
  for (let place = start; place < start + width; place += 1) {
    mixed = Math.imul(mixed ^ (values[place] ?? 0), 0x85ebca6b);
    mixed ^= mixed >>> 13;
    mixed = Math.imul(mixed, 0xc2b2ae35);
    mixed ^= mixed >>> 16;
  }
  return mixed >>> 0;
}
