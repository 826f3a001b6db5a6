/** The faults of mutants.ts fit the code as it is. That the full worlds find them is proven by mutants.proof.ts. */
import { expect, test } from 'vitest';
import { readText } from '../repository/tree.ts';
import { MUTANTS, mutated } from './mutants.ts';
import { documentedMutants } from './mutants-table.ts';

test('every fault has its line', () => {
  expect(
    documentedMutants()
      .map(({ name }) => name)
      .toSorted(),
  ).toEqual(MUTANTS.map(({ name }) => name).toSorted());
});

test.each(MUTANTS)('$name has its place', (mutant) => {
  const code = readText(mutant.file);
  expect(mutated(mutant, code)).not.toBe(code);
});

test('a fault whose place is gone, or is there twice, is refused', () => {
  const mutant = { name: 'none', file: '', from: 'x', to: 'y' };
  expect(mutated(mutant, 'axb')).toBe('ayb');
  for (const text of ['ab', 'xaxb']) expect(() => mutated(mutant, text)).toThrow(RangeError);
});
