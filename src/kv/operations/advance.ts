/** Ends a generation (R7.12). */
import type { ControlKind, OperationBase } from './operation-kind.ts';

export interface AdvanceOperation extends OperationBase {
  readonly kind: 'advance';
  /** ≥ 1: the generation that it ends; void in any other. */
  readonly generation: number;
}

export const ADVANCE: ControlKind<AdvanceOperation> = {
  role: 'control',
  touches: 'everything',
  apply({ sessions }, { generation }) {
    sessions.advance(generation);
    return { version: 0, value: null, previousVersion: 0 };
  },
};
