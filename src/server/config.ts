/**
 * A server's configuration. Each setting comes from the first of: a flag, the environment, a JSON file
 * (named by --config or EPAXOS_CONFIG), its default. Their names follow from one another:
 * dataDir, --data-dir, EPAXOS_DATA_DIR, and "dataDir" in the file.
 */
import { readFileSync } from 'node:fs';
import { z } from 'zod';
import type { ReplicaId } from '../epaxos/index.ts';
import { KvError } from '../errors.ts';
import { formatPeers, parseAddress, parsePeers } from './addresses.ts';
import { LOG_LEVELS, type LogLevel } from './logger.ts';

export interface ServerConfig {
  readonly id: ReplicaId;
  /** Every replica's address, this one's included, by id. */
  readonly peers: ReadonlyMap<ReplicaId, string>;
  readonly listen: string;
  readonly dataDir: string;
  readonly cluster: string;
  readonly logLevel: LogLevel;
  readonly tickMs: number;
  /** R3.8: proposals go to as few replicas as can commit them. */
  readonly thrifty: boolean;
  readonly maxPendingRequests: number;
  readonly maxPendingBytes: number;
}

export type ConfigKey = keyof ServerConfig;
export type Origin = 'flag' | 'environment' | 'file' | 'default';

/** One setting, for help texts and for building flags. */
export interface Setting {
  readonly key: ConfigKey;
  /** Without the value: "--data-dir". */
  readonly flag: string;
  readonly environment: string;
  /** What stands for the value in a help text; null for a switch, whose flag takes no value. */
  readonly placeholder: string | null;
  readonly description: string;
  /** The value where nothing is given; absent if the setting must be given or follows from others. */
  readonly fallback?: string | number | boolean;
  /** The values there are; absent if they are too many to name. */
  readonly choices?: readonly string[];
}

export interface ConfigSources {
  /** By setting, as text, numbers or truth values; undefined is not given. `config` names the file. */
  readonly flags: Readonly<Record<string, unknown>>;
  /** The process's environment; empty values are not given. */
  readonly environment: Readonly<Record<string, string | undefined>>;
}

export interface LoadedConfig {
  readonly config: ServerConfig;
  /** The effective configuration: every setting, its value as text, and where it came from. */
  readonly rows: readonly { readonly key: ConfigKey; readonly value: string; readonly origin: Origin }[];
}

const MIB = 1024 * 1024;

function setting(
  key: ConfigKey,
  placeholder: string | null,
  description: string,
  fallback?: string | number | boolean,
  choices?: readonly string[],
): Setting {
  const words = key.split(/(?=[A-Z])/).map((word) => word.toLowerCase());
  return {
    key,
    flag: `--${words.join('-')}`,
    environment: `EPAXOS_${words.join('_').toUpperCase()}`,
    placeholder,
    description,
    ...(fallback === undefined ? {} : { fallback }),
    ...(choices === undefined ? {} : { choices }),
  };
}

/** Every setting there is, in the order of help texts. */
export const SETTINGS: readonly Setting[] = [
  setting('id', 'number', 'which of the peers this replica is'),
  setting('peers', 'list', 'every replica, the same list everywhere: 1=host:port,2=host:port,3=host:port'),
  setting('dataDir', 'directory', 'where this replica keeps its data'),
  setting('listen', 'host:port', 'the address to serve at; if absent, the address of its own in peers'),
  setting('cluster', 'name', 'the name of the cluster; replicas of another cluster are refused', 'epaxos'),
  setting('logLevel', 'level', 'how much to log', 'info', LOG_LEVELS),
  setting('tickMs', 'number', 'the unit of all protocol timeouts, in milliseconds', 10),
  setting(
    'thrifty',
    null,
    'propose to the fast quorum only: fewer messages, slower when one of it fails',
    false,
  ),
  setting('maxPendingRequests', 'number', 'client requests that may wait at once', 20_000),
  setting('maxPendingBytes', 'number', 'bytes of the client requests that may wait at once', 64 * MIB),
];

/** The names of the file itself: not a setting, as it cannot stand in the file. */
export const CONFIG_FILE = { key: 'config', flag: '--config', environment: 'EPAXOS_CONFIG' } as const;

function integer(low: number, high: number) {
  return z.unknown().transform((value, context) => {
    const isInteger = /^\d{1,15}$/.test(String(value)) && ['string', 'number'].includes(typeof value);
    if (isInteger && Number(value) >= low && Number(value) <= high) return Number(value);
    context.addIssue({ code: 'custom', message: `must be an integer from ${low} to ${high}` });
    return z.NEVER;
  });
}

function switched() {
  return z.unknown().transform((value, context) => {
    if (value === true || value === 'true') return true;
    if (value === false || value === 'false') return false;
    context.addIssue({ code: 'custom', message: 'must be true or false' });
    return z.NEVER;
  });
}

/** Text that `parse` turns into a value; its KvErrors become the issue's message. */
function parsed<T>(parse: (text: string) => T) {
  return z.string('must be a text').transform((text, context) => {
    try {
      return parse(text);
    } catch (error) {
      if (!(error instanceof KvError)) throw error;
      context.addIssue({ code: 'custom', message: error.message });
      return z.NEVER;
    }
  });
}

const SCHEMA = z.object({
  id: integer(1, 7),
  peers: parsed(parsePeers),
  dataDir: z.string('must be a text').min(1, 'must not be empty'),
  listen: parsed((text) => parseAddress(text, 0)).optional(),
  cluster: z
    .string('must be a text')
    .regex(/^[A-Za-z0-9._-]{1,64}$/, 'must be 1 to 64 letters, digits, dots, dashes or underscores'),
  logLevel: z.enum(LOG_LEVELS, `must be one of ${LOG_LEVELS.join(', ')}`),
  tickMs: integer(1, 1_000),
  thrifty: switched(),
  maxPendingRequests: integer(1, 10_000_000),
  // At least one request of the largest size.
  maxPendingBytes: integer(2 * MIB, 16 * 1024 * MIB),
});

/**
 * Reads and checks a configuration.
 * @throws KvError badConfiguration that names everything that is wrong, where it came from, and what to do
 */
export function loadConfig(sources: ConfigSources): LoadedConfig {
  const { values, origins } = collect(sources);
  const result = SCHEMA.safeParse(values);
  if (!result.success) {
    const problems = result.error.issues.map((issue) =>
      describeProblem(String(issue.path[0]), issue.message, values, origins),
    );
    throw new KvError('badConfiguration', problems.join('; '));
  }
  const { id, peers, listen, ...rest } = result.data;
  const own = peers.get(id);
  if (own === undefined) {
    throw new KvError(
      'badConfiguration',
      `id is ${id}, but peers lists only the replicas 1 to ${peers.size}`,
    );
  }
  const config: ServerConfig = { id, peers, listen: listen ?? own, ...rest };
  const rows = SETTINGS.map(({ key }) => {
    const value = key === 'peers' ? formatPeers(peers) : String(config[key]);
    return { key, value, origin: origins.get(key) ?? ('default' as const) };
  });
  return { config, rows };
}

interface Collected {
  readonly values: Readonly<Record<string, unknown>>;
  readonly origins: ReadonlyMap<string, Origin>;
}

/** The value of every setting from the first source that has it. */
function collect({ flags, environment }: ConfigSources): Collected {
  const { [CONFIG_FILE.key]: flagPath, ...flagValues } = flags;
  const path = flagPath ?? (environment[CONFIG_FILE.environment] || undefined);
  const file = path === undefined ? {} : readFile(String(path));
  refuseUnknown(flagValues, 'flags');
  refuseUnknown(file, `the file ${path}`);

  const values: Record<string, unknown> = {};
  const origins = new Map<string, Origin>();
  for (const { key, environment: name, fallback } of SETTINGS) {
    const candidates: readonly [Origin, unknown][] = [
      ['flag', flagValues[key]],
      ['environment', environment[name] || undefined],
      ['file', file[key]],
      ['default', fallback],
    ];
    const found = candidates.find(([, value]) => value !== undefined);
    if (found === undefined) continue;
    origins.set(key, found[0]);
    values[key] = found[1];
  }
  return { values, origins };
}

function readFile(path: string): Readonly<Record<string, unknown>> {
  let content: unknown;
  try {
    content = JSON.parse(readFileSync(path, 'utf8'));
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new KvError('badConfiguration', `the configuration file ${path} cannot be read: ${reason}`, {
      cause: error,
    });
  }
  const result = z.record(z.string(), z.unknown()).safeParse(content);
  if (result.success) return result.data;
  throw new KvError('badConfiguration', `the configuration file ${path} must hold one JSON object`);
}

function refuseUnknown(values: Readonly<Record<string, unknown>>, where: string): void {
  const known = SETTINGS.map(({ key }) => key);
  const unknown = Object.keys(values).filter((key) => !(known as readonly string[]).includes(key));
  if (unknown.length === 0) return;
  throw new KvError(
    'badConfiguration',
    `unknown setting ${unknown.join(', ')} in ${where}; the known ones are ${known.join(', ')}`,
  );
}

function describeProblem(
  key: string,
  message: string,
  values: Collected['values'],
  origins: Collected['origins'],
): string {
  const { flag, environment } = SETTINGS.find((one) => one.key === key) ?? setting('id', '', '');
  const value = values[key];
  if (value === undefined) return `${key} is missing: give ${flag} or ${environment}`;
  const places = { flag, environment, file: 'the configuration file', default: 'its default' } as const;
  return `bad ${key} ${JSON.stringify(value)} (from ${places[origins.get(key) ?? 'default']}): ${message}`;
}
