/**
 * How Node.js loads a file of TypeScript: without its types. In a thread of its own; see load-typescript.mjs. What was
 * made of a file is kept, for the many processes that load the same ones.
 */
import { createHash } from 'node:crypto';
import { mkdirSync } from 'node:fs';
import { readFile, rename, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';
import { threadId } from 'node:worker_threads';

const CACHE = fileURLToPath(new URL('../../node_modules/.cache/typescript/', import.meta.url));
const { version } = createRequire(import.meta.url)('esbuild/package.json');
const TARGET = `node${process.versions.node}`;

mkdirSync(CACHE, { recursive: true });

/** @type {import('node:module').LoadHook} */
export async function load(url, context, next) {
  const { protocol, pathname } = new URL(url);
  if (protocol !== 'file:' || !pathname.endsWith('.ts')) return next(url, context);
  const file = fileURLToPath(url);
  const text = await readFile(file, 'utf8');
  return { format: 'module', source: await withoutTypes(file, text), shortCircuit: true };
}

/** The same program in JavaScript. */
async function withoutTypes(file, text) {
  const name = createHash('sha256').update([version, TARGET, file, text].join('\0')).digest('hex');
  const kept = `${CACHE}${name}.js`;
  const known = await readFile(kept, 'utf8').catch(() => null);
  if (known !== null) return known;
  const { transform } = await import('esbuild');
  const options = { loader: 'ts', format: 'esm', target: TARGET, sourcemap: 'inline', sourcefile: file };
  const { code } = await transform(text, options);
  // Whoever reads it finds all of it: processes do this side by side.
  const draft = `${kept}.${process.pid}-${threadId}`;
  await writeFile(draft, code);
  await rename(draft, kept);
  return code;
}
