/** What clients ask for, as far as the core looks at it. */

/** In the place of a key: everything there is (R2.8). No key of a client is empty. */
export const EVERYTHING = '';

/** One key that an operation touches, or {@link EVERYTHING}, and whether it writes it. */
export interface Access {
  /** The key's bytes as a binary string: one character (0–255) a byte, so that string order is byte order. */
  readonly key: string;
  readonly writes: boolean;
}

/** One client's operation. The core looks at what it touches and at its size, never inside. */
export interface Operation {
  /**
   * Every key the operation touches, at least one; or, alone, {@link EVERYTHING}. A function of the operation's bytes
   * alone (R8.3).
   */
  readonly accesses: readonly Access[];
  /** Bytes of the operation as it is sent and stored. */
  readonly size: number;
}

/** True if the operation touches everything, not certain keys (R2.8). */
export function isWide({ accesses }: Operation): boolean {
  return accesses[0]?.key === EVERYTHING;
}
