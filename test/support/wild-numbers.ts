/** Messages between replicas with other numbers than they were made with: at the limits of what a number can be, and beyond. */

/** Slots that a replica takes from beyond what is committed of a row (R3.13). */
export const WINDOW = 65_536;

/** Where numbers end, and just beyond. */
export const LIMITS = [
  0,
  1,
  WINDOW,
  WINDOW + 1,
  2 ** 32,
  2 ** 40,
  2 ** 40 + 9,
  2 ** 50 - 1,
  2 ** 50,
  2 ** 52,
  2 ** 53 - 1,
  2 ** 53,
];

/** The same message with the numbers that `pick` gives; null leaves one as it is. What a command holds is left alone. */
export function renumber(value: unknown, field: string, pick: (field: string) => number | null): unknown {
  if (typeof value === 'number')
    return field === 'status' || field === 'follower' ? value : (pick(field) ?? value);
  if (Array.isArray(value)) return value.map((each) => renumber(each, field, pick));
  if (value === null || typeof value !== 'object' || field === 'command') return value;
  return Object.fromEntries(Object.entries(value).map(([name, each]) => [name, renumber(each, name, pick)]));
}
