/** Keys and values as the command line takes them: text that is text, and any bytes in hexadecimal or base64. */
import { describe, expect, it } from 'vitest';
import { keyOf, textOf } from '../../src/cli/bytes.ts';
import { KvError } from '../../src/errors.ts';
import { start } from './replicas.ts';
import { runCli } from './run-cli.ts';

function refusal(action: () => unknown): string {
  try {
    action();
  } catch (error) {
    if (error instanceof KvError && error.code === 'invalidArgument') return error.message;
    throw error;
  }
  return expect.fail('it was taken');
}

describe('a key', () => {
  it('is the UTF-8 bytes of its text', () => {
    expect(keyOf('Schlüssel 鍵 🗝️', {})).toEqual(Buffer.from('Schlüssel 鍵 🗝️'));
  });

  it('may be any bytes in hexadecimal or base64', () => {
    expect(keyOf('00fFfe', { hex: true })).toEqual(Buffer.from([0, 0xff, 0xfe]));
    expect(keyOf('AP/+', { base64: true })).toEqual(Buffer.from([0, 0xff, 0xfe]));
    expect(keyOf('', { hex: true })).toHaveLength(0);
  });

  it.each([['0'], ['0x00'], ['00 ff'], ['zz'], ['0g']])('%s is not hexadecimal', (text) => {
    expect(refusal(() => keyOf(text, { hex: true }))).toMatch(`"${text}" is not hexadecimal`);
  });

  it.each([['A'], ['AP/'], ['AP_-'], ['AP/+\n'], ['A*=='], ['AB==']])('%j is not base64', (text) => {
    expect(refusal(() => keyOf(text, { base64: true }))).toMatch('is not base64');
  });

  // What Node.js makes of the arguments FF and FE alike.
  it.each([['\ufffd'], ['a\ufffdb'], ['\ud800'], ['a\udc00']])('%j is refused as text', (text) => {
    expect(refusal(() => keyOf(text, {}))).toMatch('bytes that are not UTF-8');
    expect(refusal(() => textOf(text, 'value', 'do this'))).toMatch(/^the value has .*: do this$/);
  });
});

describe('the commands', () => {
  it('take keys in hexadecimal and base64, and print them as they were given', async () => {
    const [one] = await start({});
    expect((await runCli(['put', '--hex', 'ff00', 'v'])).exitCode).toBe(0);
    expect((await runCli(['del', '--base64', '/wA='])).exitCode).toBe(0);
    expect(one?.writes).toMatchObject([{ key: Buffer.from([255, 0]) }, { key: Buffer.from([255, 0]) }]);
    const { exitCode, stderr } = await runCli(['put', '--hex', '--base64', 'ff', 'v']);
    expect(exitCode).toBe(64);
    expect(stderr).toMatch(/cannot be used with/);
  });

  it.each([
    ['put', ['put', '\ufffd', 'v'], /the key has bytes that are not UTF-8.*--hex or --base64/],
    ['put', ['put', 'k', '\ufffd'], /the value has bytes that are not UTF-8.*standard input/],
    ['get', ['get', 'k', '\ufffd'], /the key has bytes/],
    ['del', ['del', '\ufffd'], /the key has bytes/],
    ['put', ['put', '--hex', 'f', 'v'], /"f" is not hexadecimal/],
  ])('refuse what is no text: %s %j', async (_, args, message) => {
    const [one] = await start({});
    const { exitCode, stdout, stderr } = await runCli(args);
    expect([exitCode, stdout.length, one?.writes.length]).toEqual([3, 0, 0]);
    expect(stderr).toMatch(message);
  });
});
