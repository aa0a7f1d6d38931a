import type { onRequestAsyncHookHandler } from 'fastify';
import { problem } from '#kernel/problem.ts';
import type { HttpApp } from '#platform/http/http-app.ts';
import { sendProblem } from '#platform/http/send.ts';
import type { RunningServices } from '#platform/log/running-services.ts';

/** Whose a route is, by the route's own path; the first that matches. */
const ROUTE_OWNERS: readonly (readonly [pattern: RegExp, service: string])[] = [
  [/^\/v1\/(?:payments|refunds)\/:id\/(?:events|verdict|receipt)$/, 'integrity'],
  [/^\/v1\/card-transactions\/:id\/verdict$/, 'integrity'],
  [/^\/v1\/integrity(?!\/checkpoints)/, 'integrity'],
  [/^\/v1\/(?:payments|refunds|card-transactions)\/:id\/notifications$/, 'notification'],
  [/^\/v1\/webhook-endpoints/, 'notification'],
  [/^\/v1\/(?:providers|provider-callbacks|payments\/:id\/attempts|refunds\/:id\/resolution)/, 'providers'],
  [/^(?:\/v1)?\/(?:payments|refunds)/, 'payments'],
  [/^(?:\/v1\/(?:cards|card-transactions|merchant-rules)|\/transactions$)/, 'cards'],
  [/^\/v1\/cash-entries/, 'cashflow'],
  [/^\/(?:v1\/integrity\/checkpoints|\.well-known\/lastro-keys$)/, 'integrity'],
  [/^\/(?:v1\/(?:connectors|integrations|hooks)|hooks)/, 'hub'],
  [/^\/v1\/(?:accounts\/:id\/)?daily-balances/, 'consolidation'],
  [/^\/v1\/(?:accounts|journal-entries)/, 'ledger'],
];

/**
 * The keys are published by whoever has the one that signs; a provider is believed by whoever has its secret, and seen by whoever
 * calls it.
 */
const ANSWERED_BY_THE_SERVICE =
  /^\/(?:\.well-known\/lastro-keys|v1\/provider-callbacks\/:provider|v1\/providers)$/;

/**
 * A route of a service that runs nowhere answers 503 (DESIGN §7); where another process runs it, this one answers: what a route does is
 * rows, read or written, and the service works on them where it is. Asked behind the route's own guard: who may not call it is told so
 * whatever runs, and the refusal is measured as the route's. A process that runs all pays nothing for it.
 */
export function refuseAbsentServices(
  app: HttpApp,
  {
    services,
    running,
  }: { readonly services: readonly string[]; readonly running: Pick<RunningServices, 'has'> },
): void {
  app.addHook('onRoute', (route) => {
    const owner = ROUTE_OWNERS.find(([pattern]) => pattern.test(route.url))?.[1];
    if (owner === undefined || services.includes(owner)) return;
    const refusal = refuseUnlessRun({ path: route.url, owner, running });
    route.onRequest = [...[route.onRequest ?? []].flat(), refusal];
  });
}

function refuseUnlessRun({
  path,
  owner,
  running,
}: {
  readonly path: string;
  readonly owner: string;
  readonly running: Pick<RunningServices, 'has'>;
}): onRequestAsyncHookHandler {
  const isAnsweredByOthers = !ANSWERED_BY_THE_SERVICE.test(path);
  return async (_request, reply) => {
    if (isAnsweredByOthers && (await running.has(owner))) return undefined;
    sendProblem(reply, problem('service.unavailable', detailOf(owner, path)));
    return reply;
  };
}

function detailOf(owner: string, path: string): string {
  return ANSWERED_BY_THE_SERVICE.test(path)
    ? `The service ${owner}, which answers this, does not run in this process.`
    : `The service ${owner} runs in no process.`;
}
