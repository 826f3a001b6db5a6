/**
 * One Compose project of its own name and ports: docker-compose.yml as people use it, changed by the environment
 * only, or by a further file. Containers are found by their labels.
 */
import { randomBytes } from 'node:crypto';
import { freeBasePort } from '../../support/free-ports.ts';
import { command, docker, dockerLines, IMAGE } from './engine.ts';

export const PROJECT_PREFIX = 'epaxos-test-';

export interface ProjectOptions {
  readonly replicas: 3 | 5;
  /** Of replica 1 on the host, the others follow; free ones if absent. */
  readonly basePort?: number;
  /** Compose files beside docker-compose.yml, as paths from the repository. */
  readonly files?: readonly string[];
  /** What docker-compose.yml takes from the environment. */
  readonly environment?: Readonly<Record<string, string>>;
}

export class Project {
  readonly name = `${PROJECT_PREFIX}${randomBytes(4).toString('hex')}`;
  /** On the host, replica 1 first. */
  readonly ports: readonly number[];
  readonly #files: readonly string[];
  readonly #environment: Readonly<Record<string, string>>;

  private constructor(basePort: number, { replicas, files = [], environment = {} }: ProjectOptions) {
    this.ports = Array.from({ length: replicas }, (_, index) => basePort + index);
    this.#files = ['docker-compose.yml', ...files].flatMap((file) => ['--file', file]);
    this.#environment = {
      ...Object.fromEntries(this.ports.map((port, index) => [`REPLICA_${index + 1}_PORT`, String(port)])),
      EPAXOS_IMAGE: IMAGE,
      COMPOSE_PROFILES: replicas === 5 ? 'five' : '',
      ...environment,
    };
  }

  static async create(options: ProjectOptions): Promise<Project> {
    return new Project(options.basePort ?? (await freeBasePort(options.replicas)), options);
  }

  /** `docker compose ARGS` for this project. */
  compose(...args: readonly string[]): Promise<string> {
    const all = ['compose', '--project-name', this.name, ...this.#files, ...args];
    return command('docker', all, this.#environment);
  }

  /** The container of a service, running or not. */
  async container(service: string): Promise<string> {
    const labels = [`project=${this.name}`, `service=${service}`, 'oneoff=False'];
    const filters = labels.flatMap((label) => ['--filter', `label=com.docker.compose.${label}`]);
    const [id] = await dockerLines('ps', '--all', '--quiet', '--no-trunc', ...filters);
    if (id === undefined) throw new Error(`${this.name} has no container of ${service}`);
    return id;
  }

  /** A field of a container as `docker inspect` formats it. */
  async inspect(service: string, format: string): Promise<string> {
    return docker('inspect', '--format', format, await this.container(service));
  }

  /** Removes everything, the volumes as well. */
  async remove(): Promise<void> {
    await this.compose('down', '--volumes', '--remove-orphans', '--timeout', '2');
  }
}
