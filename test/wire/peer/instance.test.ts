/** Records of instances: round trips, and refusal of what no replica can hold. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { CLUSTER_SIZES, Command, type InstanceRecord, Status } from '../../../src/epaxos/index.ts';
import { asKvOperation, LIMITS } from '../../../src/kv/index.ts';
import { AssertionError } from '../../../src/util/assert.ts';
import {
  attributesFromWire,
  commandFromWire,
  commandToWire,
  decodeRecordApart,
  depsFromWire,
  encodeRecordApart,
  instanceIdFromWire,
  MAX_SLOT,
  recordFromWire,
  recordToWire,
  type WireRecord,
} from '../../../src/wire/index.ts';
import { putOperation } from '../../support/kv-operations.ts';
import { codeOf, decodesOrRefuses } from '../../support/refusals.ts';
import { readRecord, storeRecord } from '../../support/stored-record.ts';
import { anyCommand, anyInstanceId, anyRecord, encodedCommand } from '../arbitraries.ts';

const three = { replicas: 3 };
const bytesOf = ({ operations }: Command) => operations.map((each) => asKvOperation(each).bytes);
const request = { client: 'c'.repeat(16), sequence: 1, generation: 1 };

function put(valueBytes: number) {
  return putOperation({
    request,
    key: Buffer.from('key'),
    value: new Uint8Array(valueBytes),
    returnPrevious: false,
  });
}

/** An operation of exactly that many bytes, a large one. */
function operationOfSize(size: number): Uint8Array {
  const guess = size - 100;
  return put(guess + size - put(guess).bytes.length).bytes;
}

const committed: InstanceRecord = {
  id: { replica: 2, slot: 17 },
  status: Status.committed,
  ballot: 5,
  acceptedBallot: 0,
  command: new Command([put(3)]),
  noOp: false,
  attributes: { seq: 4, deps: [0, 16, 2] },
  initial: null,
  follower: 3,
};

describe('records', () => {
  test.each(CLUSTER_SIZES)('what was encoded is decoded (N = %d)', (replicas) => {
    fc.assert(
      fc.property(anyRecord(replicas), (record) => {
        expect(readRecord(storeRecord(record), { replicas })).toEqual(record);
      }),
    );
  });

  test('an executed record is stored as committed', () => {
    const decoded = readRecord(storeRecord({ ...committed, status: Status.executed }), three);
    expect(decoded).toEqual(committed);
  });

  test('operations keep their very bytes', () => {
    fc.assert(
      fc.property(anyCommand, (command) => {
        const bytes = commandToWire(command);
        const decoded = commandFromWire(bytes);
        expect(bytesOf(decoded)).toEqual(bytesOf(command));
        for (const each of bytesOf(decoded)) expect(each.buffer).toBe(bytes.buffer);
        expect(decoded.size).toBe(bytesOf(command).reduce((sum, { length }) => sum + length, 0));
      }),
    );
  });

  test('operations that were let go of are read again from the same bytes', () => {
    fc.assert(
      fc.property(anyCommand, (command) => {
        const bytes = commandToWire(command);
        const decoded = commandFromWire(bytes);
        const first = decoded.operations;
        expect(decoded.operations).toBe(first);
        decoded.letGoOfOperations();
        expect(decoded.operations).not.toBe(first);
        expect(decoded).toEqual(command);
        expect(commandToWire(decoded).equals(bytes)).toBe(true);
        command.letGoOfOperations(); // it was not read from bytes: it stays as it is
        expect(commandFromWire(commandToWire(command))).toEqual(command);
      }),
    );
  });

  test('a command that was let go of is had from where it is stored, each time, but for its size', () => {
    fc.assert(
      fc.property(anyCommand, fc.boolean(), (command, isReceived) => {
        const bytes = commandToWire(command);
        const kept = isReceived ? commandFromWire(bytes) : new Command(command.operations);
        const { accesses, size } = commandFromWire(bytes);
        let asked = 0;
        kept.letGo(() => {
          asked += 1;
          return commandFromWire(bytes);
        });
        expect([kept.size, asked]).toEqual([size, 0]);
        expect(commandToWire(kept)).toEqual(bytes);
        expect(kept.accesses).toEqual(accesses);
        expect(bytesOf(kept)).toEqual(bytesOf(command));
        const before = asked;
        kept.letGoOfOperations();
        expect(kept.operations).not.toBe(kept.operations);
        expect(asked).toBe(before + 2);
      }),
    );
  });

  test('a record of a cluster of another size is refused', () => {
    expect(codeOf(() => readRecord(storeRecord(committed), { replicas: 5 }))).toBe('invalidArgument');
  });

  const wire = recordToWire(committed);
  const bad: [string, Partial<WireRecord>][] = [
    ['no id', { id: null }],
    ['replica 0', { id: { replica: 0, slot: 1 } }],
    ['a replica over N', { id: { replica: 4, slot: 1 } }],
    ['slot 0', { id: { replica: 1, slot: 0 } }],
    ['a slot over the highest', { id: { replica: 1, slot: MAX_SLOT + 1 } }],
    ['the status executed', { status: Status.executed }],
    ['an unknown status', { status: 77 }],
    ['an unsafe ballot', { ballot: 2 ** 53 }],
    ['an unsafe accepted ballot', { acceptedBallot: 2 ** 64 }],
    ['a command without operations', { command: encodedCommand([]) }],
    ['an empty operation', { command: encodedCommand([new Uint8Array(0)]) }],
    ['a value without attributes', { attributes: null }],
    ['attributes without a value', { status: Status.none }],
    ['neither command nor no-op', { command: null }],
    ['an unsafe seq', { attributes: { seq: 2 ** 53, deps: [0, 0, 0] } }],
    ['too few deps', { attributes: { seq: 1, deps: [0, 0] } }],
    ['too many deps', { attributes: { seq: 1, deps: [0, 0, 0, 0] } }],
    ['deps over the highest slot', { attributes: { seq: 1, deps: [0, MAX_SLOT + 1, 0] } }],
    ['bad initial attributes', { initial: { seq: 1, deps: [] } }],
    ['a follower over N', { follower: 4 }],
  ];
  test.each(bad)('%s is refused', (_what, change) => {
    expect(codeOf(() => recordFromWire({ ...wire, ...change }, three))).toBe('invalidArgument');
  });

  test('what is missing altogether is refused', () => {
    expect(codeOf(() => recordFromWire(null, three))).toBe('invalidArgument');
    expect(codeOf(() => instanceIdFromWire(null, three))).toBe('invalidArgument');
    expect(codeOf(() => attributesFromWire(null, three))).toBe('invalidArgument');
    expect(codeOf(() => depsFromWire([], three))).toBe('invalidArgument');
  });

  test('ids and vectors that are in range are taken', () => {
    fc.assert(
      fc.property(anyInstanceId(7), (id) => {
        expect(instanceIdFromWire(id, { replicas: 7 })).toEqual(id);
      }),
    );
    expect(depsFromWire([0, 1, MAX_SLOT], three)).toEqual([0, 1, MAX_SLOT]);
  });

  test('a command may be as large as the limit says, and no larger', () => {
    const share = Math.floor(LIMITS.commandBytes / 5);
    const sizes = [share, share, share, share, LIMITS.commandBytes - 4 * share];
    const full = sizes.map(operationOfSize);
    expect(full.reduce((sum, bytes) => sum + bytes.length, 0)).toBe(LIMITS.commandBytes);
    expect(codeOf(() => commandFromWire(encodedCommand(full)))).toBe('none');
    expect(codeOf(() => commandFromWire(encodedCommand([...full, put(1).bytes])))).toBe('limitExceeded');
  });

  test('a record that could not be read back is not written', () => {
    expect(() => encodeRecordApart({ ...committed, attributes: null })).toThrow(AssertionError);
    expect(() => encodeRecordApart({ ...committed, command: null })).toThrow(AssertionError);
    expect(() => encodeRecordApart({ ...committed, status: Status.none })).toThrow(AssertionError);
  });

  test('every cut of a record is refused or reads as a record', () => {
    const { state, command } = storeRecord(committed);
    for (let length = 0; length < state.length; length++) {
      codeOf(() => readRecord({ state: state.subarray(0, length), command }, three));
    }
    expect(codeOf(() => readRecord({ state: state.subarray(0, 0), command }, three))).toBe('invalidArgument');
  });

  test('any bytes at all, and records with some bytes changed, are decoded or refused', () => {
    decodesOrRefuses((bytes) => decodeRecordApart(bytes, three), anyRecord(3).map(encodeRecordApart));
  });
});

describe('what could not be read back is not written', () => {
  const attributes = { seq: 1, deps: [0, 0, 0] };
  const good = {
    id: { replica: 2, slot: MAX_SLOT },
    status: Status.committed,
    ballot: Number.MAX_SAFE_INTEGER,
    acceptedBallot: 0,
    command: null,
    noOp: true,
    attributes: { seq: Number.MAX_SAFE_INTEGER, deps: [MAX_SLOT, 0, 1] },
    initial: attributes,
    follower: null,
  };
  const bad: [string, object][] = [
    ['a slot beyond the last', { id: { replica: 2, slot: MAX_SLOT + 1 } }],
    ['slot 0', { id: { replica: 2, slot: 0 } }],
    ['a ballot that is not exact', { ballot: 2 ** 53 }],
    ['an accepted ballot that is no number', { acceptedBallot: Number.NaN }],
    ['a seq that is not exact', { attributes: { ...attributes, seq: 2 ** 53 } }],
    ['deps beyond the last slot', { attributes: { ...attributes, deps: [0, MAX_SLOT + 1, 0] } }],
    ['initial deps below none', { initial: { ...attributes, deps: [0, 0, -1] } }],
    ['an initial seq that is a fraction', { initial: { ...attributes, seq: 0.5 } }],
  ];

  test('numbers at their limits are read back', () => {
    const read = decodeRecordApart(encodeRecordApart(good), { replicas: 3 }).withCommand(null);
    expect(read).toEqual(good);
  });

  test.each(bad)('%s', (_, fields) => {
    expect(() => encodeRecordApart({ ...good, ...fields })).toThrow(AssertionError);
  });
});
