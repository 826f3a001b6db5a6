import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vitest/config';
import { LongestFirst } from './test/support/longest-first.ts';

/** The rooms whose tests leave nothing open. */
const COMPUTING = ['epaxos', 'kv', 'load', 'model', 'sim', 'util', 'wire'].map(
  (room) => `test/${room}/**/*.test.ts`,
);

export default defineConfig({
  test: {
    exclude: ['test/containers/**'],
    setupFiles: ['test/setup.ts'],
    testTimeout: 60_000,
    hookTimeout: 60_000,
    // Two workers: the suite must fit a machine with two cores, and some tests start real processes.
    maxWorkers: 2,
    // Node.js loads what is tested as it loads the product.
    execArgv: ['--import', fileURLToPath(new URL('test/support/load-typescript.mjs', import.meta.url))],
    experimental: { viteModuleRunner: false, nodeLoader: false },
    sequence: { sequencer: LongestFirst },
    projects: [
      {
        extends: true,
        // What only computes shares a worker, which loads the product once for all of it.
        test: { name: 'computing', include: COMPUTING, isolate: false },
      },
      {
        extends: true,
        // What listens, waits or starts processes has a worker for each file: what one leaves open is no burden to the next.
        test: { name: 'running', include: ['test/**/*.test.ts'], exclude: COMPUTING, isolate: true },
      },
    ],
    // .ci/run counts the tests by this report.
    reporters: process.env.CI
      ? ['default', ['json', { outputFile: '.test-results/vitest.json' }]]
      : ['default'],
  },
});
