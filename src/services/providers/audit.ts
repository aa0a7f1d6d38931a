/** What the table of attempts holds, for who proves it against the logs; see the ledger's audit. */
import { idOf } from '#kernel/ids.ts';
import type { Reader } from '#platform/postgres/read-pool.ts';
import type { Attempt } from './attempt.ts';

/** An attempt as it is; its state has to follow from the events of its subject. */
export interface AuditedAttempt
  extends Pick<
    Attempt,
    'subject' | 'tenant' | 'kind' | 'purpose' | 'number' | 'provider' | 'state' | 'amount' | 'currency'
  > {
  /** `att_…` */
  readonly id: string;
  /** `att_…` of the charge that a refund gives back. */
  readonly chargeId: string | null;
}

interface AuditRow extends Omit<AuditedAttempt, 'amount' | 'chargeId'> {
  amount: bigint;
  charge_id: string | null;
}

/**
 * Attempts of subjects after the first, up to the second; null is no bound. Ascending by subject, charges before refunds,
 * the first before the next; by the index on subject. Subjects compare by bytes, whatever the database's collation.
 */
export async function listAttempts(
  reader: Reader,
  range: { readonly after: string | null; readonly upTo: string | null },
): Promise<AuditedAttempt[]> {
  const rows = await reader.query<AuditRow>(
    `select id, tenant, subject, kind, purpose, number, provider, state, amount, currency, charge_id
     from providers.attempts
     where ($1::text is null or subject > $1) and ($2::text is null or subject <= $2)
     order by subject, kind, number`,
    [range.after, range.upTo],
  );
  return rows.map(({ charge_id, amount, id, ...row }) => ({
    ...row,
    id: idOf('att', id),
    amount: Number(amount),
    chargeId: charge_id === null ? null : idOf('att', charge_id),
  }));
}
