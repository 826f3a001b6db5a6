/** Log lines: one JSON object each, with the replica's name on it, and each thing told once. */
import { expect, it } from 'vitest';
import { KvError } from '../../src/errors.ts';
import { createLogger } from '../../src/server/logger.ts';

function collecting() {
  const lines: string[] = [];
  const stream = { write: (line: string) => void lines.push(line) };
  return { lines, logger: createLogger({ level: 'info', cluster: 'test', replica: 2, stream }) };
}

it('writes constant messages with fields, the replica on every line, from the level on', () => {
  const { lines, logger } = collecting();
  logger.debug('not written');
  logger.warn({ peer: 3 }, 'peer changed');
  expect(lines.map((line) => JSON.parse(line))).toEqual([
    expect.objectContaining({ level: 'warn', cluster: 'test', replica: 2, peer: 3, msg: 'peer changed' }),
  ]);
});

it('names the level, and tells the time as people read it', () => {
  const { lines, logger } = collecting();
  const before = new Date().toISOString();
  logger.info('serving');
  const { level, time } = JSON.parse(lines.join(''));
  expect(level).toBe('info');
  expect(time).toMatch(/^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}\.\d{3}Z$/);
  expect(time >= before && time <= new Date().toISOString()).toBe(true);
});

it('tells an error and its causes once, not again in every stack', () => {
  const { lines, logger } = collecting();
  const disk = Object.assign(new Error('ENOSPC: no space left'), { code: 'ENOSPC', syscall: 'write' });
  const store = new KvError('storageFailure', `cannot write the store: ${disk.message}`, { cause: disk });
  logger.fatal({ err: new Error('the loop met a failure', { cause: store }) }, 'the replica cannot go on');
  const [line = ''] = lines;
  const stack = expect.stringMatching(/^ {4}at /);
  expect(JSON.parse(line)).toMatchObject({
    level: 'fatal',
    msg: 'the replica cannot go on',
    err: {
      type: 'Error',
      message: 'the loop met a failure',
      stack,
      cause: { type: 'KvError', code: 'storageFailure', cause: { code: 'ENOSPC', syscall: 'write', stack } },
    },
  });
  for (const said of ['the loop met a failure', 'cannot write the store', 'ENOSPC: no space left']) {
    expect(line.split(said)).toHaveLength(2);
  }
});

it('takes for an error what is none', () => {
  const { lines, logger } = collecting();
  logger.error({ err: 'a text' }, 'effects could not be written');
  expect(JSON.parse(lines.join(''))).toMatchObject({ err: 'a text' });
});
