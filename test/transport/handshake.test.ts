/** Replicas that do not belong together refuse each other, and both say why. */
import { Metadata, status } from '@grpc/grpc-js';
import { describe, expect, it } from 'vitest';
import { checkHandshake, handshakeMetadata, PROTOCOL_VERSION } from '../../src/transport/handshake.ts';

import {
  asReplica2,
  eventually,
  freePort,
  freePorts,
  PATIENT,
  peerStores,
  RawStream,
  startReplicas,
  storeOf,
  TestReplica,
} from './support.ts';

const us = { cluster: 'ours', replicas: 3, self: 1 };
const peers = [2, 3];

function changed(key: string, value: string | null): Metadata {
  const metadata = handshakeMetadata({ ...us, self: 2 }, { to: 1, stores: peerStores(storeOf(2)) });
  metadata.remove(key);
  if (value !== null) metadata.set(key, value);
  return metadata;
}

describe('the check', () => {
  it('lets a peer in and says who it is', () => {
    expect(
      checkHandshake(
        handshakeMetadata({ ...us, self: 3 }, { to: 1, stores: peerStores(storeOf(2)) }),
        us,
        peers,
      ),
    ).toBe(3);
    const named = { ...us, cluster: 'Zürich, ☃ & more' };
    expect(
      checkHandshake(
        handshakeMetadata({ ...named, self: 2 }, { to: 1, stores: peerStores(storeOf(2)) }),
        named,
        peers,
      ),
    ).toBe(2);
  });

  const called = `replica 1 of cluster ours (3 replicas, protocol ${PROTOCOL_VERSION})`;
  it.each([
    ['epaxos-protocol', '1', `(3 replicas, protocol 1) called ${called}: the protocol versions differ`],
    [
      'epaxos-cluster',
      'theirs',
      `replica 2 of cluster theirs (3 replicas, protocol ${PROTOCOL_VERSION}) called ${called}: the clusters`,
    ],
    [
      'epaxos-cluster',
      '%',
      `replica 2 of cluster % (3 replicas, protocol ${PROTOCOL_VERSION}) called ${called}: the clusters differ`,
    ],
    [
      'epaxos-replicas',
      '5',
      `(5 replicas, protocol ${PROTOCOL_VERSION}) called ${called}: the cluster sizes differ`,
    ],
    ['epaxos-epoch', '2', `${called}: the epochs differ`],
    ['epaxos-epoch', null, `${called}: the epochs differ`],
    ['epaxos-to', '3', `${called}: the call was meant for replica 3`],
    ['epaxos-from', '1', `${called}: replica 1 is not a peer of replica 1`],
    ['epaxos-from', '4', `${called}: replica 4 is not a peer of replica 1`],
    ['epaxos-from', 'x', `${called}: replica x is not a peer of replica 1`],
    ['epaxos-from', null, `${called}: replica none is not a peer of replica 1`],
    ['epaxos-cluster', null, `${called}: the clusters differ`],
  ])('refuses %s = %s', (key, value, message) => {
    const check = () => checkHandshake(changed(key, value), us, peers);
    expect(check).toThrow(message);
    expect(check).toThrow(expect.objectContaining({ name: 'KvError', code: 'peerMismatch' }));
  });

  it('refuses whoever says nothing', () => {
    expect(() => checkHandshake(new Metadata(), us, peers)).toThrow(
      /replica none .*: the protocol versions differ/,
    );
  });
});

describe('on the wire', () => {
  async function refusal(one: TestReplica, two: TestReplica) {
    await eventually(() => {
      for (const [replica, peer] of [
        [one, 2],
        [two, 1],
      ] as const) {
        expect(replica.eventsOf('refusedByPeer').some((event) => event.peer === peer)).toBe(true);
        expect(replica.eventsOf('callerRefused').length).toBeGreaterThan(0);
      }
    });
    return one.eventsOf('refusedByPeer').find(({ peer }) => peer === 2)?.error;
  }

  it('another cluster is refused; both sides report it once and keep trying', async () => {
    const ports = await freePorts();
    const one = await new TestReplica({ self: 1, ports, cluster: 'blue' }).start();
    const two = await new TestReplica({ self: 2, ports, cluster: 'red' }).start();
    const error = await refusal(one, two);
    expect(error).toMatchObject({ name: 'KvError', code: 'peerMismatch' });
    expect(error?.message).toBe(
      `replica 1 of cluster blue (3 replicas, protocol ${PROTOCOL_VERSION}) called replica 2 of cluster red (3 replicas, protocol ${PROTOCOL_VERSION}): the clusters differ`,
    );
    expect(one.eventsOf('callerRefused')[0]?.error.message).toMatch(/cluster red .* called .* cluster blue/);
    // The mended replica is let in, by a dialler that never stopped trying.
    await two.stop();
    const mended = await new TestReplica({ self: 2, ports, cluster: 'blue' }).start();
    await Promise.all([one.sees(2), mended.sees(1)]);
    expect(one.eventsOf('refusedByPeer').filter(({ peer }) => peer === 2)).toHaveLength(1);
    expect(one.eventsOf('callerRefused')).toHaveLength(1);
  });

  it('another cluster size is refused', async () => {
    const ports = await Promise.all([1, 2, 3, 4, 5].map(() => freePort()));
    const one = await new TestReplica({ self: 1, ports, replicas: 3 }).start();
    const two = await new TestReplica({ self: 2, ports, replicas: 5 }).start();
    expect((await refusal(one, two))?.message).toMatch(
      /\(3 replicas, .*\(5 replicas, .*: the cluster sizes differ$/,
    );
  });

  it('a replica that is reached under the address of another is refused', async () => {
    const [a, b] = [await freePort(), await freePort()];
    const one = await new TestReplica({ self: 1, ports: [a, b, 1] }).start();
    await new TestReplica({ self: 3, ports: [1, 2, b] }).start();
    await eventually(() => expect(one.eventsOf('refusedByPeer')).toHaveLength(1));
    expect(one.eventsOf('refusedByPeer')[0]?.error.message).toMatch(
      /^replica 1 .* called replica 3 .*: the call was meant for replica 2$/,
    );
    expect(one.status(2).reachable).toBe(false);
  });

  it('strangers are refused with FAILED_PRECONDITION, and reported once', async () => {
    const { replicas, ports } = await startReplicas([1], { timing: PATIENT });
    for (const from of ['9', '9', '8']) {
      const metadata = asReplica2();
      metadata.set('epaxos-from', from);
      const stream = new RawStream(ports[0] ?? 0, 'PreAccept', metadata).read();
      await eventually(() => expect(stream.error).toMatchObject({ code: status.FAILED_PRECONDITION }));
      expect(stream.error?.details).toMatch(`replica ${from} is not a peer of replica 1`);
    }
    expect(replicas[0]?.eventsOf('callerRefused')).toHaveLength(2);
  });
});
