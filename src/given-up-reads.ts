/** What the services offer about what they have given up, for a program that runs none of them. */

import type { DeadLetterOrder } from '#platform/dead-letters/dead-letter-orders.ts';
import type { GivenUpReads } from '#platform/dead-letters/given-up.ts';
import { objectionToEdit } from '#platform/dead-letters/given-up-edit.ts';
import { DeadLetterReads } from '#platform/dead-letters/reads.ts';
import type { ReadPool } from '#platform/postgres/read-pool.ts';
import { Connectors } from '#services/hub/connectors.ts';
import { Evaluator } from '#services/hub/evaluation/evaluator.ts';
import { HubLetterReads } from '#services/hub/letters/hub-letters.ts';
import { HubReads } from '#services/hub/reads.ts';
import { WebhookLetterReads } from '#services/notification/webhooks/letters/webhook-letters.ts';

/** Its processes are started by an edit alone. */
export function givenUpReads(pool: ReadPool, evaluator = new Evaluator()): readonly GivenUpReads[] {
  const hub = new HubLetterReads({ reads: new HubReads(pool), connectors: new Connectors(pool), evaluator });
  return [hub, new WebhookLetterReads(pool)];
}

/** Rejects with why what was given up cannot be tried again with the order's data. */
export async function requireEditable(
  pool: ReadPool,
  asked: { readonly tenant: string; readonly order: DeadLetterOrder },
): Promise<void> {
  const evaluator = new Evaluator();
  const reads = new DeadLetterReads(pool);
  const objection = await objectionToEdit(asked, { reads, works: givenUpReads(pool, evaluator) });
  await evaluator.close();
  if (objection !== undefined) throw new Error(objection.detail);
}
