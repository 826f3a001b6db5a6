/** A proposer at work without a replica: its batches are opened as instances, and closed by the test. */
import { expect } from 'vitest';
import { Proposal } from '../../src/epaxos/agreement/proposal.ts';
import { Proposer } from '../../src/epaxos/agreement/proposer.ts';
import { InterferenceIndex } from '../../src/epaxos/conflicts/interference.ts';
import {
  Command,
  DEFAULT_LIMITS,
  type InstanceId,
  type Limits,
  type Operation,
} from '../../src/epaxos/index.ts';
import { labelOf, nameOf } from './core-operations.ts';

/** A proposer, and the instances that a coordinator would open with what it gives. */
export class ProposerBench {
  readonly proposer: Proposer;
  readonly index = new InterferenceIndex(3);
  readonly open = new Map<number, Command>();
  /** The labels of everything that was proposed, in order. */
  readonly proposed: string[] = [];
  #slot = 0;

  constructor(limits: Partial<Limits> = {}) {
    this.proposer = new Proposer(
      { ...DEFAULT_LIMITS, instancesPerTurn: 1, interferingInstances: 1, ...limits },
      this.index,
    );
  }

  add(...operations: Operation[]): void {
    for (const operation of operations) expect(this.offer(operation)).not.toBeNull();
  }

  /** Null: it is refused. */
  offer(operation: Operation): Proposal | null {
    const proposal = new Proposal(operation);
    return this.proposer.add(proposal) ? proposal : null;
  }

  /** Adds an operation that will be taken back. */
  addOne(operation: Operation): Proposal {
    return this.offer(operation) ?? expect.fail('it is refused');
  }

  /** One turn: opens instances with the batches. Returns their names. */
  turn(): string[] {
    return this.proposer.takeBatches().map((batch) => {
      const { touches } = batch;
      const command = new Command(batch.operations);
      expect(touches.entries.map(({ key }, place) => ({ key, writes: touches.writes[place] }))).toEqual(
        command.accesses,
      );
      expect(touches.entries.every((entry) => entry === this.index.enter(entry.key))).toBe(true);
      this.#slot += 1;
      this.open.set(this.#slot, command);
      this.proposer.opened(this.#id(this.#slot), batch);
      this.proposed.push(...command.operations.map(labelOf));
      return nameOf(command);
    });
  }

  /** The instance in this slot is executed, or has become a no-op. */
  close(slot: number, outcome: 'executed' | 'no-op' = 'executed'): boolean {
    this.open.delete(slot);
    return this.proposer.closed(this.#id(slot), { again: outcome === 'no-op' });
  }

  #id(slot: number): InstanceId {
    return { replica: 1, slot };
  }
}
