/** Teaches `expect` when two operations, or two commands, are equal: once, however many test files share this module. */
import { expect } from 'vitest';
import { isEqualCommand, isEqualOperation } from './operation-equality.ts';

expect.addEqualityTesters([isEqualOperation, isEqualCommand]);
