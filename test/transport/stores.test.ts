/** A replica whose store is another one than its peers know is refused by them, and told so (R6.5). */
import { Metadata, status } from '@grpc/grpc-js';
import { describe, expect, it } from 'vitest';
import type { ReplicaId } from '../../src/epaxos/index.ts';
import { checkStore, handshakeMetadata } from '../../src/transport/handshake.ts';
import {
  asReplica2,
  commitOf,
  eventually,
  freePorts,
  peerStores,
  RawStream,
  startRawPeer,
  startReplicas,
  storeOf,
  TestReplica,
  to,
} from './support.ts';

describe('the check', () => {
  const metadata = (store: string) => asReplica2(store);
  const check = (given: Metadata, known = new Map<ReplicaId, string>()) =>
    checkStore(given, { peer: 2, stores: peerStores('own', known), code: 'dataDirectoryMismatch' });

  it('takes any store at first contact, and the same one from then on', () => {
    const known = new Map<ReplicaId, string>();
    check(metadata('first'), known);
    check(metadata('first'), known);
    expect(() => check(metadata('second'), known)).toThrow(
      expect.objectContaining({
        name: 'KvError',
        code: 'dataDirectoryMismatch',
        message: expect.stringMatching(
          /^replica 2 has run before with another data directory.*bring back the old.*new cluster must be made/,
        ),
      }),
    );
    check(metadata('first'), known);
  });

  it('refuses who does not say', () => {
    expect(() => check(new Metadata())).toThrow(expect.objectContaining({ code: 'peerMismatch' }));
  });
});

describe('a store that has gone back (R6.13)', () => {
  it('is told by beats in both directions how far the other has come', async () => {
    const ports = await freePorts();
    const marks = (run: string) => ({ mark: () => ({ run, batch: 7 }), holds: () => true });
    const one = await new TestReplica({ self: 1, ports, marks: marks('1a') }).start();
    const two = await new TestReplica({ self: 2, ports, marks: marks('2a') }).start();
    await eventually(() => {
      expect(one.stores.heardOf(2)).toEqual({ run: '2a', batch: 7 });
      expect(two.stores.heardOf(1)).toEqual({ run: '1a', batch: 7 });
    });
  });

  it.each([
    ['whom it calls', 2],
    ['who calls it', 3],
  ])('is told so by %s, and uses nothing of what that one says', async (_, self) => {
    const ports = await freePorts();
    const holds = (mark: { readonly batch: number }) => mark.batch <= 5;
    const gone = new TestReplica({ self, ports, marks: { mark: () => null, holds } });
    const one = new TestReplica({ self: 1, ports: self === 2 ? ports : [ports[0] ?? 0] });
    one.stores.heard(self, { run: 'a', batch: 6 });
    await gone.start();
    await one.start();
    await eventually(() => expect(gone.disowned.length).toBeGreaterThan(0));
    expect(gone.disowned[0]).toMatchObject({
      code: 'dataDirectoryMismatch',
      message: expect.stringMatching(/^replica 1 has heard .* batch 6 of run a .* older copy/),
    });
    expect(gone.reachability).toEqual([]);
    expect(one.disowned).toEqual([]);
  });

  it('has not gone back if it holds what the others heard of', async () => {
    const ports = await freePorts();
    const holds = (mark: { readonly batch: number }) => mark.batch <= 5;
    const two = new TestReplica({ self: 2, ports, marks: { mark: () => null, holds } });
    const one = new TestReplica({ self: 1, ports });
    one.stores.heard(2, { run: 'a', batch: 5 });
    await Promise.all([one.start(), two.start()]);
    await Promise.all([one.sees(2), two.sees(1)]);
    expect(two.disowned).toEqual([]);
  });
});

describe('on the wire', () => {
  it('a replica with another store is refused in both directions, and told by each peer', async () => {
    const ports = await freePorts();
    const known = new Map<ReplicaId, string>();
    const one = await new TestReplica({ self: 1, ports, known }).start();
    const before = await new TestReplica({ self: 2, ports }).start();
    await Promise.all([one.sees(2), before.sees(1)]);
    await before.stop();

    // It has forgotten its peers, too, and would let them in.
    const emptied = await new TestReplica({ self: 2, ports, store: 'another' }).start();
    await eventually(() => {
      expect(emptied.disowned.length).toBeGreaterThan(0);
      expect(one.eventsOf('peerRefused')).toHaveLength(1);
      expect(one.eventsOf('callerRefused')).toHaveLength(1);
    });
    expect(emptied.disowned[0]).toMatchObject({
      code: 'dataDirectoryMismatch',
      message: expect.stringContaining('replica 2 has run before with another data directory'),
    });
    expect(one.eventsOf('peerRefused')[0]).toMatchObject({
      peer: 2,
      error: { code: 'peerMismatch', message: expect.stringContaining('replica 2 has run before') },
    });
    expect(one.disowned).toEqual([]);
    for (const [replica, peer] of [
      [one, 2],
      [emptied, 1],
    ] as const) {
      expect(replica.status(peer).reachable).toBe(false);
      replica.transport.send(to(peer, [commitOf(1)]));
    }
    await emptied.stop();

    // With the old data directory it is let in again.
    const back = await new TestReplica({ self: 2, ports }).start();
    await Promise.all([one.sees(2), back.sees(1)]);
    expect(one.received).toEqual([]);
    expect(emptied.received).toEqual([]);
    expect(known.get(2)).toBe(storeOf(2));
  });

  it('nothing is used of what such a replica says, were it to say it at once', async () => {
    const ports = await freePorts();
    const known = new Map<ReplicaId, string>([[2, 'not raw']]);
    let frames = 0;
    await startRawPeer(ports[1] ?? 0, {
      Heartbeat: (call) => {
        call.write(Buffer.from([8, 1])); // a pong before any ping
        frames += 1;
      },
    });
    const one = await new TestReplica({ self: 1, ports, known }).start();
    await eventually(() => expect(one.eventsOf('peerRefused')).toHaveLength(1));
    await eventually(() => expect(frames).toBeGreaterThan(1)); // it keeps trying
    expect(one.reachability).toEqual([]);
    expect(one.eventsOf('peerRefused')).toHaveLength(1);
  });

  it('the status is FAILED_PRECONDITION, and says what to do', async () => {
    const { ports } = await startReplicas([1]);
    const membership = { cluster: 'test', replicas: 3, self: 2 };
    const port = ports[0] ?? 0;
    await new RawStream(
      port,
      'PreAccept',
      handshakeMetadata(membership, { to: 1, stores: peerStores('first') }),
    ).accepted();
    const second = new RawStream(
      port,
      'Commit',
      handshakeMetadata(membership, { to: 1, stores: peerStores('second') }),
    ).read();
    await eventually(() => expect(second.error).toMatchObject({ code: status.FAILED_PRECONDITION }));
    expect(second.error?.details).toMatch(/bring back the old data directory/);
  });

  it('a replica that answers without a store is refused', async () => {
    const ports = await freePorts();
    const one = await new TestReplica({ self: 1, ports }).start();
    await startRawPeer(ports[1] ?? 0, {}, new Metadata());
    await eventually(() => expect(one.eventsOf('peerRefused')).toHaveLength(1));
    expect(one.eventsOf('peerRefused')[0]?.error.message).toMatch(
      /replica 2 does not say which store it has/,
    );
    expect(one.status(2).reachable).toBe(false);
  });
});
