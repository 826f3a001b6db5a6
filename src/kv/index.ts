/** The deterministic key-value state machine: its only door. */
export * from './operation.ts';
