import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vitest/config';
import { LongestFirst } from './test/support/longest-first.ts';

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    exclude: ['test/containers/**'],
    setupFiles: ['test/setup.ts'],
    testTimeout: 60_000,
    hookTimeout: 60_000,
    // Two workers: the suite must fit a machine with two cores, and some tests start real processes.
    maxWorkers: 2,
    // A worker loads the product once for all its files, which keep nothing in it. Loading it for each took a fifth of the run.
    isolate: false,
    // Node.js loads what is tested as it loads the product.
    execArgv: ['--import', fileURLToPath(new URL('test/support/load-typescript.mjs', import.meta.url))],
    experimental: { viteModuleRunner: false, nodeLoader: false },
    sequence: { sequencer: LongestFirst },
    // .ci/run counts the tests by this report.
    reporters: process.env.CI
      ? ['default', ['json', { outputFile: '.test-results/vitest.json' }]]
      : ['default'],
  },
});
