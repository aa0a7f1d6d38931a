import { Fault } from '#kernel/fault.ts';
import type { HttpApp } from '#platform/http/http-app.ts';
import { SANDBOX_SEED } from '../sandbox/seed.ts';

/** Sends the sandbox's seed through the API itself, as its tenant; what exists answers as it did the first time. */
export async function seedSandbox(app: HttpApp, apiKey: string): Promise<void> {
  for (const { url, idempotencyKey, body } of SANDBOX_SEED) {
    const answer = await app.inject({
      method: 'POST',
      url,
      headers: { authorization: `Bearer ${apiKey}`, 'idempotency-key': idempotencyKey },
      payload: body,
    });
    // 409: an account of that id was opened by the user before; the sandbox is theirs.
    if (answer.statusCode >= 400 && answer.statusCode !== 409) {
      throw new Fault(
        `the sandbox could not be seeded: ${url} answered ${answer.statusCode} ${answer.body}`,
        {
          transient: false,
        },
      );
    }
  }
}
