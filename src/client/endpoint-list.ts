/** Reading a list of endpoints: `host:port` each, as people type it. */
import { KvError } from '../errors.ts';
import { HIGHEST_PORT, isAddress } from '../util/address.ts';

/**
 * The endpoints of a list, in its order, each once.
 * @param list `host:port` separated by commas, or one in each element; an IPv6 host stands in brackets
 * @throws KvError `invalidArgument` that names the entry that cannot be used
 */
export function parseEndpoints(list: string | readonly string[]): readonly string[] {
  const entries = (typeof list === 'string' ? list.split(',') : list).map((entry) => entry.trim());
  const present = entries.filter((entry) => entry !== '');
  if (present.length === 0) {
    throw new KvError('invalidArgument', 'the list of endpoints is empty: name at least one host:port');
  }
  for (const entry of present) {
    if (isAddress(entry, 1)) continue;
    throw new KvError(
      'invalidArgument',
      `endpoint "${entry}" is not of the form host:port (port 1 to ${HIGHEST_PORT})`,
    );
  }
  return [...new Set(present)];
}
