/**
 * Runs before every test file. Property tests draw from one seed, so that a run can be repeated; another one
 * explores other cases: `FAST_CHECK_SEED=7 npm test`. A failure prints the seed it was found with.
 */
import fc from 'fast-check';
import './support/operation-testers.ts';

fc.configureGlobal({ seed: Number(process.env.FAST_CHECK_SEED ?? 1) });
