/** Assertions for programmer's errors: what fails here is a bug, and the process must not go on. */

/** Thrown by {@link assert}; never caught on purpose, so that it ends the process. */
export class AssertionError extends Error {
  override readonly name = 'AssertionError';
}

/**
 * Ends the program's current path unless `condition` holds.
 * @param message what was expected, in words that help whoever reads the crash
 */
export function assert(condition: unknown, message: string): asserts condition {
  if (!condition) throw new AssertionError(message);
}

/** For the default branch of a switch over a closed union: the compiler proves it is never reached. */
export function assertNever(value: never, what: string): never {
  throw new AssertionError(`unexpected ${what}: ${JSON.stringify(value)}`);
}
