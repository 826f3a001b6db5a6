/**
 * The flags for Node.js under which a replica runs best; Dockerfile has the same. With the default of 16 MiB for half of
 * the heap's young generation, what many calls under way hold is copied more often, for about a tenth of a
 * busy replica's processor time; with more than this nothing more was won (docs/benchmarks.md).
 */
export const REPLICA_NODE_FLAGS: readonly string[] = ['--max-semi-space-size=32'];

/**
 * The environment in which a replica runs best; Dockerfile has the same. What was freed goes back to the system, as with the
 * C library's default at the start: without this it raises the bound as large buffers come and go, and a replica that has
 * been busy keeps some 60 MiB that nobody uses.
 */
export const REPLICA_ENVIRONMENT: Readonly<Record<string, string>> = { MALLOC_TRIM_THRESHOLD_: '131072' };
