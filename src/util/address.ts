/** Addresses as people type them: `host:port`, where an IPv6 host stands in brackets, with its zone if it has one. */

const ADDRESS = /^(?:\[[0-9a-fA-F:.]+(?:%[\w.-]+)?\]|[^\s:/[\]@,=]+):(?<port>\d{1,5})$/;
export const HIGHEST_PORT = 65_535;

/** @param lowestPort 0 where "any free port" makes sense, else 1 */
export function isAddress(text: string, lowestPort: 0 | 1): boolean {
  const port = Number(ADDRESS.exec(text)?.groups?.port ?? Number.NaN);
  return port >= lowestPort && port <= HIGHEST_PORT;
}
