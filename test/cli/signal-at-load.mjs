/**
 * To be imported before the program: when it first loads the module named by SIGNAL_AT, it is sent SIGTERM, once; if HOLD_AT
 * names one, it says "held" on standard error and never gets it.
 */
import { register } from 'node:module';

const { SIGNAL_AT = '', HOLD_AT = '' } = process.env;
const hooks = `
import { writeSync } from 'node:fs';
let isSent = false;
export async function resolve(specifier, context, next) {
  if (specifier === ${JSON.stringify(SIGNAL_AT)} && !isSent) {
    isSent = true;
    process.kill(process.pid, 'SIGTERM');
  }
  if (specifier === ${JSON.stringify(HOLD_AT)}) {
    writeSync(2, 'held');
    await new Promise((resolve) => setTimeout(resolve, 2 ** 31 - 1));
  }
  return next(specifier, context);
}`;
register(`data:text/javascript,${encodeURIComponent(hooks)}`);
