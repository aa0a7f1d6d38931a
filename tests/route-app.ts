/** An app for the routes of one service, as its edge is in production: a key `lk_<tenant>_<scopes>` is that tenant's, and may do that. */
import { Writable } from 'node:stream';
import { type Clock, systemClock } from '#kernel/clock.ts';
import type { ProblemRegistry } from '#kernel/problem.ts';
import { createHttpApp, type HttpApp } from '#platform/http/http-app.ts';
import { createLogger } from '#platform/telemetry/logger.ts';
import { createMetrics } from '#platform/telemetry/metrics.ts';

interface RouteAppOptions {
  readonly problems: ProblemRegistry;
  readonly clock?: Clock;
  /** Who asks, in what is recorded. */
  readonly keyId?: string;
}

/** Register the routes, then `await app.ready()`. */
export function createRouteApp({
  problems,
  clock = systemClock,
  keyId = 'key_1',
}: RouteAppOptions): Promise<HttpApp> {
  return createHttpApp({
    settings: { bodyLimitBytes: 1024 * 1024, rateLimitPerSecond: 0 },
    problems,
    logger: createLogger({
      level: 'fatal',
      to: new Writable({ write: (_chunk, _encoding, done) => done() }),
    }),
    metrics: createMetrics({ defaults: false }),
    clock,
    verifyKey: (key) => {
      const [, tenant = '', scopes = '*'] = key.split('_');
      return { tenant, keyId, scopes: new Set(scopes.split(',')) };
    },
    sandboxTenant: undefined,
    readiness: [],
    version: '1.2.3',
  });
}
