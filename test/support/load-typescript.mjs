/**
 * Lets Node.js load TypeScript by itself: `node --import ./test/support/load-typescript.mjs`. The tests run in this way. Vitest's own
 * loader turns each use of an import into a look into an object, and tsx writes down the name of every function
 * whenever it is made: either would make what only computes a third slower.
 */
import { register } from 'node:module';

register('./typescript-hooks.mjs', import.meta.url);
// What fails is named by its place in the source.
process.setSourceMapsEnabled(true);
