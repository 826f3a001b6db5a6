/** Structured logs: pino, one JSON object a line, on standard error. Messages are constant; variables are fields. */
import { type DestinationStream, type Logger, pino } from 'pino';

export type { Logger } from 'pino';

/** From the most talkative to none at all. */
export const LOG_LEVELS = ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];

export interface LoggerOptions {
  readonly level: LogLevel;
  readonly cluster: string;
  readonly replica: number;
  /** Standard error if absent. */
  readonly stream?: DestinationStream;
}

/** The logger of one replica; every line names the cluster and the replica. */
export function createLogger(options: LoggerOptions): Logger {
  const { level, cluster, replica } = options;
  // Written at once: the last line before a crash is the one that matters.
  const stream = options.stream ?? pino.destination({ fd: 2, sync: true });
  return pino({ level, base: { pid: process.pid } }, stream).child({ cluster, replica });
}
