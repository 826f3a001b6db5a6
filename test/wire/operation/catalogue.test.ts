/** The bytes of every kind of operation are read into what its line in the catalogue says (R8.3). */
import { expect, test } from 'vitest';
import { EVERYTHING } from '../../../src/epaxos/index.ts';
import { type KindName, type KvOperation, OPERATIONS } from '../../../src/kv/index.ts';
import {
  advanceOperation,
  decodeOperation,
  encodeDelete,
  encodeGet,
  encodeMultiGet,
  encodePut,
} from '../../../src/wire/index.ts';

const name = { client: Buffer.alloc(16, 1), sequence: 1, generation: 1 };
const [one, other] = [Buffer.from('one'), Buffer.from('other')];
const returnPrevious = false;

const SAMPLES: { readonly [Name in KindName]: KvOperation } = {
  put: decodeOperation(encodePut({ ...name, key: one, value: other, returnPrevious })),
  get: decodeOperation(encodeGet({ ...name, key: one })),
  delete: decodeOperation(encodeDelete({ ...name, key: one, returnPrevious })),
  multiGet: decodeOperation(encodeMultiGet({ ...name, keys: [one, other] })),
  advance: advanceOperation(1),
};
const TOUCHED = { key: ['one'], keys: ['one', 'other'], everything: [EVERYTHING] };

test.each(Object.entries(SAMPLES) as [KindName, KvOperation][])('a %s', (kind, operation) => {
  const { touches, role } = OPERATIONS[kind];
  expect(operation.kind).toBe(kind);
  expect(operation.key).toBe(TOUCHED[touches][0]);
  expect(operation.accesses.map(({ key, writes }) => ({ key, writes }))).toEqual(
    TOUCHED[touches].map((key) => ({ key, writes: role !== 'read' })),
  );
});
