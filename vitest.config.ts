import { fileURLToPath } from 'node:url';
import { defineConfig, type TestUserConfig } from 'vitest/config';
import { LongestFirst } from './test/support/longest-first.ts';

/** How tests are run, here and in vitest.proofs.config.ts. */
export const COMMON = {
  setupFiles: ['test/setup.ts'],
  // Three workers on two cores: tests wait much of the time, for processes that they start and for deadlines.
  maxWorkers: 3,
  // Node.js loads what is tested as it loads the product.
  execArgv: ['--import', fileURLToPath(new URL('test/support/load-typescript.mjs', import.meta.url))],
  experimental: { viteModuleRunner: false, nodeLoader: false },
  // .ci/run counts the tests by this report.
  reporters: process.env.CI
    ? ['default', ['json', { outputFile: '.test-results/vitest.json' }]]
    : ['default'],
} satisfies TestUserConfig;

/** The rooms whose tests leave nothing open. */
const COMPUTING = filesIn('epaxos', 'kv', 'load', 'model', 'sim', 'util', 'wire');
/** The rooms whose tests start processes. */
const STARTING = filesIn('cli', 'e2e');

export default defineConfig({
  test: {
    ...COMMON,
    exclude: ['test/containers/**'],
    testTimeout: 60_000,
    hookTimeout: 60_000,
    sequence: { sequencer: LongestFirst },
    projects: [
      {
        extends: true,
        // What only computes shares a worker, which loads the product once for all of it.
        test: { name: 'computing', include: COMPUTING, isolate: false },
      },
      {
        extends: true,
        // So does what listens or waits.
        test: {
          name: 'listening',
          include: ['test/**/*.test.ts'],
          exclude: [...COMPUTING, ...STARTING, 'test/containers/**'],
          isolate: false,
        },
      },
      {
        extends: true,
        // What starts processes has a worker for each file: what one leaves open is no burden to the next.
        test: { name: 'starting', include: STARTING, isolate: true },
      },
    ],
  },
});

function filesIn(...rooms: readonly string[]): string[] {
  return rooms.map((room) => `test/${room}/**/*.test.ts`);
}
