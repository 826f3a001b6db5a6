/** Asking a peer for Commits that this replica lacks (R7.2, R9.1): whoever needs one, it is asked for here. */
import type { ReplicaState } from '../agreement/state.ts';
import { MAX_LISTED } from '../model/messages.ts';
import type { InstanceId, ReplicaId, Slot } from '../model/types.ts';

/** @param missing at least one; slots of one replica that follow each other become one range */
export function sendFetch(state: ReplicaState, to: ReplicaId, missing: readonly InstanceId[]): void {
  let ranges: { readonly replica: ReplicaId; readonly from: Slot; to: Slot }[] = [];
  for (const { replica, slot } of missing) {
    const range = ranges.at(-1);
    if (range?.replica === replica && range.to === slot - 1) {
      range.to = slot;
      continue;
    }
    if (ranges.length === MAX_LISTED) {
      state.send(to, { type: 'fetch', ranges });
      ranges = [];
    }
    ranges.push({ replica, from: slot, to: slot });
  }
  state.send(to, { type: 'fetch', ranges });
  state.outbox.events.push({ type: 'fetched', slots: missing.length });
}
