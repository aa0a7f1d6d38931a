import { problem } from '#kernel/problem.ts';
import type { HttpApp } from '#platform/http/http-app.ts';
import { sendProblem } from '#platform/http/send.ts';

/** Whose a route is, by the route's own path; the first that matches. */
const ROUTE_OWNERS: readonly (readonly [pattern: RegExp, service: string])[] = [
  [/^\/v1\/(?:payments|refunds)\/:id\/(?:events|verdict|receipt)$/, 'integrity'],
  [/^\/v1\/card-transactions\/:id\/verdict$/, 'integrity'],
  [/^\/v1\/integrity(?!\/checkpoints)/, 'integrity'],
  [/^\/v1\/(?:payments|refunds|card-transactions)\/:id\/notifications$/, 'notification'],
  [/^\/v1\/webhook-endpoints/, 'notification'],
  [/^\/v1\/(?:providers|provider-callbacks|payments\/:id\/attempts)/, 'providers'],
  [/^(?:\/v1)?\/(?:payments|refunds)/, 'payments'],
  [/^(?:\/v1\/(?:cards|card-transactions|merchant-rules)|\/transactions$)/, 'cards'],
  [/^\/v1\/cash-entries/, 'cashflow'],
  [/^\/(?:v1\/integrity\/checkpoints|\.well-known\/lastro-keys$)/, 'integrity'],
  [/^\/(?:v1\/(?:connectors|integrations|hooks)|hooks)/, 'hub'],
  [/^\/v1\/(?:accounts\/:id\/)?daily-balances/, 'consolidation'],
  [/^\/v1\/(?:accounts|journal-entries)/, 'ledger'],
];

/** The routes of a service that LASTRO_SERVICES leaves out answer 503 (DESIGN §7). A process that runs all pays nothing for it. */
export function refuseAbsentServices(app: HttpApp, services: readonly string[]): void {
  const absent = ROUTE_OWNERS.filter(([, service]) => !services.includes(service));
  if (absent.length === 0) return;
  app.addHook('onRequest', (request, reply, done) => {
    const path = request.routeOptions.url ?? '';
    const owner = ROUTE_OWNERS.find(([pattern]) => pattern.test(path))?.[1];
    if (owner === undefined || services.includes(owner)) done();
    else
      sendProblem(
        reply,
        problem('service.unavailable', `The service ${owner} does not run in this process.`),
      );
  });
}
