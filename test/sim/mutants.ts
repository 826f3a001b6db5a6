/**
 * Faults that can be put into the product's code, one at a time, to see that the simulator finds them: each replaces a text
 * that is in a file exactly once, in a bundle of the simulator (bundle.ts).
 */
export interface Mutant {
  readonly name: string;
  /** In the repository. */
  readonly file: string;
  readonly from: string;
  readonly to: string;
}

/** Each is found at the seed that docs/reliability.md names. */
export const MUTANTS: readonly Mutant[] = [
  {
    name: 'noSyncAtLogChange',
    file: 'src/storage/level-byte-store.ts',
    from: 'const sync = options.sync || isLast;',
    to: 'const sync = options.sync && isLast !== null;',
  },
  {
    name: 'messagesBeforeRecords',
    file: 'src/node/node.ts',
    from: 'if (ready.early.length > 0) transport.send(ready.early);',
    to: 'transport.send([...ready.early, ...ready.messages]);',
  },
  {
    name: 'writesNotAwaited',
    file: 'src/node/node.ts',
    from: '      await written;\n',
    to: '',
  },
  {
    name: 'marksBeforeRecords',
    file: 'src/node/node.ts',
    from: 'await this.#records.flush(); // before the marks that speak of them\n      await this.#applier.write(ready);',
    to: 'await this.#applier.write(ready);\n      await this.#records.flush();',
  },
  {
    name: 'answersNotWritten',
    file: 'src/node/applier.ts',
    from: 'await this.#storage.writeEffects({ rows, pages, generation, executed, pruned });',
    to: 'await this.#storage.writeEffects({ rows, pages: [], generation, executed, pruned });',
  },
  {
    name: 'marksNotWritten',
    file: 'src/node/applier.ts',
    from: 'await this.#storage.writeEffects({ rows, pages, generation, executed, pruned });',
    to: 'await this.#storage.writeEffects({ rows, pages, generation, executed: [], pruned });',
  },
  {
    name: 'commandsLetGoTooEarly',
    file: 'src/node/applier.ts',
    from: 'command.letGoOfOperations();',
    to: 'command.letGo(() => this.#storage.command(id));',
  },
  {
    name: 'recordsNotSynced',
    file: 'src/node/record-writer.ts',
    from: 'return this.#storage.writeRecords(this.#take(), { sync, reserved });',
    to: 'return this.#storage.writeRecords(this.#take(), { sync: false, reserved });',
  },
  {
    name: 'reservationNotWritten',
    file: 'src/node/record-writer.ts',
    from: '{ sync, reserved });',
    to: '{ sync });',
  },
  {
    name: 'installWithoutWritingWhatWaits',
    file: 'src/node/node.ts',
    from: '    this.#isInstalling = true;\n    await this.#writeAll();\n',
    to: '    this.#isInstalling = true;\n',
  },
  {
    name: 'executedToldTooEarly',
    file: 'src/epaxos/progress/pruning.ts',
    from: 'executed: state.durablyExecuted,',
    to: 'executed: state.space.executed(),',
  },
  {
    name: 'snapshotTakesBackExecuted',
    file: 'src/storage/staging.ts',
    from: 'if (!(await this.#hasWhatIsExecuted(state))) {',
    to: 'if (state.source === 0) {',
  },
  {
    name: 'stagingNoteDroppedFirst',
    file: 'src/storage/staging.ts',
    from: `    for (const range of [PIECE_RANGE, PRUNED_NO_OP_RANGE, STAGED_RANGE]) {`,
    to: `    await writer.add({ key: STAGING_KEY, value: null });
    await writer.flush();
    for (const range of [PIECE_RANGE, PRUNED_NO_OP_RANGE, STAGED_RANGE]) {`,
  },
  {
    name: 'rowsNotReplaced',
    file: 'src/storage/staging.ts',
    from: 'for (const range of [ANSWERS_RANGE, ROW_RANGE, GENERATION_RANGE]) {',
    to: 'for (const range of [ANSWERS_RANGE, GENERATION_RANGE]) {',
  },
  {
    name: 'installBegunUnsynced',
    file: 'src/storage/staging.ts',
    from: 'await this.#store.write([noteOf(installing)], SYNC);',
    to: 'await this.#replace({ ...installing, phase: Phase.receiving });',
  },
  {
    name: 'withdrawKeepsTheRequest',
    file: 'src/node/inbox.ts',
    from: '    request.isQueued = false;\n    this.#takenBack += 1;',
    to: '    this.#takenBack += 1;',
  },
  {
    name: 'outcomeAlwaysNotApplied',
    file: 'src/node/pending.ts',
    from: "return this.#options.withdraw(request) ? request.outcomeTakenBack : 'unknown';",
    to: "this.#options.withdraw(request);\n      return 'notApplied';",
  },
  {
    name: 'pendingRequestLostAtInstall',
    file: 'src/node/node.ts',
    from: 'else if (request.mayBeProposed) this.#inbox.addRequest(request);',
    to: '',
  },
  {
    name: 'recordedAnswerNotLookedUp',
    file: 'src/kv/state-machine.ts',
    from: 'if (recorded !== undefined) return recorded;',
    to: '',
  },
  {
    name: 'followerNeverGivenUp',
    file: 'src/epaxos/progress/peers.ts',
    from: '  peer.responsive = false;\n',
    to: '',
  },
  {
    name: 'laggardWaitedFor',
    file: 'src/epaxos/progress/pruning.ts',
    from: ' && !report?.backlog?.isLeftOut',
    to: '',
  },
  {
    // Answers of a generation are dropped by the replica's own clock, not in the order.
    name: 'generationEndsByOwnClock',
    file: 'src/node/advancer.ts',
    from: 'if (core.propose(new Proposal(advanceOperation(generation)))) this.#taken = { core, generation };',
    to: '(sessions as Sessions).advance(generation);',
  },
  {
    name: 'generationNotWritten',
    file: 'src/node/applier.ts',
    from: 'await this.#storage.writeEffects({ rows, pages, generation, executed, pruned });',
    to: 'await this.#storage.writeEffects({ rows, pages, generation: null, executed, pruned });',
  },
  {
    name: 'generationNotInSnapshots',
    file: 'src/storage/snapshot-view.ts',
    from: 'ROW_RANGE, GENERATION_RANGE]) {',
    to: 'ROW_RANGE]) {',
  },
  {
    name: 'tooOldIsApplied',
    file: 'src/kv/sessions.ts',
    from: 'if (this.#isKept(generation)) return;',
    to: 'if (generation >= 0) return;',
  },
  {
    name: 'noOpsTakenBack',
    file: 'src/storage/staging.ts',
    from: "if (place?.part !== 'record') {",
    to: "if (place?.part === 'record') {\n        for await (const own of this.#store.keys(INSTANCE_RANGE)) {\n          const { id, part } = instanceOf(own);\n          if (part === 'executed' && !this.#isExecutedIn(state, id)) await writer.add({ key: own, value: null });\n        }\n      }\n      if (place?.part !== 'record') {",
  },
  {
    name: 'prunedNoOpsForgotten',
    file: 'src/storage/staging.ts',
    from: 'await this.#restoreNoOps(state, writer);',
    to: '',
  },
  {
    name: 'piecesNotJoined',
    file: 'src/storage/entry-assembler.ts',
    from: 'Buffer.concat([...pieces, entry.value])',
    to: 'Buffer.concat([...pieces.slice(1), entry.value])',
  },
  {
    name: 'prunedRecordsLeft',
    file: 'src/storage/encoded-storage.ts',
    from: 'for (const key of [recordKey(id), executedKey(id), commandKey(id)])',
    to: 'for (const key of [recordKey(id), executedKey(id)])',
  },
  {
    name: 'inboxWithoutLimit',
    file: 'src/node/inbox.ts',
    from: 'this.#messages.length >= this.#limits.messages ||',
    to: '',
  },
  {
    name: 'requestsWithoutLimit',
    file: 'src/node/pending.ts',
    from: 'if (this.#calls >= requests || ',
    to: 'if (this.#calls >= 2 * requests || ',
  },
  {
    name: 'reservationNotReadBack',
    file: 'src/node/open-node.ts',
    from: 'reserved: storage.reserved()',
    to: 'reserved: 0',
  },
  {
    name: 'effectsBeforeTheirAnswers',
    file: 'src/storage/encoded-storage.ts',
    from: '    for (const page of effects.pages) {',
    to: '    await this.#store.write(writes.splice(0), { sync: false });\n    for (const page of effects.pages) {',
  },
  {
    name: 'floorNotMerged',
    file: 'src/storage/staging.ts',
    from: 'return { pruned: pruned.pruned, floor };',
    to: 'return pruned;',
  },
  {
    name: 'commandLeftAtInstall',
    file: 'src/storage/staging.ts',
    from: 'if (own === undefined) return [record];',
    to: 'if (own?.length !== 0) return [record];',
  },
  {
    name: 'entriesNotCut',
    file: 'src/node/snapshot-chunks.ts',
    from: 'const pieceBytes = Math.max(1, chunkBytes - key.length);',
    to: 'const pieceBytes = 2 ** 30;',
  },
  {
    name: 'offsetNotAsked',
    file: 'src/node/snapshot-fetcher.ts',
    from: 'offset: staged.part?.bytes ?? 0',
    to: 'offset: 0',
  },
  {
    name: 'installationNotFinished',
    file: 'src/storage/staging.ts',
    from: 'if (state?.phase === Phase.installing) await this.#replace(state);',
    to: '',
  },
  {
    name: 'openInstancesInSnapshots',
    file: 'src/storage/snapshot-view.ts',
    from: "if (place.part === 'record') {\n        record = { key, value };",
    to: "if (place.part === 'record') {\n        yield { key, value };",
  },
  {
    name: 'stagedForEver',
    file: 'src/node/node.ts',
    from: '    this.#fetcher.tick();\n',
    to: '',
  },
  {
    name: 'secondSnapshotNeverAsked',
    file: 'src/node/snapshot-fetcher.ts',
    from: "?.source ?? null;\n    this.#state = 'idle';",
    to: "?.source ?? null;\n    this.#state = 'fetching';",
  },
  {
    name: 'snapshotsOpenWithoutLimit',
    file: 'src/node/snapshot-server.ts',
    from: 'if (this.#open.size >= limits.open) {\n      throw',
    to: 'if (this.#open.size >= 1_000) {\n      throw',
  },
  {
    name: 'deadlinesNotKept',
    file: 'src/node/node.ts',
    from: '    // Deadlines pass also while a slow disk holds up the turn.\n    this.#pending.expire(nowMs);',
    to: '',
  },
  {
    name: 'newCoreHearsOfNoPeer',
    file: 'src/node/node.ts',
    from: 'for (const peer of this.#reachability.peers) core.setReachable(peer, true);',
    to: '',
  },
  {
    name: 'waitingRecoveriesCounted',
    file: 'src/epaxos/progress/suspicion.ts',
    from: 'let free = recoveries - working;',
    to: 'let free = recoveries - working - waiting;',
  },
  {
    name: 'failedWritesForgotten',
    file: 'src/storage/level-byte-store.ts',
    from: 'if (this.#failure) throw this.#failure;',
    to: '',
  },
  {
    name: 'clearingNotFinished',
    file: 'src/storage/staging.ts',
    from: 'if (state?.phase === Phase.clearing) await this.#drop();',
    to: '',
  },
  {
    name: 'refusedSnapshotNeverAskedAgain',
    file: 'src/node/snapshot-fetcher.ts',
    from: "this.#state = 'idle';\n      this.#progress = null;\n      if (!",
    to: 'this.#progress = null;\n      if (!',
  },
  {
    name: 'requestBytesWithoutLimit',
    file: 'src/node/pending.ts',
    from: ' || this.#bytes + bytes > requestBytes',
    to: '',
  },
  {
    name: 'messageBytesWithoutLimit',
    file: 'src/node/inbox.ts',
    from: '||\n        this.#messageBytes + bytes > this.#limits.messageBytes;',
    to: ';',
  },
  {
    name: 'heldWithoutLimit',
    file: 'src/epaxos/agreement/proposer.ts',
    from: 'this.waitingOperations >= heldOperations || ',
    to: '',
  },
  {
    name: 'executorKeepsNames',
    file: 'src/epaxos/execution/execution.ts',
    from: 'this.names.delete(key);',
    to: '',
  },
  {
    name: 'oldAnswersLeft',
    file: 'src/storage/encoded-storage.ts',
    from: 'if (writes.length > 0) await this.#store.write(writes, { sync: false });\n    return hasMore;',
    to: 'return hasMore;',
  },
];

/** @throws RangeError unless the text that it replaces is there exactly once */
export function mutated({ name, from, to }: Mutant, text: string): string {
  const parts = text.split(from);
  if (parts.length !== 2)
    throw new RangeError(`${name}: what it replaces is there ${parts.length - 1} times`);
  return parts.join(to);
}
