/** The table from errors to exit codes. */
import { CommanderError } from 'commander';
import { describe, expect, it } from 'vitest';
import { exitCodeOf } from '../../src/cli/exit-codes.ts';
import { ERROR_CODES, type ErrorCode, KvError } from '../../src/errors.ts';

describe('exitCodeOf', () => {
  const expected: Readonly<Record<ErrorCode, number>> = {
    invalidArgument: 3,
    limitExceeded: 3,
    badConfiguration: 3,
    requestTooOld: 1,
    unreachable: 2,
    connectionLost: 2,
    shuttingDown: 2,
    deadlineExceeded: 1,
    noQuorum: 1,
    overloaded: 1,
    cancelled: 1,
    addressInUse: 1,
    dataDirectoryLocked: 1,
    dataDirectoryMismatch: 1,
    storageFailure: 1,
    peerMismatch: 1,
    internal: 1,
  };

  it.each(Object.keys(ERROR_CODES) as ErrorCode[])('knows %s', (code) => {
    expect(exitCodeOf(new KvError(code, 'm'))).toBe(expected[code]);
    expect(exitCodeOf(new KvError(code, 'm', { outcome: 'notApplied' }))).toBe(expected[code]);
    expect(exitCodeOf(new KvError(code, 'm', { outcome: 'unknown' }))).toBe(6);
  });

  it('tells usage, bad values, help and everything else apart', () => {
    expect(exitCodeOf(new CommanderError(1, 'commander.unknownOption', 'm'))).toBe(64);
    expect(exitCodeOf(new CommanderError(1, 'commander.invalidArgument', 'm'))).toBe(3);
    expect(exitCodeOf(new CommanderError(0, 'commander.helpDisplayed', 'm'))).toBe(0);
    expect(exitCodeOf(new Error('m'))).toBe(1);
    expect(exitCodeOf('m')).toBe(1);
  });
});
