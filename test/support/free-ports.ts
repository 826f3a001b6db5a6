/** Ports for real processes, which have to know their own before they start. */
import { randomInt } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:net';

/**
 * Below the range from which systems give ports to outgoing connections: nobody takes one of ours while the
 * replica that listens there is down.
 */
const LOWEST = 10_000;
const HIGHEST = 32_000;

/** The first of `count` ports in a row on which nobody listens. */
export async function freeBasePort(count: number): Promise<number> {
  for (;;) {
    const base = randomInt(LOWEST, HIGHEST - count);
    const ports = Array.from({ length: count }, (_, index) => base + index);
    const free = await Promise.all(ports.map(isFree));
    if (free.every(Boolean)) return base;
  }
}

/** Whether somebody could listen on a port of the loopback address now. */
export async function isFree(port: number): Promise<boolean> {
  const probe = createServer();
  try {
    probe.listen(port, '127.0.0.1');
    await once(probe, 'listening');
  } catch {
    return false;
  }
  probe.close();
  await once(probe, 'close');
  return true;
}
