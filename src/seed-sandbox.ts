import { Fault } from '#kernel/fault.ts';
import type { HttpApp } from '#platform/http/http-app.ts';
import { SANDBOX_CARDS_SEED, SANDBOX_CASH_SEED, SANDBOX_SEED, type SeedRequest } from '../sandbox/seed.ts';

/** Taken by the user before, or changed since: the sandbox is theirs. */
const THEIRS = [409, 412];

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
  for (const { method = 'POST', url, headers = {}, idempotencyKey, body } of requests) {
    const answer = await app.inject({
      method,
      url,
      headers: { ...headers, authorization: `Bearer ${apiKey}`, 'idempotency-key': idempotencyKey },
      payload: body,
    });
    if (answer.statusCode >= 400 && !THEIRS.includes(answer.statusCode)) {
      throw new Fault(
        `the sandbox could not be seeded: ${url} answered ${answer.statusCode} ${answer.body}`,
        {
          transient: false,
        },
      );
    }
  }
}
