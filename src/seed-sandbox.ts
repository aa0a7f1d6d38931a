import { setTimeout as delay } from 'node:timers/promises';
import { Fault } from '#kernel/fault.ts';
import type { HttpApp } from '#platform/http/http-app.ts';
import { SANDBOX_CARDS_SEED, SANDBOX_CASH_SEED, SANDBOX_SEED, type SeedRequest } from '../sandbox/seed.ts';

/** Taken by the user before, or changed since: the sandbox is theirs. */
const THEIRS = [409, 412];
const TOO_MANY = 429;
/** The window is a second; more than that and somebody else uses up what the sandbox's key may do. */
const TRIES_MAX = 10;

/**
 * Sends the sandbox's seed through the API itself, as its tenant; what exists answers as it did the first time. A process
 * without a service has nothing of it to seed; one that has it does.
 */
export async function seedSandbox(
  app: HttpApp,
  { apiKey, services }: { readonly apiKey: string; readonly services: readonly string[] },
): Promise<void> {
  if (services.includes('ledger')) await send(app, apiKey, SANDBOX_SEED);
  if (services.includes('ledger') && services.includes('cashflow'))
    await send(app, apiKey, SANDBOX_CASH_SEED);
  if (services.includes('cards')) await send(app, apiKey, SANDBOX_CARDS_SEED);
}

async function send(app: HttpApp, apiKey: string, requests: readonly SeedRequest[]): Promise<void> {
  for (const request of requests) {
    const answer = await untilAllowed(() => sendOne(app, apiKey, request));
    if (answer.statusCode < 400 || THEIRS.includes(answer.statusCode)) continue;
    const what = `${request.url} answered ${answer.statusCode} ${answer.body}`;
    throw new Fault(`the sandbox could not be seeded: ${what}`, { transient: false });
  }
}

function sendOne(app: HttpApp, apiKey: string, { method, url, headers, ...rest }: SeedRequest) {
  return app.inject({
    method: method ?? 'POST',
    url,
    headers: { ...headers, authorization: `Bearer ${apiKey}`, 'idempotency-key': rest.idempotencyKey },
    payload: rest.body,
  });
}

type Answer = Awaited<ReturnType<typeof sendOne>>;

/** A rate limit (LASTRO_RATE_LIMIT) holds for the seed as for everybody who has the key: it waits as it is told to. */
async function untilAllowed(ask: () => Promise<Answer>): Promise<Answer> {
  for (let tries = 1; ; tries++) {
    const answer = await ask();
    if (answer.statusCode !== TOO_MANY || tries === TRIES_MAX) return answer;
    await delay(Number(answer.headers['retry-after'] ?? 1) * 1000);
  }
}
