/** What the table of attempts holds, for who proves it against the logs; see the ledger's audit. */
import { idOf } from '#kernel/ids.ts';
import { type Range, type RangedRows, rowsInRanges } from '#platform/postgres/ranges.ts';
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

/** By the index on subject. Subjects compare by bytes, whatever the database's collation. */
export const AUDITED_ATTEMPTS: RangedRows = {
  select: `select a.id, a.tenant, a.subject, a.kind, a.purpose, a.number, a.provider, a.state, a.amount, a.currency,
                  a.charge_id
           from providers.attempts a`,
  by: 'a.subject',
  kind: 'text',
};

/** Attempts of the subjects of the ranges. Ascending by subject, charges before refunds, the first before the next. */
export async function listAttempts(reader: Reader, ranges: readonly Range[]): Promise<AuditedAttempt[]> {
  const { text, parameters } = rowsInRanges(AUDITED_ATTEMPTS, ranges);
  const rows = await reader.query<AuditRow>(`${text} order by subject, kind, number`, parameters);
  return rows.map(({ charge_id, amount, id, ...row }) => ({
    ...row,
    id: idOf('att', id),
    amount: Number(amount),
    chargeId: charge_id === null ? null : idOf('att', charge_id),
  }));
}
