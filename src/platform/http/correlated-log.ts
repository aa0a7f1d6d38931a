import type { FastifyBaseLogger } from 'fastify';
import type { Bindings } from 'pino';
import type { Logger } from '#platform/telemetry/logger.ts';
import { correlated } from '#platform/telemetry/logger.ts';

/**
 * A request's log. Its child logger, which costs some microseconds, comes into being with its first line: most
 * requests never write one.
 */
export class CorrelatedLog implements FastifyBaseLogger {
  readonly #base: Logger;
  readonly #correlationId: string;
  #child: Logger | undefined;

  constructor(base: Logger, correlationId: string) {
    this.#base = base;
    this.#correlationId = correlationId;
  }

  get level(): string {
    return this.#base.level;
  }

  set level(level: string) {
    this.#log().level = level;
  }

  child(bindings: Bindings): Logger {
    return this.#log().child(bindings);
  }

  trace(...line: unknown[]): void {
    this.#write('trace', line);
  }

  debug(...line: unknown[]): void {
    this.#write('debug', line);
  }

  info(...line: unknown[]): void {
    this.#write('info', line);
  }

  warn(...line: unknown[]): void {
    this.#write('warn', line);
  }

  error(...line: unknown[]): void {
    this.#write('error', line);
  }

  fatal(...line: unknown[]): void {
    this.#write('fatal', line);
  }

  silent(): void {
    // nothing is written at this level
  }

  #write(level: 'trace' | 'debug' | 'info' | 'warn' | 'error' | 'fatal', line: unknown[]): void {
    if (!this.#base.isLevelEnabled(level)) return;
    const log = this.#log();
    Reflect.apply(log[level], log, line);
  }

  #log(): Logger {
    this.#child ??= correlated(this.#base, this.#correlationId);
    return this.#child;
  }
}
