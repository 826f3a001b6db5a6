/** What the core reports, for the log: of what is rare enough, a line for each. */
import type { TraceEvent } from '../epaxos/index.ts';
import type { NodeOptions } from './node-options.ts';

export function logEvent(logger: NodeOptions['logger'], event: TraceEvent): void {
  if (event.type === 'recoveryStarted') logger.debug(event, 'recovery started');
  else if (event.type === 'disbelieved') logger.debug(event, 'a message of a peer was not believed');
}
