/** The program's entry: the process's own arguments and streams. */
import { run } from './program.ts';

// Whoever reads our output may stop early, as `head` does: then there is nobody left to tell.
process.stdout.on('error', () => process.exit());

const io = { stdin: process.stdin, stdout: process.stdout, stderr: process.stderr };
// Every write was waited for, so nothing is cut off; and nothing left open may keep the process.
process.exit(await run(process.argv.slice(2), io));
