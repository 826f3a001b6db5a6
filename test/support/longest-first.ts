/** The order in which files are run: what takes longest goes first, so that no worker is left alone with it at the end. */
import { existsSync } from 'node:fs';
import { relative, resolve } from 'node:path';
import { BaseSequencer, type TestSpecification } from 'vitest/node';

/** The files that take more than some ten seconds of a whole run, longest first. All others follow, by their size. */
const LONGEST = [
  'test/e2e/command-line.test.ts',
  'test/e2e/three-replicas.test.ts',
  'test/sim/sabotage.test.ts',
  'test/sim/full/full.test.ts',
  'test/cli/start.test.ts',
  'test/client/kv-client.test.ts',
  'test/model/explore.test.ts',
  'test/sim/sweep.test.ts',
  'test/model/walk.test.ts',
  'test/cli/stop-while-starting.test.ts',
  'test/sim/main.test.ts',
];

export class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const { root } = this.ctx.config;
    const gone = LONGEST.filter((file) => !existsSync(resolve(root, file)));
    if (gone.length > 0) throw new Error(`there is no ${gone.join(', ')} to be run first`);
    const place = ({ moduleId }: TestSpecification) => {
      const index = LONGEST.indexOf(relative(root, moduleId));
      return index === -1 ? LONGEST.length : index;
    };
    return (await super.sort(files)).toSorted((one, other) => place(one) - place(other));
  }
}
