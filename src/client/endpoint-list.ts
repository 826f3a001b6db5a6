/** Reading a list of endpoints: `host:port` each, as people type it. */
import { KvError } from '../errors.ts';

const ENDPOINT = /^(?<host>\[[0-9A-Fa-f:.]+\]|[^\s:/[\]]+):(?<port>\d{1,5})$/;

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
    const port = Number(ENDPOINT.exec(entry)?.groups?.port);
    if (!(port >= 1 && port <= 65535)) {
      throw new KvError(
        'invalidArgument',
        `endpoint "${entry}" is not of the form host:port (port 1 to 65535)`,
      );
    }
  }
  return [...new Set(present)];
}
