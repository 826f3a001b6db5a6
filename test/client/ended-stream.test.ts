/** A replica that ends the stream of a client, as one that did not read for long. */
import { afterEach, expect, it } from 'vitest';
import { connect, type KvClient } from '../../src/client/index.ts';
import { KvError } from '../../src/errors.ts';
import { NO_ROW, setUp } from '../api/services-setup.ts';
import { WAIT } from '../server/servers.ts';

const clients: KvClient[] = [];
afterEach(() => {
  for (const client of clients.splice(0)) client.close();
});

it('a client whose stream was ended sends its write once more, under the same id, and takes that answer', async () => {
  const { node, services, address } = await setUp();
  node.result = null;
  const kv = connect({ endpoints: [address], timeoutMs: 30_000 });
  clients.push(kv);
  const put = kv.put('a', '1');
  await expect.poll(() => node.submissions.length, WAIT).toBe(1);
  const [first] = node.submissions;
  const letIn = services.turnAway(
    new KvError('overloaded', 'the client did not take its answers off', { outcome: 'unknown' }),
  );
  node.result = { ...NO_ROW, version: 7 };
  letIn();
  expect(await put).toMatchObject({ version: 7 });
  // What becomes of the first is no longer heard.
  first?.waiter.answered({ ...NO_ROW, version: 6 });
  expect(node.submissions.at(-1)?.operation).toMatchObject({ request: first?.operation.request });
});
