/** What every decoder does with bytes that nobody has encoded: it decodes them, or refuses them with a KvError. */
import fc from 'fast-check';
import { KvError } from '../../src/errors.ts';

/** The code of the KvError that is thrown; 'none' if nothing is. Whatever else is thrown goes through. */
export function codeOf(attempt: () => unknown): string {
  try {
    attempt();
  } catch (error) {
    if (error instanceof KvError) return error.code;
    throw error;
  }
  return 'none';
}

const anyChange = fc.record({ at: fc.nat(), to: fc.integer({ min: 0, max: 255 }) });

/** Fails if any bytes, or encoded ones of which some were changed, make it throw anything but a KvError. */
export function decodesOrRefuses(
  decode: (bytes: Buffer) => unknown,
  encoded: fc.Arbitrary<Uint8Array>,
): void {
  const anyBytes = fc.oneof(fc.uint8Array({ maxLength: 200 }), encoded);
  fc.assert(
    fc.property(anyBytes, fc.array(anyChange, { maxLength: 4 }), (original, changes) => {
      const bytes = Buffer.from(original);
      for (const { at, to } of changes) if (bytes.length > 0) bytes[at % bytes.length] = to;
      codeOf(() => decode(bytes));
    }),
    { numRuns: 4_000 },
  );
}
