/** What docker-compose.yml promises to people. */
import { describe, expect, it } from 'vitest';
import { epaxos } from '../support/epaxos-command.ts';
import { until } from '../support/until.ts';
import { ContainerCluster } from './support/cluster.ts';
import { command, docker, IMAGE } from './support/engine.ts';
import { report } from './support/report.ts';

/** The configuration as Compose understands it. */
function configuration(environment: Readonly<Record<string, string>>): Promise<string> {
  return command('docker', ['compose', 'config'], { COMPOSE_PROFILES: '', ...environment });
}

describe('the image', () => {
  it('runs as a user of its own, whose volume it can write to, without a shell', async () => {
    const [user, entrypoint, volumes] = JSON.parse(
      `[${await docker('image', 'inspect', '--format', '{{json .Config.User}},{{json .Config.Entrypoint}},{{json .Config.Volumes}}', IMAGE)}]`,
    );
    expect([user, entrypoint, volumes]).toEqual(['node', ['node', '/app/bin/epaxos.js'], { '/data': {} }]);
    const write =
      "require('node:fs').writeFileSync('/data/x', ''); process.stdout.write(String(process.getuid()))";
    expect(await docker('run', '--rm', '--entrypoint', 'node', IMAGE, '-e', write)).toBe('1000');
  });

  it('holds what the program needs to run, and nothing that only its making needed', async () => {
    expect(await docker('run', '--rm', IMAGE, '--version')).toMatch(/^\d+\.\d+\.\d+(?:-dev)?$/);
    const list = "process.stdout.write(require('node:fs').readdirSync('/app/node_modules').join())";
    const packages = (await docker('run', '--rm', '--entrypoint', 'node', IMAGE, '-e', list)).split(',');
    expect(packages).toEqual(expect.arrayContaining(['@grpc', 'level', 'pino']));
    expect(packages.filter((name) => ['typescript', 'vitest', 'fast-check'].includes(name))).toEqual([]);
  });
});

describe('docker-compose.yml', () => {
  it('puts three replicas where the epaxos command looks for them, and five with one switch', async () => {
    const three = await configuration({});
    expect(three.match(/127\.0\.0\.1:\d+:7000/g)).toEqual(
      expect.arrayContaining([7001, 7002, 7003].map((port) => `127.0.0.1:${port}:7000`)),
    );
    expect(three).toContain('/etc/epaxos/three.json');
    expect(await configuration({ COMPOSE_PROFILES: 'five' })).toContain('/etc/epaxos/five.json');
  });

  it('serves the host and the cli service, is healthy, and drains on SIGTERM', async () => {
    const cluster = await ContainerCluster.start({ replicas: 3 });
    try {
      report({ replicas: 3, readyMs: cluster.readyMs });
      const { project } = cluster;
      expect(await project.compose('run', '--rm', 'cli', 'put', 'greeting', 'hello')).toContain('OK');
      const endpoints = cluster.endpoints.join(',');
      const { stdout } = await epaxos(['--endpoints', endpoints, 'get', 'greeting']);
      expect(stdout.toString()).toBe('hello');
      const probed = JSON.parse(await project.compose('run', '--rm', 'cli', '-w', 'json', 'probe'));
      expect(probed.flatMap((one: { links: { reachable: boolean }[] }) => one.links)).toHaveLength(6);

      await until('replica 1 is healthy', async () => {
        return (await project.inspect('replica-1', '{{.State.Health.Status}}')) === 'healthy';
      });
      await cluster.kill(2, 3);
      await until('replica 1 is unhealthy', async () => {
        return (await project.inspect('replica-1', '{{.State.Health.Status}}')) === 'unhealthy';
      });
      await project.compose('stop', 'replica-1');
      expect(await project.inspect('replica-1', '{{.State.ExitCode}}')).toBe('0');
      expect(await cluster.logsOf(1)).toContain('"msg":"stopped"');
    } finally {
      await cluster.close();
    }
  });
});
