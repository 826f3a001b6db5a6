/** What the model checker finds: a promise of the protocol that was broken. */

export type Property =
  | 'agreement'
  | 'visibility'
  | 'realTime'
  | 'nontriviality'
  | 'executionOrder'
  | 'fastAfterSlow'
  | 'effects'
  | 'assertion';

export class Violation extends Error {
  override readonly name = 'Violation';
  readonly property: Property;

  constructor(property: Property, message: string) {
    super(message);
    this.property = property;
  }
}

/** What the core threw, as a violation: none of its assertions may ever fire, and nothing else may be thrown. */
export function asViolation(error: unknown): Violation {
  if (error instanceof Violation) return error;
  return new Violation(
    'assertion',
    error instanceof Error ? `${error.name}: ${error.message}` : String(error),
  );
}
