/** Steps in words, for traces. */
import { formatInstance, type Message, type ReplicaId } from '../../src/epaxos/index.ts';
import { canonical } from './canonical.ts';
import type { Input } from './machine.ts';
import type { Model } from './model.ts';

export function describeInput(model: Model, at: ReplicaId, input: Input): string {
  const instance = (bit: number) => {
    const id = model.instances[bit];
    return id === undefined ? '?' : formatInstance(id);
  };
  switch (input.type) {
    case 'propose': {
      const label = model.world.commands[input.command]?.label;
      const designating = input.follower === null ? '' : `, designating ${input.follower}`;
      const dying = input.dies === null ? '' : ', crashes while writing it, and restarts';
      return `${at} proposes ${label}${designating}${dying}`;
    }
    case 'deliver':
      return `${input.from}→${at} ${describeMessage(model, input.message)}`;
    case 'answer':
      return `${at} answers what it was asked without being the follower`;
    case 'expire':
      return `${at} loses patience with the fast path of ${instance(input.bit)}`;
    case 'recover':
      return `${at} begins to recover ${instance(input.bit)}`;
    case 'crash':
      return `${at} crashes, keeping ${input.kept} unsynced batches, and restarts`;
  }
}

function describeMessage(model: Model, message: Message): string {
  const parts: string[] = [message.type];
  if ('id' in message) parts.push(formatInstance(message.id));
  for (const [field, value] of Object.entries(message)) {
    if (field === 'type' || field === 'id') continue;
    parts.push(`${field} ${value === null && field === 'command' ? 'no-op' : canonical(value, model.names)}`);
  }
  return parts.join(' ');
}
