import { type DestinationStream, type Logger, pino, stdSerializers, stdTimeFunctions } from 'pino';
import { isTransient } from '../postgres/faults.ts';
import { standardOutput } from './log-lines.ts';

export type { Logger } from 'pino';

/** Where a secret could stand in a line's members. Values there become `[redacted]`. */
const SECRET_MEMBERS = ['authorization', 'secret', 'password', 'api_key', 'token', 'set-cookie', 'cookie'];

/**
 * The program's log: one JSON object a line, `level` by name, `time` in RFC 3339, members in snake_case. Whatever
 * belongs to a request carries its `correlation_id` (U17), which `correlated` adds. Where the world has failed and it is tried
 * again (a transient fault) the causes tell what is wrong, and stacks, a line for each try, would bury them: they are told from
 * `debug` on.
 *
 * Lines are buffered by the stream and written without blocking; they are flushed at exit and on `fatal`.
 */
export function createLogger(options: {
  level: string;
  /** Where lines go; standard output by default. */
  to?: DestinationStream;
}): Logger {
  const logger = pino(
    {
      level: options.level,
      base: { pid: process.pid },
      timestamp: stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
      serializers: {
        err: (error: Error) => {
          const line = stdSerializers.err(error);
          const isTold = !isTransient(error) || logger.isLevelEnabled('debug');
          return isTold ? line : { ...line, stack: undefined };
        },
      },
      redact: {
        paths: SECRET_MEMBERS.flatMap((name) => [`["${name}"]`, `*["${name}"]`, `*.headers["${name}"]`]),
        censor: '[redacted]',
      },
    },
    options.to ?? standardOutput(),
  );
  return logger;
}

/** The same log, every line of which carries the correlation id. */
export function correlated(logger: Logger, correlationId: string): Logger {
  return logger.child({ correlation_id: correlationId });
}
