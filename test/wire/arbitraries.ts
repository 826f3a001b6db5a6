/** Generators of valid values, for the properties of the codecs. */
import fc from 'fast-check';
import {
  type Attributes,
  Command,
  type InstanceId,
  type InstanceRecord,
  Status,
} from '../../src/epaxos/index.ts';
import { type KvOperation, LIMITS, type OperationResult, type RequestId } from '../../src/kv/index.ts';
import { keyToString, MAX_SLOT, messageCodec } from '../../src/wire/index.ts';
import { deleteOperation, getOperation, multiGetOperation, putOperation } from '../support/kv-operations.ts';

export const anySequence = fc.oneof(
  fc.integer({ min: 1, max: 200 }),
  fc.maxSafeInteger().filter((value) => value >= 1),
  fc.constantFrom(2 ** 32 - 1, 2 ** 32, Number.MAX_SAFE_INTEGER),
);

export const anyRequest: fc.Arbitrary<RequestId> = fc.record({
  client: fc.uint8Array({ minLength: 16, maxLength: 16 }).map(keyToString),
  sequence: anySequence,
  generation: fc.oneof(fc.constant(0), anySequence),
});

export const anyKey = fc.oneof(
  { weight: 20, arbitrary: fc.uint8Array({ minLength: 1, maxLength: 40 }) },
  { weight: 1, arbitrary: fc.constant(new Uint8Array(LIMITS.keyBytes).fill(0xff)) },
);

const commandType = messageCodec<{ readonly operations: readonly Uint8Array[] }>('Command');

/** A command as bytes, whatever its operations hold. */
export function encodedCommand(operations: readonly Uint8Array[]): Buffer {
  return commandType.encode({ operations });
}

export const anyKeys = fc.oneof(
  { weight: 20, arbitrary: fc.array(anyKey, { minLength: 1, maxLength: 5 }) },
  { weight: 1, arbitrary: fc.constant(new Array<Uint8Array>(LIMITS.multiGetKeys).fill(Buffer.from('k'))) },
);

const anyValue = fc.uint8Array({ maxLength: 300 });

export const anyOperation: fc.Arbitrary<KvOperation> = fc.oneof(
  fc
    .record({
      request: anyRequest,
      key: anyKey,
      value: anyValue,
      returnPrevious: fc.boolean(),
      unrecorded: fc.boolean(),
    })
    .map(putOperation),
  fc.record({ request: anyRequest, key: anyKey }).map(getOperation),
  fc
    .record({ request: anyRequest, key: anyKey, returnPrevious: fc.boolean(), unrecorded: fc.boolean() })
    .map(deleteOperation),
  fc.record({ request: anyRequest, keys: anyKeys }).map(multiGetOperation),
);

export const anyCommand: fc.Arbitrary<Command> = fc
  .array(anyOperation, { minLength: 1, maxLength: 5 })
  .map((operations) => new Command(operations));

export const anySlot = fc.oneof(
  fc.integer({ min: 1, max: 300 }),
  fc.constantFrom(2 ** 32 - 1, 2 ** 32, MAX_SLOT - 1, MAX_SLOT),
);

export function anyInstanceId(replicas: number): fc.Arbitrary<InstanceId> {
  return fc.record({ replica: fc.integer({ min: 1, max: replicas }), slot: anySlot });
}

export function anyAttributes(replicas: number): fc.Arbitrary<Attributes> {
  return fc.record({
    seq: fc.oneof(fc.constant(0), anySequence),
    deps: fc.array(fc.oneof(fc.constant(0), anySlot), { minLength: replicas, maxLength: replicas }),
  });
}

/** Any record that a replica can hold, but for the status `executed`, which is stored apart. */
export function anyRecord(replicas: number): fc.Arbitrary<InstanceRecord> {
  const common = {
    id: anyInstanceId(replicas),
    ballot: fc.oneof(fc.constant(0), anySequence),
    acceptedBallot: fc.oneof(fc.constant(0), anySequence),
    initial: fc.option(anyAttributes(replicas)),
    follower: fc.option(fc.integer({ min: 1, max: replicas })),
  };
  const untouched: fc.Arbitrary<InstanceRecord> = fc.record({
    ...common,
    status: fc.constant(Status.none),
    command: fc.option(anyCommand),
    noOp: fc.constant(false),
    attributes: fc.constant(null),
  });
  const status = fc.constantFrom(Status.preAccepted, Status.accepted, Status.committed);
  const attributes = anyAttributes(replicas);
  const value: fc.Arbitrary<InstanceRecord> = fc.record({
    ...common,
    status,
    attributes,
    command: anyCommand,
    noOp: fc.constant(false),
  });
  const noOp: fc.Arbitrary<InstanceRecord> = fc.record({
    ...common,
    status,
    attributes,
    command: fc.option(anyCommand),
    noOp: fc.constant(true),
  });
  return fc.oneof(untouched, value, noOp);
}

export const anyResult: fc.Arbitrary<OperationResult> = fc.record({
  version: fc.oneof(fc.constant(0), anySequence),
  value: fc.option(anyValue),
  previousVersion: fc.oneof(fc.constant(0), anySequence),
});
