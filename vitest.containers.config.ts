import { defineConfig } from 'vitest/config';
import { whyNoEngine } from './test/containers/support/engine.ts';

/**
 * The container tests: `npm run test:containers`. Where no engine answers they are left out, with a line that says so;
 * in .ci/run, which sets CI, that is an error.
 */
const missing = whyNoEngine();
if (missing !== null && process.env.CI) throw new Error(`the container tests cannot run: ${missing}`);
if (missing !== null) process.stderr.write(`The container tests are left out: ${missing}\n`);

export default defineConfig({
  test: {
    include: missing === null ? ['test/containers/**/*.test.ts'] : [],
    passWithNoTests: missing !== null,
    globalSetup: ['test/containers/support/global-setup.ts'],
    testTimeout: 300_000,
    hookTimeout: 300_000,
    // One cluster at a time: five replicas are enough for two cores.
    fileParallelism: false,
    // .ci/run counts the tests by this report.
    reporters: process.env.CI
      ? ['default', ['json', { outputFile: '.test-results/vitest.json' }]]
      : ['verbose'],
  },
});
