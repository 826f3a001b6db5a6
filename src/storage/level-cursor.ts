/** Reading the numbers in LevelDB's files, one after the other. */

export class LevelCursor {
  readonly #bytes: Buffer;
  #at = 0;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  get isDone(): boolean {
    return this.#at >= this.#bytes.length;
  }

  skip(bytes: number): void {
    this.#at += bytes;
  }

  /** Passes over bytes with their number before them. */
  skipBytes(): void {
    const bytes = this.integer();
    this.skip(bytes);
  }

  /** @throws Error where the bytes end too early */
  integer(): number {
    let value = 0;
    for (let scale = 1; ; scale *= 128) {
      const byte = this.#bytes[this.#at];
      if (byte === undefined) throw new Error('it ends within a number');
      this.#at += 1;
      value += (byte & 127) * scale;
      if (byte < 128) return value;
    }
  }
}
