/** Structured logs: pino, one JSON object a line, on standard error. Messages are constant; variables are fields. */
import { type DestinationStream, type Logger, pino } from 'pino';
import { LogWriter, standardErrorNow } from './log-writer.ts';

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

/** The logger of one replica; every line names its level, the time (ISO 8601), the cluster and the replica. */
export function createLogger(options: LoggerOptions): Logger {
  const { level, cluster, replica } = options;
  const settings = {
    level,
    base: { pid: process.pid },
    timestamp: pino.stdTimeFunctions.isoTime,
    formatters: { level: (label: string) => ({ level: label }) },
    serializers: { err: errorFields },
  };
  const stream =
    options.stream ??
    standardError((dropped) =>
      logger.error({ dropped }, 'lines of the log were dropped: they could not be written'),
    );
  const logger: Logger = pino(settings, stream).child({ cluster, replica });
  return logger;
}

/** One for all loggers of the process: two would cut each other's lines. */
let writer: LogWriter | null = null;

/** @param onDropped of the first logger: it tells of lines that were dropped */
function standardError(onDropped: (lines: number) => void): DestinationStream {
  if (writer === null) {
    const created = new LogWriter({ writeNow: standardErrorNow(), onDropped });
    process.once('exit', () => created.flushAtExit());
    writer = created;
  }
  return writer;
}

/**
 * An error as fields, each thing told once: pino's own serializer tells a message again in the stack, and the causes in
 * both. What an error's message repeats of its cause's is left out of the cause.
 */
function errorFields(error: unknown): unknown {
  if (!(error instanceof Error)) return error;
  const { name, message, stack = '', cause, ...own } = error;
  const frames = stack.search(/^ {4}at /m);
  return {
    type: name,
    message,
    ...own,
    ...(frames < 0 ? {} : { stack: stack.slice(frames) }),
    ...(cause === undefined ? {} : { cause: causeFields(message, cause) }),
  };
}

function causeFields(told: string, cause: unknown): unknown {
  const fields = errorFields(cause);
  if (!(cause instanceof Error) || !told.includes(cause.message)) return fields;
  const { message: _message, ...rest } = fields as { readonly message: string };
  return rest;
}
