/** The queue in front of a stream: what waits together leaves together, within bounds. */
import { EventEmitter } from 'node:events';
import { describe, expect, it } from 'vitest';
import { OutboundQueue } from '../../src/transport/outbound-queue.ts';

/** A stream that takes `room` frames and then asks to wait. */
class FakeStream extends EventEmitter {
  readonly frames: string[] = [];
  room: number;

  constructor(room: number) {
    super();
    this.room = room;
  }

  write(frame: Buffer): boolean {
    this.frames.push(frame.toString());
    this.room--;
    return this.room > 0;
  }

  drain(room: number): void {
    this.room = room;
    this.emit('drain');
  }
}

function setUp(room: number, limits: { messages?: number; bytes?: number; frame?: number } = {}) {
  const stream = new FakeStream(room);
  let dropped = 0;
  const queue = new OutboundQueue(stream, {
    limits: {
      queuedMessages: limits.messages ?? 1000,
      queuedBytes: limits.bytes ?? 1000,
      frameTargetBytes: limits.frame ?? 10,
    },
    onDropped: (count) => {
      dropped += count;
    },
  });
  return {
    stream,
    queue,
    dropped: () => dropped,
    push: (...messages: string[]) => {
      for (const message of messages) queue.push(Buffer.from(message));
    },
  };
}

describe('frames', () => {
  it('nothing leaves before the flush, then all of it in one frame', () => {
    const { stream, queue, push } = setUp(9);
    push('ab', 'cd', 'ef');
    expect(stream.frames).toEqual([]);
    queue.flush();
    expect(stream.frames).toEqual(['abcdef']);
    expect(queue.size).toBe(0);
  });

  it('are filled up to their target size', () => {
    const { stream, queue, push } = setUp(9);
    push('aaaa', 'bbbb', 'cccc', 'dd', 'eeee');
    queue.flush();
    expect(stream.frames).toEqual(['aaaabbbb', 'ccccddeeee']);
  });

  it('a message over the target size goes alone', () => {
    const { stream, queue, push } = setUp(9);
    push('a', 'bbbbbbbbbbbbbbb', 'c');
    queue.flush();
    expect(stream.frames).toEqual(['a', 'bbbbbbbbbbbbbbb', 'c']);
  });
});

describe('a stream that asks to wait', () => {
  it('gets no more until it drains, and then what came meanwhile, together', () => {
    const { stream, queue, push } = setUp(1);
    push('a');
    queue.flush();
    push('b');
    queue.flush();
    push('c');
    queue.flush();
    expect(stream.frames).toEqual(['a']);
    stream.drain(9);
    expect(stream.frames).toEqual(['a', 'bc']);
    push('d');
    queue.flush();
    expect(stream.frames).toEqual(['a', 'bc', 'd']);
  });

  it('is listened to once, however often it is flushed', () => {
    const { stream, queue, push } = setUp(1);
    for (const message of ['a', 'b', 'c']) {
      push(message);
      queue.flush();
    }
    expect(stream.listenerCount('drain')).toBe(1);
  });

  it('loses the oldest beyond the number of messages', () => {
    const { stream, queue, push, dropped } = setUp(1, { messages: 2 });
    push('a');
    queue.flush();
    push('b', 'c', 'd', 'e');
    expect(dropped()).toBe(2);
    stream.drain(9);
    expect(stream.frames).toEqual(['a', 'de']);
  });

  it('loses the oldest beyond the number of bytes', () => {
    const { stream, queue, push, dropped } = setUp(1, { bytes: 4 });
    push('a');
    queue.flush();
    push('bb', 'cc', 'ddd');
    expect(dropped()).toBe(2);
    stream.drain(9);
    expect(stream.frames).toEqual(['a', 'ddd']);
  });
});

it('a message that is larger than the whole queue is dropped, and nothing else is', () => {
  const { stream, queue, push, dropped } = setUp(9, { bytes: 4 });
  push('aa', 'bbbbb', 'cc');
  queue.flush();
  expect(stream.frames).toEqual(['aacc']);
  expect(dropped()).toBe(1);
});

it('many messages keep their order and are all accounted for', () => {
  const { stream, queue, push, dropped } = setUp(1, { messages: 3000, bytes: 1_000_000, frame: 4 });
  push('first');
  queue.flush();
  const messages = Array.from({ length: 5000 }, (_, index) => String(index).padStart(4, '0'));
  push(...messages);
  expect(dropped()).toBe(2000);
  expect(queue.size).toBe(3000);
  stream.drain(10_000);
  expect(stream.frames).toEqual(['first', ...messages.slice(2000)]);
});

it('a closed queue counts what waited and what still comes as dropped', () => {
  const { stream, queue, push, dropped } = setUp(1);
  push('a');
  queue.flush();
  push('b', 'c');
  queue.close();
  queue.close();
  expect(dropped()).toBe(2);
  push('d');
  queue.flush();
  stream.drain(9);
  expect(dropped()).toBe(3);
  expect(stream.frames).toEqual(['a']);
});
