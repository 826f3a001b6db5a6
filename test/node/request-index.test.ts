/** Requests by their name: what is kept of clients that ask for nothing any more. */
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { expect, it } from 'vitest';
import { RequestIndex } from '../../src/node/request-index.ts';
import { put } from '../kv/operations.ts';

it('keeps nothing of clients whose requests have all ended', () => {
  setFlagsFromString('--expose-gc');
  const collectGarbage = runInNewContext('gc') as () => void;
  const heapBytes = () => {
    collectGarbage();
    return process.memoryUsage().heapUsed;
  };
  const index = new RequestIndex();
  const operation = put('a', '1');
  const serve = (clients: number, of: string) => {
    for (let number = 0; number < clients; number += 1) {
      const request = { client: `${of}${number}`.padEnd(16), sequence: 1, generation: 1 };
      const waiting = { operation: { ...operation, request } };
      index.add(waiting);
      index.delete(waiting);
    }
  };
  serve(1_000, 'first');
  const before = heapBytes();
  serve(100_000, 'next');
  // An empty page and a name for each of them would be more than ten times as much.
  expect(heapBytes() - before).toBeLessThan(2 * 1024 * 1024);
  expect(index.all()).toEqual([]);
});
