/** What the table of attempts holds, for who proves it against the logs; see the ledger's audit. */
import { idOf } from '#kernel/ids.ts';
import { type Range, type RangedRows, rowsInRanges } from '#platform/postgres/ranges.ts';
import type { Reader } from '#platform/postgres/read-pool.ts';
import type { Attempt } from './attempt.ts';

/** An attempt as it is; its state has to follow from the events of its subject. */
export interface AuditedAttempt
  extends Pick<
    Attempt,
    | 'subject'
    | 'tenant'
    | 'partition'
    | 'kind'
    | 'purpose'
    | 'number'
    | 'provider'
    | 'state'
    | 'amount'
    | 'currency'
    | 'providerReference'
    | 'key'
    | 'cause'
    | 'toldUnknown'
    | 'toldUnresolved'
    | 'contradictions'
  > {
  /** `att_…` */
  readonly id: string;
  /** `att_…` of the charge that a refund gives back. */
  readonly chargeId: string | null;
  /** Whether it has a time at which something is done about it, and that is not later than any that is ever set. */
  readonly due: 'none' | 'set' | 'too_late';
  /** Its deadline is later than any that an attempt begins with. */
  readonly isDeadlineTooLate: boolean;
}

/** Twice the longest pause there is (`schedule.ts`), for clocks that differ. */
export const PAUSE_MAX_MS = 2 * 3_600_000;
/** The longest that LASTRO_PROVIDER_DEADLINE_MS may be; refunds have ten minutes. */
export const DEADLINE_MAX_MS = 86_400_000;

interface AuditRow
  extends Omit<
    AuditedAttempt,
    | 'amount'
    | 'chargeId'
    | 'isDeadlineTooLate'
    | 'providerReference'
    | 'toldUnknown'
    | 'toldUnresolved'
    | 'contradictions'
  > {
  amount: bigint;
  told_unknown: boolean;
  told_unresolved: boolean;
  contradictions: string;
  charge_id: string | null;
  provider_reference: string | null;
  deadline_too_late: boolean;
}

/** By the index on subject. Subjects compare by bytes, whatever the database's collation. */
export const AUDITED_ATTEMPTS: RangedRows = {
  select: `select a.id, a.tenant, a.subject, a.partition, a.kind, a.purpose, a.number, a.provider, a.state,
                  a.amount, a.currency, a.charge_id, a.provider_reference, a.key, a.cause, a.told_unknown,
                  a.told_unresolved, a.contradictions,
                  case when a.due_at is null then 'none'
                       when a.due_at > now() + make_interval(secs => ${PAUSE_MAX_MS / 1000}) then 'too_late'
                       else 'set' end as due,
                  a.deadline_at > a.created_at + make_interval(secs => ${DEADLINE_MAX_MS / 1000}) as deadline_too_late
           from providers.attempts a`,
  by: 'a.subject',
  kind: 'text',
};

/** Attempts of the subjects of the ranges. Ascending by subject, charges before refunds, the first before the next. */
export async function listAttempts(reader: Reader, ranges: readonly Range[]): Promise<AuditedAttempt[]> {
  const { text, parameters } = rowsInRanges(AUDITED_ATTEMPTS, ranges);
  const rows = await reader.query<AuditRow>(`${text} order by subject, kind, number`, parameters);
  return rows.map((row) => ({
    ...row,
    isDeadlineTooLate: row.deadline_too_late,
    id: idOf('att', row.id),
    amount: Number(row.amount),
    chargeId: row.charge_id === null ? null : idOf('att', row.charge_id),
    providerReference: row.provider_reference,
    toldUnknown: row.told_unknown,
    toldUnresolved: row.told_unresolved,
    contradictions: row.contradictions === '' ? [] : row.contradictions.split(' '),
  }));
}
