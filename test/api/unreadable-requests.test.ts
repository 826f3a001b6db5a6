/** Requests that are no messages of the schema: the caller's fault, and told so in our words. */
import { status } from '@grpc/grpc-js';
import { describe, expect, it } from 'vitest';
import { adminService, kvService } from '../../src/wire/index.ts';
import { setUp } from './services-setup.ts';

const bytes = (hex: string) => Buffer.from(hex, 'hex');

describe.each([
  ['Put', kvService.Put],
  ['Get', kvService.Get],
  ['MultiGet', kvService.MultiGet],
  ['Delete', kvService.Delete],
  ['Status', adminService.Status],
] as const)('%s', (_, method) => {
  const raw = {
    ...method,
    requestSerialize: (request: Buffer) => request,
    responseDeserialize: (response: Buffer) => response,
  };

  it.each([
    ['a field that is cut off', '0a05'],
    ['a length beyond the end', '0affffffff0f'],
    ['a wire type that there is not', '0f'],
    ['the end of a group that was not begun', '0c'],
  ])('of %s is refused, and does not come to the loop', async (_, hex) => {
    const { node, client } = await setUp();
    const failure = client.call(raw as never, bytes(hex) as never);
    await expect(failure).rejects.toMatchObject({
      status: status.INVALID_ARGUMENT,
      code: 'invalidArgument',
      outcome: 'notApplied',
      details: expect.stringMatching(/^the request cannot be read: /),
    });
    expect(node.submissions).toHaveLength(0);
  });

  it('goes on serving', async () => {
    const { client } = await setUp();
    await client.call(raw as never, bytes('0a05') as never).catch(() => undefined);
    await expect(client.status({})).resolves.toMatchObject({ replica: 1 });
  });
});
