/** The protocol core: its only door. Synchronous, deterministic, without input or output. */
export * from './messages.ts';
export * from './quorum.ts';
export * from './ready.ts';
export * from './types.ts';
