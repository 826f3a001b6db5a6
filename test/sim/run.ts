/** `npm run sim`: the program of main.ts, which runs faster as one bundled file. */
import { runBundled } from './bundle.ts';

process.exitCode = await runBundled(null, process.argv.slice(2));
