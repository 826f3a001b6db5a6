/** The deterministic key-value state machine: its only door. */
export * from './answer-page.ts';
export * from './limits.ts';
export * from './operation.ts';
export * from './sessions.ts';
export * from './state-machine.ts';
export * from './types.ts';
