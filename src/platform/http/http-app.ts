/**
 * The HTTP edge: Fastify, dressed so that every route behaves alike.
 *
 * E1: every refusal is a problem (RFC 9457), also of what never reached a route; what was sent never makes a 5xx.
 * E2: every answer has X-Correlation-ID, and so has every line that is logged on its behalf (U17).
 * E3: a route says which scope it needs, or that it is open; one that says neither does not start (U19).
 * E4: that there is no such route, and authentication, come before the body is read; nothing malformed reaches a handler
 *     (DESIGN R6).
 * E5: nothing on the way of a request that is let in is asynchronous but its body, unless its key has to be looked up.
 */
import {
  type FastifyBaseLogger,
  type FastifyInstance,
  type FastifyRequest,
  fastify,
  LogController,
  type RawReplyDefaultExpression,
  type RawRequestDefaultExpression,
  type RawServerDefault,
} from 'fastify';
import type { Clock } from '#kernel/clock.ts';
import { type Problem, type ProblemRegistry, problem } from '#kernel/problem.ts';
import type { Logger } from '#platform/telemetry/logger.ts';
import type { Metrics } from '#platform/telemetry/metrics.ts';
import { allowedMethods, type RegisteredRoute } from './allowed-methods.ts';
import { boundAnswersUnderWay } from './answers-under-way.ts';
import { DOCS_PREFIX, registerDocsPages, registerOpenApi } from './api-docs.ts';
import { createAuthenticate } from './authenticate.ts';
import { boundBodiesUnderWay } from './bodies-under-way.ts';
import { createClientErrorHandler, createTunnelRefusal } from './client-error.ts';
import { closeConnectionsWhileClosing } from './closing.ts';
import { CorrelatedLog } from './correlated-log.ts';
import { handleError } from './error-handler.ts';
import { beforeEveryRequest, createAfterEveryRequest, requestIdOf, setHeaders } from './every-request.ts';
import { parseJsonContent } from './json-content.ts';
import { type ReadinessCheck, registerOperationalRoutes } from './operational-routes.ts';
import { lineUpPipelined } from './pipelined-requests.ts';
import type { VerifyKey } from './principal.ts';
import { ProblemError } from './problem-error.ts';
import { edgeProblems, mergeProblems } from './problems.ts';
import { createRateLimiter } from './rate-limit.ts';
import { pathOf } from './request-target.ts';
import { createRouteGuard, type GuardOptions, readsOf, scopeOf } from './route-guard.ts';
import { createHttpDurations, type HttpDurations, RouteMeter } from './route-meter.ts';
import type { SchemaTypes } from './schemas.ts';
import { sendProblem } from './send.ts';
import { createValidatorCompiler } from './validation.ts';

/** Longer than the idle time of the usual load balancers (60 s): the side that opened a connection should close it. */
const KEEP_ALIVE_TIMEOUT_MS = 75_000;
/** For the headers to arrive in full. A connection that dribbles them would hold a socket for nothing. */
const HEADERS_TIMEOUT_MS = 10_000;
/** For the whole request to arrive; a body of 1 MiB needs 35 KiB/s. */
const REQUEST_TIMEOUT_MS = 30_000;
/** How often the two are looked after. Node's default of 30 s would make 40 of the 10. */
const TIMEOUT_CHECK_INTERVAL_MS = 1_000;
/** Of a path parameter as sent: our longest id has 64 characters, which may all be percent-encoded. */
const MAX_PARAMETER_LENGTH = 256;

export interface HttpAppOptions {
  readonly settings: { readonly bodyLimitBytes: number; readonly rateLimitPerSecond: number };
  /** The services' registries, merged; the edge adds its own. */
  readonly problems: ProblemRegistry;
  readonly logger: Logger;
  readonly metrics: Metrics;
  readonly clock: Clock;
  readonly verifyKey: VerifyKey;
  /** The tenant that requests from this machine without credentials act as; undefined outside the sandbox. */
  readonly sandboxTenant: string | undefined;
  readonly readiness: readonly ReadinessCheck[];
  /** Of the product, for the OpenAPI document. */
  readonly version: string;
}

export type HttpApp = FastifyInstance<
  RawServerDefault,
  RawRequestDefaultExpression,
  RawReplyDefaultExpression,
  FastifyBaseLogger,
  SchemaTypes
>;

/**
 * An app with everything but the product's routes: register those on it, then `await app.ready()` or `listen`. A route
 * has `config: { scope }`, and its body's schema is `closed`.
 */
export async function createHttpApp(options: HttpAppOptions): Promise<HttpApp> {
  const problems = mergeProblems(edgeProblems, options.problems);
  const app = createFastify(options, problems);
  app.decorate('problems', problems);
  app.decorateRequest('caller', null);
  app.decorateRequest('meter', null);
  app.setValidatorCompiler(createValidatorCompiler());
  app.setErrorHandler(handleError);
  app.removeAllContentTypeParsers();
  app.addContentTypeParser('application/json', { parseAs: 'buffer' }, parseJsonContent);
  await registerOpenApi(app, options.version);
  passOverExpectations(app);
  app.server.on('connect', createTunnelRefusal({ problems }));
  lineUpPipelined(app.server);
  addHooks(app, options);
  registerOperationalRoutes(app, options);
  await registerDocsPages(app);
  return app.withTypeProvider<SchemaTypes>();
}

function createFastify(options: HttpAppOptions, problems: ProblemRegistry): FastifyInstance {
  const { logger, settings } = options;
  const base: FastifyBaseLogger = logger;
  return fastify({
    loggerInstance: base,
    logController: new LogController({ disableRequestLogging: true }), // one line of our own an answer, not two
    childLoggerFactory: (_logger, bindings) => new CorrelatedLog(logger, String(bindings['reqId'])),
    genReqId: requestIdOf,
    bodyLimit: settings.bodyLimitBytes,
    keepAliveTimeout: KEEP_ALIVE_TIMEOUT_MS,
    requestTimeout: REQUEST_TIMEOUT_MS,
    http: {
      headersTimeout: HEADERS_TIMEOUT_MS,
      connectionsCheckingInterval: TIMEOUT_CHECK_INTERVAL_MS,
      requireHostHeader: false, // Node would answer without a body; we do it ourselves, as a problem (E1)
    },
    forceCloseConnections: 'idle',
    return503OnClosing: false, // what arrived before the end is served; its answer closes the connection
    routerOptions: { maxParamLength: MAX_PARAMETER_LENGTH },
    clientErrorHandler: createClientErrorHandler({ problems, logger }),
    frameworkErrors: (error, request, reply) => {
      setHeaders(request, reply);
      handleError(error, request, reply);
    },
  });
}

/** RFC 9110 §10.1.1: an expectation that is not known may be passed over. Node would answer 417 without a body (E1, E2). */
function passOverExpectations({ server }: FastifyInstance): void {
  server.on('checkExpectation', (request, response) => server.emit('request', request, response));
}

function addHooks(app: FastifyInstance, options: HttpAppOptions): void {
  const { settings } = options;
  const durations = createHttpDurations(options.metrics);
  const routes: RegisteredRoute[] = [];
  const guard: GuardOptions = {
    authenticate: createAuthenticate(options),
    clock: options.clock,
    rateLimiter:
      settings.rateLimitPerSecond === 0 ? undefined : createRateLimiter(settings.rateLimitPerSecond),
  };
  app.addHook('onRequest', beforeEveryRequest);
  app.addHook('onRequest', (request, _reply, done) => {
    done(request.is404 ? unknownTarget(request, routes) : undefined);
  });
  closeConnectionsWhileClosing(app);
  app.addHook(
    'onResponse',
    createAfterEveryRequest(new RouteMeter(durations, { route: 'none', method: 'any' })),
  );
  guardRoutes(app, { routes, durations, guard });
  app.addHook('preParsing', boundBodiesUnderWay(settings.bodyLimitBytes));
  app.addHook('onSend', boundAnswersUnderWay());
  // What is left for it: a route that exists and gives up, as the one of the page's files does.
  app.setNotFoundHandler((_request, reply) => sendProblem(reply, notFound()));
}

/** E3: puts the guard before every route that is registered from now on. */
function guardRoutes(
  app: FastifyInstance,
  { routes, durations, guard }: { routes: RegisteredRoute[]; durations: HttpDurations; guard: GuardOptions },
): void {
  app.addHook('onRoute', (route) => {
    const scope = route.url.startsWith(DOCS_PREFIX) ? undefined : scopeOf(route);
    const methods = [route.method].flat();
    for (const method of methods) routes.push({ method, template: route.url });
    const meter = new RouteMeter(durations, { route: route.url, method: methods.join(',') });
    route.onRequest = [
      createRouteGuard({ scope, meter, reads: readsOf(route) }, guard),
      ...[route.onRequest ?? []].flat(),
    ];
  });
}

/** Why a request that no route takes is refused. Said before its body is read, whatever that is (E4). */
function unknownTarget(request: FastifyRequest, routes: readonly RegisteredRoute[]): ProblemError {
  const allowed = allowedMethods(routes, pathOf(request.url)).join(', ');
  if (allowed === '') return new ProblemError(notFound());
  const refusal = problem('request.method_not_allowed', `This address takes ${allowed}.`);
  return new ProblemError(refusal, { allow: allowed });
}

function notFound(): Problem {
  return problem('request.not_found', 'There is nothing at this address.');
}
