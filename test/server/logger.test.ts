/** Log lines: one JSON object each, with the replica's name on it. */
import { expect, it } from 'vitest';
import { createLogger } from '../../src/server/logger.ts';

it('writes constant messages with fields, the replica on every line, from the level on', () => {
  const lines: string[] = [];
  const stream = { write: (line: string) => void lines.push(line) };
  const logger = createLogger({ level: 'info', cluster: 'test', replica: 2, stream });
  logger.debug('not written');
  logger.warn({ peer: 3 }, 'peer changed');
  expect(lines.map((line) => JSON.parse(line))).toEqual([
    expect.objectContaining({ level: 40, cluster: 'test', replica: 2, peer: 3, msg: 'peer changed' }),
  ]);
});
