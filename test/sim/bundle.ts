/**
 * The simulator as one file of plain JavaScript, with or without a fault in it. What runs TypeScript directly writes down the
 * name of every function at the moment it is made, which would take a quarter of a sweep's time.
 */
import { spawn } from 'node:child_process';
import { readFileSync, rmSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { build, type Plugin } from 'esbuild';
import { type Mutant, mutated } from './mutants.ts';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));
/** Most of what a world makes is soon garbage: with room for it in the young generation little of it is copied. */
const NODE_FLAGS = ['--enable-source-maps', '--max-semi-space-size=64'];
let bundles = 0;

/**
 * Runs the simulator in a process of its own, with what it prints going where this one's does.
 * @param mutant the fault that is put into the product's code; null for none
 * @returns its exit code
 */
export async function runBundled(mutant: Mutant | null, args: readonly string[]): Promise<number> {
  const program = await bundleSimulator(mutant);
  try {
    return await new Promise((resolve, reject) => {
      const child = spawn(process.execPath, [...NODE_FLAGS, program, ...args], { stdio: 'inherit' });
      for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => child.kill(signal));
      child.on('error', reject);
      child.on('exit', (code) => resolve(code ?? 1));
    });
  } finally {
    rmSync(program);
  }
}

/** @returns the file, which is the caller's to remove */
export async function bundleSimulator(mutant: Mutant | null): Promise<string> {
  bundles += 1;
  // As deep below the repository as the sources are, which find files by their own place.
  const program = path.join(ROOT, 'node_modules', '.cache', `sim-${process.pid}-${bundles}.mjs`);
  await build({
    entryPoints: [path.join(ROOT, 'test', 'sim', 'main.ts')],
    outfile: program,
    bundle: true,
    platform: 'node',
    format: 'esm',
    packages: 'external',
    sourcemap: 'inline',
    logLevel: 'error',
    plugins: mutant === null ? [] : [withFault(mutant)],
  });
  return program;
}

function withFault(mutant: Mutant): Plugin {
  const file = path.join(ROOT, mutant.file);
  return {
    name: 'fault',
    setup: ({ onLoad }) => {
      onLoad({ filter: /\.ts$/ }, (loaded) =>
        loaded.path === file
          ? { contents: mutated(mutant, readFileSync(file, 'utf8')), loader: 'ts' }
          : undefined,
      );
    },
  };
}
