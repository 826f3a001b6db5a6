/** A connection that is being made: how long it is given before it is dropped and begun anew. */
import { Client } from '@grpc/grpc-js';
import { afterEach, expect, it, vi } from 'vitest';
import { Connection } from '../../src/client/connection.ts';
import { silentListener } from './client-setup.ts';

const PATIENT = { timeout: 30_000 };

afterEach(() => {
  vi.restoreAllMocks();
});

it('is not dropped because somebody had little time, before it has been tried for a while', async () => {
  const silent = await silentListener();
  let nowMs = 10_000;
  vi.spyOn(performance, 'now').mockImplementation(() => nowMs);
  const close = vi.spyOn(Client.prototype, 'close');
  // What other tests have left may be closed meanwhile.
  const closed = () =>
    close.mock.contexts.filter(
      (client) => client instanceof Client && client.getChannel().getTarget().endsWith(silent.endpoint),
    ).length;
  const connection = new Connection(silent.endpoint);
  connection.whenSettled(() => undefined);
  await expect.poll(() => silent.connections, PATIENT).toBe(1);
  for (const waitMs of [249, 250]) {
    connection.giveUp();
    expect(closed()).toBe(0);
    nowMs = 10_000 + waitMs;
  }
  connection.giveUp();
  expect(closed()).toBe(1);
  await expect.poll(() => silent.connections, PATIENT).toBe(2);
  connection.close();
});
