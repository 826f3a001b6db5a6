/** The loop: how it rests when nothing is under way. */
import { expect, test } from 'vitest';
import { gaitFor } from '../../src/node/gait.ts';
import { STANDSTILL_MS } from '../../src/node/pulse.ts';
import { put } from '../kv/operations.ts';
import { fetch, records, setUp, TIMEOUT_MS } from './node-setup.ts';
import { submit } from './promised.ts';

const { afterTicks, restTicks } = gaitFor(10);

/** A loop at rest: its core has been for long enough. */
async function resting() {
  const parts = setUp();
  const { core, clock } = parts;
  core.atRest = true;
  await clock.settle();
  for (let tick = 0; tick < afterTicks; tick += 1) {
    expect(clock.periodsMs).toEqual([10]);
    clock.tickAfter(10);
    await clock.settle();
  }
  expect(clock.periodsMs).toEqual([restTicks * 10]);
  expect(core.inputs.splice(0)).toEqual(Array(afterTicks).fill('tick'));
  return parts;
}

test('at rest a beat stands for many ticks: those slept through come before what arrived, one after it', async () => {
  const { core, transport, clock } = await resting();
  transport.roundTripMs = 12;
  clock.tickAfter(restTicks * 10);
  transport.events?.onMessages(2, [fetch]);
  await clock.settle();
  expect(core.inputs).toEqual([
    ...Array(restTicks - 1).fill('tick'),
    'step 2 fetch',
    'round trip to 2: 12 ms',
    'tick',
  ]);
  expect(clock.periodsMs).toEqual([restTicks * 10]);
});

test('what arrives is taken at once, and brings the beats of every tick back if it leaves something under way', async () => {
  const { core, transport, clock } = await resting();
  transport.events?.onMessages(2, [fetch]);
  await clock.settle();
  expect(core.inputs).toEqual(['step 2 fetch']);
  expect(clock.periodsMs).toEqual([restTicks * 10]);
  core.atRest = false;
  transport.events?.onMessages(2, [fetch]);
  await clock.settle();
  expect(clock.periodsMs).toEqual([10]);
  clock.tickAfter(10);
  await clock.settle();
  expect(core.inputs).toEqual(['step 2 fetch', 'step 2 fetch', 'tick']);
});

test('a call that waits keeps the beats of every tick, for its deadline', async () => {
  const { node, clock } = await resting();
  const { result } = submit(node, put('a', '1'), TIMEOUT_MS);
  result.catch(() => {});
  await clock.settle();
  expect(clock.periodsMs).toEqual([10]);
  clock.tickAfter(TIMEOUT_MS + 10);
  await expect(result).rejects.toThrow('deadline');
});

test('records that wait to be written keep the beats of every tick', async () => {
  const { log, clock, perform } = await resting();
  await perform({ records });
  expect(clock.periodsMs).toEqual([10]);
  clock.tickAfter(10);
  await clock.settle();
  expect(log).toEqual(['write 1', 'written']);
});

test('after a standstill the beats of every tick are back', async () => {
  const { clock } = await resting();
  clock.tickAfter(STANDSTILL_MS + 1);
  expect(clock.periodsMs).toEqual([10]);
});

test('a loop that has stopped has no timer, whether it rested or not', async () => {
  const { node, clock } = await resting();
  await node.stop(0);
  expect(clock.periodsMs).toEqual([]);
});
