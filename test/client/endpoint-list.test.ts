/** Lists of endpoints as people type them. */
import { describe, expect, it } from 'vitest';
import { parseEndpoints } from '../../src/client/index.ts';

describe('parseEndpoints', () => {
  it('takes a list in a string or in an array, each endpoint once, in order', () => {
    expect(parseEndpoints('b:2, a:1,,b:2')).toEqual(['b:2', 'a:1']);
    expect(parseEndpoints(['[::1]:7001', 'db-1.example.org:65535'])).toEqual([
      '[::1]:7001',
      'db-1.example.org:65535',
    ]);
  });

  it.each([
    '',
    ',',
    'a',
    'a:',
    ':1',
    'a:0',
    'a:65536',
    'a:1x',
    'http://a:1',
    '::1:7001',
    'a b:1',
    [],
    ['a:1', 'b'],
  ])('refuses %j', (list) => {
    expect(() => parseEndpoints(list)).toThrow(expect.objectContaining({ code: 'invalidArgument' }));
  });
});
