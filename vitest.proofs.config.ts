import { defineConfig } from 'vitest/config';
import { COMMON } from './vitest.config.ts';

/** What computes for long, and real clusters of five replicas: `npm run test:proofs`. */
export default defineConfig({
  test: { ...COMMON, include: ['test/**/*.proof.ts'], testTimeout: 600_000 },
});
