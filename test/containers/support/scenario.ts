/** The frame of every scenario: a cluster under load, some harm, and the checks once it is well again. */
import { ContainerCluster } from './cluster.ts';
import { Load } from './load.ts';
import type { ProjectOptions } from './project.ts';
import { expectAllWell } from './verdict.ts';

/** Operations before the harm, and after it. */
const SOME = 50;

export interface Scenario {
  /** As it stands in the report. */
  readonly name: string;
  readonly project: ProjectOptions;
  /** Does harm, and takes it back. */
  harm(cluster: ContainerCluster, load: Load): Promise<void>;
}

/** Runs a scenario; whatever comes of it, nothing is left. */
export async function runScenario({ name, project, harm }: Scenario): Promise<void> {
  const cluster = await ContainerCluster.start(project);
  const load = new Load(cluster.endpoints);
  try {
    await load.untilMore(SOME);
    await harm(cluster, load);
    await load.untilMore(SOME);
    await load.stop();
    await expectAllWell(name, cluster, load);
  } catch (error) {
    throw new Error(`${name}: ${String(error)}\n${load.recorder.errors}\n${await cluster.logs()}`, {
      cause: error,
    });
  } finally {
    await load.stop();
    await cluster.close();
  }
}

/** How long some harm lasts. */
export function seconds(count: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, count * 1000));
}
