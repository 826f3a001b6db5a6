/** What docs/reliability.md says of the faults of mutants.ts. */
import { tableUnder } from '../repository/markdown.ts';
import { readText } from '../repository/tree.ts';

/** Each line: the fault, N and a seed of a full world that finds it, and the check by which it does. */
export function documentedMutants() {
  const lines = tableUnder(readText('docs/reliability.md'), 'Faults that the full worlds find');
  return lines.map(([mutant = '', replicas = '', seed = '', check = '']) => ({
    name: mutant.replaceAll('`', ''),
    replicas,
    seed,
    check: check.replaceAll('`', ''),
  }));
}
