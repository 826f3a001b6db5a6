/** What is run: how the clients choose their keys, and the numbers that describe the world. */

/** How often clients of different regions meet on a key. */
export type Setting =
  /** With this probability the one key that all share, else a key of the client's own. */
  | { readonly name: string; readonly title: string; readonly conflict: number }
  /** Keys shared by all, drawn by Zipf's law. */
  | { readonly name: string; readonly title: string; readonly zipf: number };

export const SETTINGS: readonly Setting[] = [
  ...[0, 2, 25, 100].map((percent) => ({
    name: `conflict-${percent}`,
    title: `conflict ${percent} %`,
    conflict: percent / 100,
  })),
  { name: 'zipf', title: 'Zipf 0.99', zipf: 0.99 },
];

export interface WorldOptions {
  readonly seed: number;
  readonly clientsPerRegion: number;
  /** 0 to 1. */
  readonly writeRatio: number;
  /** Keys that Zipf's law is over. */
  readonly keys: number;
  /** What one synced write to disk takes. */
  readonly syncMs: number;
  readonly tickMs: number;
  /** A message takes half the round trip, times 1 ± this, evenly drawn. */
  readonly jitter: number;
  /** Operations that begin before this are not counted. */
  readonly warmUpMs: number;
  /** For how long operations are begun after that. */
  readonly measuredMs: number;
}

export const DEFAULT_OPTIONS: WorldOptions = {
  seed: 1,
  clientsPerRegion: 10,
  writeRatio: 0.5,
  keys: 10_000,
  syncMs: 0.2,
  tickMs: 10,
  jitter: 0.01,
  warmUpMs: 5_000,
  measuredMs: 120_000,
};
