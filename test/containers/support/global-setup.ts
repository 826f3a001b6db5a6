/** Once for all container tests: builds the image before them, and clears away what they left behind them. */
import { existsSync, rmSync } from 'node:fs';
import { command, docker, dockerLines, IMAGE } from './engine.ts';
import { PROJECT_PREFIX } from './project.ts';
import { printReport, REPORT_FILE } from './report.ts';

export async function setup(): Promise<() => Promise<void>> {
  rmSync(REPORT_FILE, { force: true });
  await removeProjects();
  // The classic builder, where there is one: the Dockerfile has to do without BuildKit.
  await command('docker', ['build', '--force-rm', '--tag', IMAGE, '.'], { DOCKER_BUILDKIT: '0' });
  return async () => {
    await removeProjects();
    if (existsSync(REPORT_FILE))
      printReport(await docker('image', 'inspect', '--format', '{{.Size}}', IMAGE));
  };
}

/** Removes whatever projects of these tests there are, also of runs that were cut off. */
async function removeProjects(): Promise<void> {
  const label = ['--filter', 'label=com.docker.compose.project', '--format'];
  const format = '{{.Label "com.docker.compose.project"}}';
  const kinds = [
    { list: ['ps', '-a', ...label, `{{.ID}} ${format}`], remove: ['rm', '--force', '--volumes'] },
    { list: ['network', 'ls', ...label, `{{.ID}} ${format}`], remove: ['network', 'rm'] },
    { list: ['volume', 'ls', ...label, `{{.Name}} ${format}`], remove: ['volume', 'rm'] },
  ];
  for (const { list, remove } of kinds) {
    const rows = (await dockerLines(...list)).map((line) => line.split(' '));
    const ids = rows.flatMap(([id = '', project = '']) => (project.startsWith(PROJECT_PREFIX) ? [id] : []));
    if (ids.length > 0) await docker(...remove, ...ids);
  }
}
