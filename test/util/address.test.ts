/** What is an address. */
import { expect, it } from 'vitest';
import { isAddress } from '../../src/util/address.ts';

it.each([
  'a:1',
  'db-1.example.org:65535',
  '127.0.0.1:7001',
  '[::1]:7001',
  '[fe80::1%eth0]:1',
  '[::ffff:1.2.3.4]:1',
])('%s is one', (text) => expect(isAddress(text, 1)).toBe(true));

it.each([
  '',
  'a',
  'a:',
  ':1',
  'a:65536',
  'a:100000',
  'a:-1',
  'a:1x',
  'a:1:2',
  ' a:1',
  'a:1 ',
  'a b:1',
  'http://a:1',
  'user@a:1',
  '1=a:1',
  'a,b:1',
  '::1:7001',
  '[a]b:1',
  '[g::1]:1',
])('%j is none', (text) => expect(isAddress(text, 1)).toBe(false));

it('port 0 is one to listen at', () => {
  expect([isAddress('a:0', 0), isAddress('a:0', 1)]).toEqual([true, false]);
});
