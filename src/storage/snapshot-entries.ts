/**
 * Which entries another replica's snapshot may hold, and in what order. What is installed is read back when a core begins from
 * it, and nothing can be done about it then; so whatever could not be read is refused as it arrives.
 */

import { formatInstance, type Pruned, Status } from '../epaxos/index.ts';
import {
  commandFromWire,
  decodeRecordApart,
  malformed,
  type RecordApart,
  type SnapshotEntry,
} from '../wire/index.ts';
import { decodeAnswers } from './answer-codec.ts';
import { decodeGeneration } from './generation-codec.ts';
import { isRecordKey, kindOf, parseAnswersKey, parseInstanceKey, parseRowKey } from './keys.ts';
import { decodeRow } from './row-codec.ts';

/** Takes the entries one after another. */
export class EntryChecker {
  readonly #pruned: Pruned;
  readonly #replicas: number;
  #last: Uint8Array;
  /** The record that came last: its command, if it has one, is the next entry. */
  #record: RecordApart | null;

  constructor(options: {
    /** The entry before the first one to check; without a key if there is none. The value counts where it is a record. */
    readonly last: SnapshotEntry;
    /** The sender's. */
    readonly pruned: Pruned;
    /** N. */
    readonly replicas: number;
  }) {
    const { last, pruned, replicas } = options;
    this.#pruned = pruned;
    this.#replicas = replicas;
    this.#last = last.key;
    this.#record = isRecordKey(last.key) ? decodeRecordApart(last.value, { replicas }) : null;
  }

  /** @throws KvError invalidArgument unless it is an entry of a snapshot, and may come behind those before */
  check({ key, value }: SnapshotEntry): void {
    if (Buffer.compare(this.#last, key) >= 0) throw malformed('the entries of a snapshot are out of order');
    this.#last = key;
    const place = kindOf(key) === 'instance' ? parseInstanceKey(key) : undefined;
    if (place?.part === 'command') {
      this.#checkCommand(formatInstance(place.id), value);
      return;
    }
    this.end();
    switch (kindOf(key)) {
      case 'instance':
        if (place?.part !== 'record') {
          throw malformed('a snapshot holds a part of an instance that does not belong there');
        }
        this.#record = this.#checkRecord(place.id, value);
        return;
      case 'answers': {
        const id = parseAnswersKey(key);
        if (id === undefined) throw malformed('a snapshot holds answers without a name');
        decodeAnswers(id, value);
        return;
      }
      case 'row':
        if (!parseRowKey(key)) throw malformed('a snapshot holds a row without a key');
        decodeRow(value);
        return;
      case 'generation':
        decodeGeneration(value);
        return;
      default:
        throw malformed(`a snapshot holds an entry of another kind, ${Buffer.from(key).toString('hex')}`);
    }
  }

  /** @throws KvError invalidArgument if the last entry is a record that lacks its command */
  end(): void {
    this.#record?.withCommand(null);
    this.#record = null;
  }

  #checkRecord(id: { readonly replica: number; readonly slot: number }, value: Uint8Array): RecordApart {
    if (id.slot <= (this.#pruned.pruned[id.replica - 1] ?? 0)) {
      throw malformed('a snapshot holds an instance that it has pruned');
    }
    const record = decodeRecordApart(value, { replicas: this.#replicas });
    if (record.state.status !== Status.committed) {
      throw malformed('a snapshot holds an instance that is not executed');
    }
    if (formatInstance(record.state.id) !== formatInstance(id)) {
      throw malformed('a snapshot holds a record in the place of another');
    }
    return record;
  }

  #checkCommand(name: string, value: Uint8Array): void {
    const record = this.#record;
    this.#record = null;
    if (record === null || formatInstance(record.state.id) !== name) {
      throw malformed('a snapshot holds a command without its record');
    }
    record.withCommand(commandFromWire(value));
  }
}
