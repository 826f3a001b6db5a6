/** Operations and commands for tests of the core: an operation has a label, its keys are named. */
import {
  type Access,
  Command,
  EVERYTHING,
  type InstanceId,
  type Operation,
  Status,
} from '../../src/epaxos/index.ts';

interface Labelled extends Operation {
  readonly label: string;
}

/** A write of one or several keys: `put('a', 'x')` writes x, and is called a. */
export function put(label: string, ...keys: string[]): Operation {
  return touching(
    label,
    keys.map((key) => ({ key, writes: true })),
  );
}

/** A read of one or several keys. */
export function get(label: string, ...keys: string[]): Operation {
  return touching(
    label,
    keys.map((key) => ({ key, writes: false })),
  );
}

/** A write of everything. */
export function putAll(label: string): Operation {
  return put(label, EVERYTHING);
}

/** A read of everything. */
export function getAll(label: string): Operation {
  return get(label, EVERYTHING);
}

/** An operation that touches exactly these keys in these ways. */
export function touching(label: string, accesses: readonly Access[]): Operation {
  const operation: Labelled = { accesses, size: label.length, label };
  return operation;
}

/** One command with these operations. */
export function commandOf(...operations: Operation[]): Command {
  return new Command(operations);
}

export function labelOf(operation: Operation): string {
  if (!('label' in operation)) throw new Error('the operation has no label');
  return String(operation.label);
}

/** "a" or "a+b" for a command; "no-op" for null. */
export function nameOf(command: Command | null): string {
  return command === null ? 'no-op' : command.operations.map(labelOf).join('+');
}

/** {replica: 2, slot: 17} for "2.17". */
export function instance(name: string): InstanceId {
  const [replica, slot] = name.split('.').map(Number);
  if (!Number.isInteger(replica) || !Number.isInteger(slot)) throw new Error(`${name} names no instance`);
  return { replica: replica ?? 0, slot: slot ?? 0 };
}

/** "preAccepted" for 1. */
export function statusName(status: Status): string {
  const found = Object.entries(Status).find(([, value]) => value === status);
  if (found === undefined) throw new Error(`${status} is no status`);
  return found[0];
}

/** One instance as one replica knows it. */
export interface Look {
  readonly status: string;
  readonly ballot: number;
  readonly acceptedBallot: number;
  /** "a" for a command, "no-op", or null if nothing is known. */
  readonly value: string | null;
  readonly seq: number | null;
  readonly deps: readonly number[] | null;
}
