/** Log lines and a reader that stalls, or a disk that is full: neither is waited for, and what is lost is told. */
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { LOG_LIMITS, LogWriter } from '../../src/server/log-writer.ts';

/** Stands for standard error: it takes as many bytes as it is allowed. */
class Reader {
  room = Number.POSITIVE_INFINITY;
  attempts = 0;
  #taken = '';

  readonly writeNow = (bytes: Uint8Array): number => {
    this.attempts += 1;
    if (this.room === 0) throw Object.assign(new Error('EAGAIN'), { code: 'EAGAIN' });
    const taken = Math.min(this.room, bytes.length);
    this.room -= taken;
    this.#taken += Buffer.from(bytes.subarray(0, taken)).toString();
    return taken;
  };

  get lines(): string[] {
    return this.#taken.split('\n').slice(0, -1);
  }
}

let reader: Reader;
let writer: LogWriter;
beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
  reader = new Reader();
  writer = new LogWriter({
    writeNow: reader.writeNow,
    onDropped: (lines) => writer.write(`dropped ${lines}\n`),
  });
});
afterEach(() => vi.useRealTimers());

const KIB = 'x'.repeat(1023);
const FULL = LOG_LIMITS.waitingBytes / 1024;

it('writes a line at once', () => {
  writer.write('one\n');
  expect(reader.lines).toEqual(['one']);
});

it('writes what waits when it is read again, in order, cut lines completed', () => {
  reader.room = 6;
  for (const line of ['one\n', 'two\n', 'three\n']) writer.write(line);
  expect(reader.lines).toEqual(['one']);
  reader.room = Number.POSITIVE_INFINITY;
  writer.write('four\n');
  vi.advanceTimersByTime(LOG_LIMITS.retryMs);
  expect(reader.lines).toEqual(['one', 'two', 'three', 'four']);
});

it('does not try at every line while nobody reads', () => {
  reader.room = 0;
  for (let line = 0; line < 1000; line += 1) writer.write('a line\n');
  expect(reader.attempts).toBe(1);
  vi.advanceTimersByTime(10 * LOG_LIMITS.retryMs);
  expect(reader.attempts).toBe(11);
});

it('keeps no more than its limit, and tells how many lines are missing behind those that it kept', () => {
  reader.room = 0;
  for (let line = 0; line < FULL + 7; line += 1) writer.write(`${KIB}\n`);
  reader.room = Number.POSITIVE_INFINITY;
  vi.advanceTimersByTime(LOG_LIMITS.retryMs);
  expect(reader.lines).toHaveLength(FULL + 1);
  expect(reader.lines.at(-1)).toBe('dropped 7');
  writer.write('on\n');
  expect(reader.lines.at(-1)).toBe('on');
});

it('tells of lost lines before the next line, also if its reader is always behind', () => {
  reader.room = 0;
  for (let line = 0; line < FULL + 5; line += 1) writer.write(`${KIB}\n`);
  reader.room = LOG_LIMITS.waitingBytes * 0.6;
  vi.advanceTimersByTime(LOG_LIMITS.retryMs);
  writer.write('next\n');
  reader.room = Number.POSITIVE_INFINITY;
  vi.advanceTimersByTime(LOG_LIMITS.retryMs);
  expect(reader.lines.slice(-2)).toEqual(['dropped 5', 'next']);
});

it('at the end of the process waits for a reader, but not for ever', () => {
  reader.room = 0;
  writer.write('the last line\n');
  writer.flushAtExit();
  expect(reader.lines).toEqual([]);
  reader.room = Number.POSITIVE_INFINITY;
  writer.flushAtExit();
  expect(reader.lines).toEqual(['the last line']);
});
