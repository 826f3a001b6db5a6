import { startRecovery } from '../../src/epaxos/agreement/recovery.ts';
import type { InstanceId, Replica } from '../../src/epaxos/index.ts';

/** Makes a replica recover an instance now, as it does when it suspects the coordinator. No effect on what it has pruned. */
export function recover({ state }: Replica, id: InstanceId): void {
  if (!state.space.isPruned(id)) startRecovery(state, id);
}
