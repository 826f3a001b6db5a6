/** A client whose machine slept: nothing is sent for callers whose time ran out meanwhile. */
import { afterEach, describe, expect, it, vi } from 'vitest';
import { client, failureOf, replica } from './client-setup.ts';
import { silence } from './fake-replica.ts';

afterEach(() => {
  vi.restoreAllMocks();
});

/** The wall clock goes on by ten minutes, the monotonic one does not. */
function sleep(): void {
  const now = Date.now;
  vi.spyOn(Date, 'now').mockImplementation(() => now() + 600_000);
}

describe('a machine that slept', () => {
  it('sends a write no second time, and says that it may have been applied', async () => {
    const silent = await replica({ put: silence });
    const serving = await replica();
    const put = failureOf(
      client([silent.endpoint, serving.endpoint], { silenceTimeoutMs: 30_000 }).put('a', '1'),
    );
    await vi.waitFor(() => expect(silent.writes).toHaveLength(1));
    sleep();
    silent.crash();
    expect(await put).toMatchObject({ outcome: 'unknown' });
    expect(serving.writes).toHaveLength(0);
  });

  it('gives what is asked for afterwards its whole time', async () => {
    const serving = await replica();
    const kv = client([serving.endpoint]);
    await kv.put('a', '1');
    sleep();
    await kv.put('a', '2');
    expect(serving.writes).toHaveLength(2);
  });
});
