/** A cash entry given back by another, once; pure (F5). */
import type { EpochMs } from '#kernel/clock.ts';
import { type Decision, refused } from '#kernel/decision.ts';
import { idOf } from '#kernel/ids.ts';
import { type Problem, problem } from '#kernel/problem.ts';
import type { CashEntry, CashEntryReading } from './cash-entry.ts';
import type { CashflowProblemCode } from './problems.ts';
import { type CashBooks, futureDate, postCashEntry, type Recorded, todayOf } from './record-cash-entry.ts';

export interface ReverseRequest {
  /** Of the reversal. */
  readonly uuid: string;
  readonly reason: string | null;
  /** Null: today, where the account is. */
  readonly occurredOn: string | null;
}

/** `original`, read under the lock of its account. */
export function reverseCashEntry(
  on: CashBooks,
  original: CashEntryReading,
  { uuid, reason, occurredOn }: ReverseRequest,
  now: EpochMs,
): Decision<Recorded> {
  if (original.reverses !== null) return refused(isAReversal(original));
  if (original.reversedBy !== null) return refused(alreadyReversed(original, original.reversedBy));
  const account = { tenant: original.tenant, id: original.accountId };
  const day = occurredOn ?? todayOf(on, account, now);
  const obstacle = futureDate(on, account, { occurredOn: day, now }) ?? tooEarly(original, day);
  if (obstacle !== undefined) return refused(obstacle);
  const reversal: CashEntry = {
    ...original,
    uuid,
    direction: original.direction === 'debit' ? 'credit' : 'debit',
    occurredOn: day,
    description: reason ?? original.description,
    reverses: original.uuid,
    source: null,
    recordedAt: now,
  };
  return postCashEntry(on, reversal, now);
}

/** The balance of days before it would tell of what had not been given yet. */
function tooEarly({ uuid, occurredOn }: CashEntry, day: string): Problem<CashflowProblemCode> | undefined {
  if (day >= occurredOn) return undefined;
  const detail = `The entry ${idOf('cen', uuid)} is of ${occurredOn}; ${day} is before that.`;
  return problem('cashflow.reversed_before_it_occurred', detail, {
    errors: [{ pointer: '/occurred_on', code: 'too_early', detail }],
  });
}

function isAReversal({ uuid }: CashEntry): Problem<CashflowProblemCode> {
  return problem('cashflow.is_a_reversal', `The entry ${idOf('cen', uuid)} gives another back.`);
}

function alreadyReversed({ uuid }: CashEntry, by: string): Problem<CashflowProblemCode> {
  const reversal = idOf('cen', by);
  const detail = `The entry ${idOf('cen', uuid)} was given back by ${reversal}.`;
  return problem('cashflow.already_reversed', detail, { members: { reversed_by: reversal } });
}

export function cashEntryNotFound(id: string): Problem<CashflowProblemCode> {
  return problem('cashflow.cash_entry_not_found', `There is no cash entry ${id}.`);
}
