import type {
  FastifyReply,
  FastifyRequest,
  HookHandlerDoneFunction,
  onRequestHookHandler,
  RouteOptions,
} from 'fastify';
import type { Clock } from '#kernel/clock.ts';
import { correlationIdOf } from '#kernel/correlation-id.ts';
import { InvariantViolation } from '#kernel/fault.ts';
import { readingTenant } from '#platform/postgres/read-turns.ts';
import type { Authenticate, Authentication } from './authenticate.ts';
import { lacksScope, permits } from './principal.ts';
import { ProblemError } from './problem-error.ts';
import type { RateLimiter } from './rate-limit.ts';
import { contextOf } from './request-context.ts';
import type { RouteMeter } from './route-meter.ts';
import { parseTraceparent } from './traceparent.ts';

export interface GuardOptions {
  readonly authenticate: Authenticate;
  readonly clock: Clock;
  /** Undefined if there is no limit: then it costs nothing. */
  readonly rateLimiter: RateLimiter | undefined;
}

/**
 * What stands before one route, made once when the route is registered: it knows the route's scope and meter, so that
 * a request looks nothing up. Synchronous unless the key has to be asked for.
 */
export function createRouteGuard(
  route: { scope: string | undefined; meter: RouteMeter; reads: boolean },
  options: GuardOptions,
): onRequestHookHandler {
  const { scope, meter } = route;
  if (scope === undefined) {
    return (request, _reply, done) => {
      request.meter = meter;
      done();
    };
  }
  const { clock, rateLimiter } = options;
  const admit = ({ request, reply, done }: Passage, authentication: Authentication): void => {
    const refusal = letIn(request, authentication, { scope, clock });
    done(refusal ?? rateLimiter?.(contextOf(request).keyId, reply));
  };
  const admitReader = (passage: Passage, authentication: Authentication): void => {
    if (!authentication.ok) admit(passage, authentication);
    else readingTenant.run(authentication.value.tenant, () => admit(passage, authentication));
  };
  const letThrough = route.reads ? admitReader : admit;
  return (request, reply, done) => {
    request.meter = meter;
    const authentication = options.authenticate(request.raw);
    const passage = { request, reply, done };
    if (authentication instanceof Promise) authentication.then((known) => letThrough(passage, known), done);
    else letThrough(passage, authentication);
  };
}

interface Passage {
  readonly request: FastifyRequest;
  readonly reply: FastifyReply;
  readonly done: HookHandlerDoneFunction;
}

/** A refusal names an error only to a caller who tried (RFC 6750 §3.1). */
const WRONG_KEY_CHALLENGE = { 'www-authenticate': 'Bearer realm="lastro", error="invalid_token"' };

/** Sets the request's context, or says why there is none. */
function letIn(
  request: FastifyRequest,
  authentication: Authentication,
  route: { scope: string; clock: Clock },
): ProblemError | undefined {
  if (!authentication.ok) {
    const given = request.headers.authorization !== undefined;
    return new ProblemError(authentication.problem, given ? WRONG_KEY_CHALLENGE : {});
  }
  const principal = authentication.value;
  if (!permits(principal, route.scope)) return new ProblemError(lacksScope(route.scope));
  request.caller = {
    tenant: principal.tenant,
    keyId: principal.keyId,
    scopes: principal.scopes,
    correlationId: correlationIdOf(request.id),
    traceparent: parseTraceparent(request.headers['traceparent']),
    receivedAt: route.clock.now(),
  };
  return undefined;
}

/** Whether a route reads for its caller. A POST that moves or promises money decides in a batch, which reads by a session of its own. */
export function readsOf(route: RouteOptions): boolean {
  return route.method !== 'POST' || route.config?.idempotencyKey === 'optional';
}

/** The scope of a route, undefined if it is open to all. A route that says neither does not start. */
export function scopeOf(route: RouteOptions): string | undefined {
  const { scope, open } = route.config ?? {};
  if (open === true && scope === undefined) return undefined;
  if (scope !== undefined && open === undefined) return scope;
  throw new InvariantViolation(
    `${String(route.method)} ${route.url} must say in its config which scope it needs, or open`,
  );
}
