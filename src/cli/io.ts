/** The three streams of the program, passed around so that tests can bring their own. */
import type { Readable, Writable } from 'node:stream';

export interface CliIo {
  readonly stdin: Readable;
  readonly stdout: Writable & { readonly isTTY?: boolean };
  readonly stderr: Writable;
}

/**
 * Writes an answer and waits until it has been handed on, so that nothing is cut off when the process ends.
 * @throws Error if it cannot be written, as on a full disk
 */
export async function write(stream: Writable, data: string | Uint8Array): Promise<void> {
  const error = await written(stream, data);
  if (error) throw new Error(`the answer cannot be written: ${error.message}`, { cause: error });
}

/**
 * Writes a line to standard error: everything that is not the answer itself. Where nobody can be told, the exit code still
 * tells.
 */
export async function note(io: CliIo, line: string): Promise<void> {
  await written(io.stderr, `${line}\n`);
}

function written(stream: Writable, data: string | Uint8Array): Promise<Error | null | undefined> {
  return new Promise((resolve) => stream.write(data, resolve));
}

/**
 * Everything on a stream, to its end.
 * @returns null as soon as there are more than `maxBytes`; the rest is left unread
 */
export async function readAll(stream: Readable, maxBytes: number): Promise<Uint8Array | null> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of stream) {
    const buffer = Buffer.from(chunk);
    bytes += buffer.length;
    if (bytes > maxBytes) return null; // leaving the loop destroys the stream: nobody is read for ever
    chunks.push(buffer);
  }
  return Buffer.concat(chunks);
}
