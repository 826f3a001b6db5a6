/** What a replica keeps: the storage port and its adapters. The folder's only door. */
export { openLevelStorage } from './level.ts';
export { MemoryStorage } from './memory.ts';
export { type ScrubbedSlice, SLICE_LIMITS } from './scrub.ts';
export * from './storage.ts';
