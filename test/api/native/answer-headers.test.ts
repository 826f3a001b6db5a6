/** What a client of any kind is sent with the answer to a single call: the headers that gRPC asks for and no others. */
import { connect } from 'node:http2';
import { expect, test } from 'vitest';
import { Cluster, WAIT } from '../../server/servers.ts';

interface Answer {
  readonly headers: Readonly<Record<string, unknown>>;
  readonly trailers: Readonly<Record<string, unknown>>;
  readonly body: Buffer;
}

/** Without what Node.js notes beside the headers. */
function plain(headers: object): Readonly<Record<string, unknown>> {
  return Object.fromEntries(Object.entries(headers));
}

/** Calls a method of the clients' service with nothing but HTTP/2. */
async function call(address: string, method: string, message: Buffer): Promise<Answer> {
  const session = connect(`http://${address}`);
  try {
    const stream = session.request({
      ':method': 'POST',
      ':path': `/epaxos.v1.KV/${method}`,
      'content-type': 'application/grpc',
      te: 'trailers',
    });
    const prefix = Buffer.alloc(5);
    prefix.writeUInt32BE(message.length, 1);
    stream.end(Buffer.concat([prefix, message]));
    let headers: Answer['headers'] = {};
    let trailers: Answer['trailers'] = {};
    stream.on('response', (received) => {
      headers = plain(received);
    });
    stream.on('trailers', (received) => {
      trailers = plain(received);
    });
    const chunks: Buffer[] = [];
    for await (const chunk of stream) chunks.push(chunk as Buffer);
    return { headers, trailers, body: Buffer.concat(chunks) };
  } finally {
    session.close();
  }
}

/** A message with these strings as fields 1, 2, and so on. */
function fields(...texts: string[]): Buffer {
  return Buffer.concat(
    texts.map((text, index) =>
      Buffer.concat([Buffer.from([8 * (index + 1) + 2, text.length]), Buffer.from(text)]),
    ),
  );
}

test('an answer has a status, a type, and a status of gRPC; an error says more', {
  timeout: 60_000,
}, async () => {
  const cluster = await Cluster.start();
  const isServed = () =>
    cluster.put(1, 'k', 'v').then(
      () => true,
      () => false,
    );
  await expect.poll(isServed, WAIT).toBe(true);
  const address = cluster.config(1).listen;
  for (const [method, message] of [
    ['Put', fields('k', 'v')],
    ['Get', fields('k')],
    ['Delete', fields('k')],
  ] as const) {
    const { headers, trailers, body } = await call(address, method, message);
    expect(headers).toEqual({ ':status': 200, 'content-type': 'application/grpc+proto' });
    expect(trailers).toEqual({ 'grpc-status': '0' });
    expect(body.readUInt32BE(1)).toBe(body.length - 5);
  }
  const refused = await call(address, 'Get', fields(''));
  expect(refused.headers).toMatchObject({ 'grpc-status': '3', 'epaxos-code': 'invalidArgument' });
});
