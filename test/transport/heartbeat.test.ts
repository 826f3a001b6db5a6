/** Judging a connection by its heartbeats, at times given by the test. */
import { describe, expect, it } from 'vitest';
import { Backoff } from '../../src/transport/backoff.ts';
import { Heartbeat } from '../../src/transport/heartbeat.ts';

function setUp(): Heartbeat {
  return new Heartbeat({ intervalMs: 100, silenceMs: 900, hangUpMs: 1000, connectTimeoutMs: 2000, nowMs: 0 });
}

/** Beats at every multiple of the interval in (from, to]. */
function beats(heartbeat: Heartbeat, { from, to }: { from: number; to: number }): string[] {
  const types: string[] = [];
  for (let nowMs = from + 100; nowMs <= to; nowMs += 100) types.push(heartbeat.beat(nowMs).type);
  return types;
}

describe('before the first answer', () => {
  it('one ping is sent, then nothing until the connection timeout', () => {
    const heartbeat = setUp();
    expect(heartbeat.beat(0)).toEqual({ type: 'ping', sequence: 1 });
    expect(new Set(beats(heartbeat, { from: 0, to: 2000 }))).toEqual(new Set(['wait']));
    expect(heartbeat.beat(2100)).toEqual({ type: 'silent', forMs: 2100 });
    expect(heartbeat.answered).toBe(false);
  });

  it('the first answer is no measure of the round trip, the second is', () => {
    const heartbeat = setUp();
    heartbeat.beat(0);
    expect(heartbeat.pong(1, 90)).toBeNull();
    expect(heartbeat.answered).toBe(true);
    expect(heartbeat.beat(100)).toEqual({ type: 'ping', sequence: 2 });
    expect(heartbeat.pong(2, 107)).toBe(7);
  });
});

describe('a peer that has answered', () => {
  function answered(): Heartbeat {
    const heartbeat = setUp();
    heartbeat.beat(0);
    heartbeat.pong(1, 0);
    return heartbeat;
  }

  it('is pinged at every beat and silent after the time for it', () => {
    const heartbeat = answered();
    expect(new Set(beats(heartbeat, { from: 0, to: 1000 }))).toEqual(new Set(['ping']));
    expect(heartbeat.beat(1100)).toEqual({ type: 'silent', forMs: 1100 });
  });

  it('is quiet before it is given up, and no longer when it is heard again', () => {
    const heartbeat = answered();
    expect(heartbeat.isQuiet(900)).toBe(false);
    expect(heartbeat.isQuiet(901)).toBe(true);
    heartbeat.heard(950);
    expect(heartbeat.isQuiet(951)).toBe(false);
    expect(setUp().isQuiet(5000)).toBe(false); // it has never answered: not open, rather than quiet
  });

  it('is not silent while anything arrives from it', () => {
    const heartbeat = answered();
    for (let nowMs = 100; nowMs <= 5000; nowMs += 100) {
      expect(heartbeat.beat(nowMs).type).toBe('ping');
      if (nowMs % 500 === 0) heartbeat.heard(nowMs);
    }
  });

  it('may take longer than the interval to answer', () => {
    const heartbeat = answered();
    heartbeat.beat(100); // 2
    heartbeat.beat(200); // 3
    heartbeat.beat(300); // 4
    expect(heartbeat.pong(2, 350)).toBe(250);
    expect(heartbeat.pong(3, 440)).toBe(240);
    expect(heartbeat.pong(3, 470)).toBeNull();
    expect(heartbeat.pong(99, 480)).toBeNull();
  });

  it('is as far away as the shortest of its last eight round trips', () => {
    const heartbeat = answered();
    const told = [30, 7, 90, 8, 9, 40, 40, 40, 40, 40, 40, 40].map((roundTripMs, index) => {
      const sentAtMs = (index + 1) * 100;
      heartbeat.beat(sentAtMs);
      return heartbeat.pong(index + 2, sentAtMs + roundTripMs);
    });
    expect(told).toEqual([30, 7, 7, 7, 7, 7, 7, 7, 7, 8, 8, 9]);
  });

  it('is given its full time again when it was this replica that was paused', () => {
    const heartbeat = answered();
    expect(heartbeat.beat(100)).toEqual({ type: 'ping', sequence: 2 });
    expect(heartbeat.beat(60_000)).toEqual({ type: 'ping', sequence: 3 });
    // The answer to a ping from before the pause says nothing about the network.
    expect(heartbeat.pong(2, 60_001)).toBeNull();
    expect(new Set(beats(heartbeat, { from: 60_000, to: 61_000 }))).toEqual(new Set(['ping']));
    expect(heartbeat.beat(61_100).type).toBe('silent');
  });

  it('is not excused by beats that are a little late', () => {
    const heartbeat = answered();
    const types = [];
    for (let nowMs = 400; nowMs <= 1600; nowMs += 400) types.push(heartbeat.beat(nowMs).type);
    expect(types).toEqual(['ping', 'ping', 'silent', 'silent']);
  });
});

describe('the wait before dialling again', () => {
  it('doubles up to the maximum and starts over after success', () => {
    const backoff = new Backoff({ firstMs: 20, maxMs: 100, random: () => 1 - Number.EPSILON });
    const waits = Array.from({ length: 5 }, () => Math.round(backoff.next()));
    expect(waits).toEqual([20, 40, 80, 100, 100]);
    backoff.reset();
    expect(Math.round(backoff.next())).toBe(20);
    expect(Math.round(backoff.slowest())).toBe(100);
  });

  it('is jittered down to a half', () => {
    const backoff = new Backoff({ firstMs: 20, maxMs: 100, random: () => 0 });
    expect([backoff.next(), backoff.next(), backoff.slowest()]).toEqual([10, 20, 50]);
  });
});
