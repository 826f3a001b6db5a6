/**
 * `npm run sim`: main.ts as one file of plain JavaScript. What runs TypeScript directly writes down the name of every
 * function at the moment it is made, which would take a quarter of a sweep's time.
 */
import { rmSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { build } from 'esbuild';

const here = path.dirname(fileURLToPath(import.meta.url));
// As deep below the repository as the files that are in it, which find others by their own place.
const bundle = path.join(here, '..', '..', 'node_modules', '.cache', `sim-${process.pid}.mjs`);
await build({
  entryPoints: [path.join(here, 'main.ts')],
  outfile: bundle,
  bundle: true,
  platform: 'node',
  format: 'esm',
  packages: 'external',
  sourcemap: 'inline',
  logLevel: 'error',
});
process.on('exit', () => rmSync(bundle, { force: true }));
process.setSourceMapsEnabled(true);
await import(pathToFileURL(bundle).href);
