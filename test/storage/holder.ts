/** A process that opens a data directory, writes to it, says so, and keeps it open until it is killed. */
import { openLevelStorage } from '../../src/storage/index.ts';
import { committedRecord, effectsOf, REPLICAS, rowOf } from './samples.ts';

const directory = process.argv[2] ?? '';
const storage = await openLevelStorage({
  directory,
  identity: { cluster: 'orders', replica: 1, replicas: REPLICAS },
});
await storage.writeRecords([committedRecord({ replica: 1, slot: 1 })], { sync: true });
await storage.writeRecords([committedRecord({ replica: 1, slot: 2 })], { sync: false });
await storage.writeEffects(effectsOf({ rows: [{ key: 'key', row: rowOf('value') }] }));
process.send?.('open');
// The channel to the parent keeps this process alive; if the parent goes, so does this.
process.on('disconnect', () => process.exit(0));
