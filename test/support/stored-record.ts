/** A record of an instance as a store holds it: its command apart from the rest. */
import type { InstanceRecord } from '../../src/epaxos/index.ts';
import {
  commandFromWire,
  commandToWire,
  type DecodeContext,
  decodeRecordApart,
  encodeRecordApart,
} from '../../src/wire/index.ts';

export interface StoredRecord {
  readonly state: Uint8Array;
  readonly command: Uint8Array | null;
}

export function storeRecord(record: InstanceRecord): StoredRecord {
  return { state: encodeRecordApart(record), command: record.command && commandToWire(record.command) };
}

/** @throws KvError invalidArgument or limitExceeded */
export function readRecord({ state, command }: StoredRecord, context: DecodeContext): InstanceRecord {
  return decodeRecordApart(state, context).withCommand(command && commandFromWire(command));
}
