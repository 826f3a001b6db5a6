/** What a checker throws. */

export const CHECKS = [
  'assertion',
  'agreement',
  'visibility',
  'order',
  'exactlyOnce',
  'effects',
  'status',
  'durability',
  'linearizability',
  'serializability',
  'acknowledged',
  'notApplied',
  'liveness',
  'convergence',
  'storage',
  'patience',
  'bounds',
] as const;

/** Which promise was broken. */
export type Check = (typeof CHECKS)[number];

export class Violation extends Error {
  override readonly name = 'Violation';
  readonly check: Check;

  constructor(check: Check, message: string) {
    super(message);
    this.check = check;
  }
}

/** Throws unless `condition` holds. */
export function demand(condition: boolean, check: Check, message: () => string): void {
  if (!condition) throw new Violation(check, message());
}

/** @throws Violation bounds if there is more of something than there may be */
export function demandAtMost(count: number, limit: number, what: string): void {
  demand(count <= limit, 'bounds', () => `${count} ${what}, not ${limit}`);
}
