/** The deterministic key-value state machine: its only door. */
export * from './operation.ts';
export * from './sessions.ts';
export * from './state-machine.ts';
