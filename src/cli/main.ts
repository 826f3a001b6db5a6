/** The program's entry: the process's own arguments and streams, and its signals before anything else. */
import { holdStopSignals } from './stop-signals.ts';

// Loading the program takes a while: who says stop meanwhile is heard by the command, as soon as there is one.
// With 1, an error, ends who was told twice (exit-codes.ts is part of what is not loaded yet).
holdStopSignals(() => process.exit(1));

// Whoever reads our output may stop early, as `head` does: then there is nobody left to tell. What else goes wrong with
// it is an error of the write that met it.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code === 'EPIPE') process.exit();
});
process.stderr.on('error', () => undefined); // there is nowhere to say so

const { run } = await import('./program.ts');
const io = { stdin: process.stdin, stdout: process.stdout, stderr: process.stderr };
// Every write was waited for, so nothing is cut off; and nothing left open may keep the process.
process.exit(await run(process.argv.slice(2), io));
