/** Load on a key-value store, and what it measures. The folder's only door. */
export { fillKeys } from './fill.ts';
export { KEY_PREFIX, type KeyOptions, KeySource, keyAt } from './keys.ts';
export { Load, type LoadOptions } from './load.ts';
export type { Measurement } from './measurement.ts';
export { type LoadClock, systemLoadClock, type Target } from './target.ts';
export { Zipf } from './zipf.ts';
