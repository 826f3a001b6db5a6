/**
 * What must hold in every state, of all that was ever seen anywhere: a crash takes no promise back.
 * Each check looks at values only, and at nothing that the core computes for itself.
 */
import {
  type Access,
  type Command,
  EVERYTHING,
  formatInstance,
  type InstanceId,
  type InstanceKey,
  instanceKey,
  instanceOfKey,
} from '../../src/epaxos/index.ts';
import { checkEffects } from './effects.ts';
import type { CommittedValue, History } from './machine.ts';
import type { Model } from './model.ts';
import { Violation } from './violation.ts';

/** The part of a machine's history that the properties speak of. */
export type Facts = Pick<History, 'committed' | 'logs' | 'proposals'>;

/** Where replicas meet: every committed value, and who submitted what after what. */
interface Whole {
  readonly model: Model;
  readonly committed: ReadonlyMap<InstanceKey, CommittedValue>;
  /** By command's label: the instances that were committed before it was submitted, as a mask. */
  readonly submitted: ReadonlyMap<string, number>;
}

/** @throws Violation */
export function checkProperties(model: Model, facts: readonly Facts[]): void {
  const whole: Whole = {
    model,
    committed: checkAgreement(model, facts),
    submitted: submissions(model, facts),
  };
  checkNontriviality(whole);
  checkVisibility(whole);
  // At N ≥ 5 a recovery may choose attributes older than what was committed since.
  if (model.world.replicas === 3) checkRealTime(whole);
  checkExecutionOrder(
    whole,
    facts.flatMap(({ logs }) => logs),
  );
  if (model.world.commands.some(({ operation }) => operation !== undefined)) {
    checkEffects(model, whole.committed, facts);
  }
}

function checkAgreement(model: Model, facts: readonly Facts[]): Map<InstanceKey, CommittedValue> {
  const all = new Map<InstanceKey, CommittedValue>();
  for (const { committed } of facts) {
    for (const [key, value] of committed) {
      const other = all.get(key);
      if (other === undefined) all.set(key, value);
      else if (describeValue(model, other) !== describeValue(model, value)) {
        throw new Violation(
          'agreement',
          `${nameOf(key)} is committed as ${describeValue(model, other)} and as ${describeValue(model, value)}`,
        );
      }
    }
  }
  return all;
}

function submissions(model: Model, facts: readonly Facts[]): Map<string, number> {
  const submitted = new Map<string, number>();
  for (const { proposals } of facts) {
    for (const [command, before] of proposals)
      submitted.set(model.world.commands[command]?.label ?? '', before);
  }
  return submitted;
}

function checkNontriviality({ model, committed, submitted }: Whole): void {
  for (const [key, { command }] of committed) {
    for (const label of command === null ? [] : labelsOf(model, command)) {
      if (!submitted.has(label))
        throw new Violation(
          'nontriviality',
          `${nameOf(key)} is committed as ${label}, which nobody proposed`,
        );
    }
  }
}

function checkVisibility({ committed }: Whole): void {
  for (const [one, left] of committed) {
    for (const [other, right] of committed) {
      if (one >= other || !interfere(left, right) || includes(left, other) || includes(right, one)) continue;
      throw new Violation(
        'visibility',
        `${nameOf(one)} and ${nameOf(other)} interfere, and neither is in the other's deps`,
      );
    }
  }
}

function checkRealTime({ model, committed, submitted }: Whole): void {
  for (const [key, value] of committed) {
    for (const label of value.command === null ? [] : labelsOf(model, value.command)) {
      const before = submitted.get(label) ?? 0;
      model.instances.forEach((id, bit) => {
        const earlier = committed.get(instanceKey(id));
        if (!((before >> bit) & 1) || earlier === undefined || !interfere(earlier, value)) return;
        if (includes(value, instanceKey(id)) && earlier.attributes.seq < value.attributes.seq) return;
        throw new Violation(
          'realTime',
          `${formatInstance(id)} was committed before ${label} was submitted, and ${nameOf(key)} is not after it`,
        );
      });
    }
  }
}

/** No two replicas, and no replica before and after a crash, execute interfering commands in different orders. */
function checkExecutionOrder({ committed }: Whole, logs: readonly (readonly InstanceKey[])[]): void {
  const first = new Set<string>();
  for (const log of logs) {
    log.forEach((later, index) => {
      for (const earlier of log.slice(0, index)) {
        const [left, right] = [committed.get(earlier), committed.get(later)];
        if (left === undefined || right === undefined || !interfere(left, right)) continue;
        if (first.has(`${later} ${earlier}`)) {
          throw new Violation(
            'executionOrder',
            `${nameOf(earlier)} and ${nameOf(later)} are executed in both orders`,
          );
        }
        first.add(`${earlier} ${later}`);
      }
    });
  }
}

/** R2.1, R2.8, told anew: the checker does not ask the core what interferes. */
function interfere(left: CommittedValue, right: CommittedValue): boolean {
  const accesses = (value: CommittedValue) =>
    value.command?.operations.flatMap((operation) => operation.accesses) ?? [];
  return accesses(left).some((one) =>
    accesses(right).some((other) => meet(one, other) && (one.writes || other.writes)),
  );
}

function meet(one: Access, other: Access): boolean {
  return one.key === other.key || one.key === EVERYTHING || other.key === EVERYTHING;
}

function includes({ attributes }: CommittedValue, key: InstanceKey): boolean {
  const { replica, slot }: InstanceId = instanceOfKey(key);
  return slot <= (attributes.deps[replica - 1] ?? 0);
}

function labelsOf(model: Model, command: Command): string[] {
  return command.operations.map((operation) => model.names.get(operation) ?? 'something unknown');
}

function describeValue(model: Model, { command, attributes }: CommittedValue): string {
  const what = command === null ? 'no-op' : labelsOf(model, command).join('+');
  return `${what} seq ${attributes.seq} deps ${attributes.deps.join(',')}`;
}

function nameOf(key: InstanceKey): string {
  return formatInstance(instanceOfKey(key));
}
