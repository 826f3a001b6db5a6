/** The messages of a CoreCluster that are on their way: choosing among them, and telling them in words. */
import {
  type Envelope,
  formatInstance,
  type Message,
  type MessageType,
  type ReplicaId,
} from '../../src/epaxos/index.ts';
import { nameOf } from './core-operations.ts';

/** Selects messages in flight; what is left out does not matter. */
export interface Filter {
  readonly from?: ReplicaId | readonly ReplicaId[];
  readonly to?: ReplicaId | readonly ReplicaId[];
  readonly type?: MessageType | readonly MessageType[];
  /** The instance it is about, as in "1.3". */
  readonly about?: string;
}

export interface Flight extends Envelope {
  readonly from: ReplicaId;
  /** How many calls of `advance` there were before it was sent. */
  readonly sentAt: number;
}

/** True if a filter selects the message. */
export function matches({ from, to, message }: Flight, filter: Filter): boolean {
  const fits = <T>(value: T, wanted: T | readonly T[] | undefined) =>
    wanted === undefined || (Array.isArray(wanted) ? wanted.includes(value) : value === wanted);
  return (
    fits(from, filter.from) &&
    fits(to, filter.to) &&
    fits(message.type, filter.type) &&
    (filter.about === undefined || subjectOf(message) === filter.about)
  );
}

function subjectOf(message: Message): string | null {
  if (message.type === 'prepareReply') return formatInstance(message.record.id);
  return 'id' in message ? formatInstance(message.id) : null;
}

/** One line: "1→2 preAccept 1.1 a seq 1 deps 0,0,0". */
export function describeFlight({ from, to, message }: Flight): string {
  const parts = [`${from}→${to}`, message.type, subjectOf(message)];
  if ('ballot' in message) parts.push(`ballot ${message.ballot}`);
  if ('command' in message) parts.push(message.command === 'sent' ? 'sent' : nameOf(message.command));
  if ('attributes' in message) parts.push(`seq ${message.attributes.seq} deps ${message.attributes.deps}`);
  return parts.filter((part) => part !== null).join(' ');
}
