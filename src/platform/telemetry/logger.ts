import { type DestinationStream, type Logger, pino, stdSerializers, stdTimeFunctions } from 'pino';
import { standardOutput } from './log-lines.ts';

export type { Logger } from 'pino';

/** Where a secret could stand in a line's members. Values there become `[redacted]`. */
const SECRET_MEMBERS = ['authorization', 'secret', 'password', 'api_key', 'token', 'set-cookie', 'cookie'];

/**
 * The program's log: one JSON object a line, `level` by name, `time` in RFC 3339, members in snake_case. Whatever
 * belongs to a request carries its `correlation_id` (U17), which `correlated` adds.
 *
 * Lines are buffered by the stream and written without blocking; they are flushed at exit and on `fatal`.
 */
export function createLogger(options: {
  level: string;
  /** Where lines go; standard output by default. */
  to?: DestinationStream;
}): Logger {
  return pino(
    {
      level: options.level,
      base: { pid: process.pid },
      timestamp: stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
      serializers: { err: stdSerializers.err },
      redact: {
        paths: SECRET_MEMBERS.flatMap((name) => [`["${name}"]`, `*["${name}"]`, `*.headers["${name}"]`]),
        censor: '[redacted]',
      },
    },
    options.to ?? standardOutput(),
  );
}

/** The same log, every line of which carries the correlation id. */
export function correlated(logger: Logger, correlationId: string): Logger {
  return logger.child({ correlation_id: correlationId });
}
