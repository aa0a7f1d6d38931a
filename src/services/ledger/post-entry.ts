import type { EpochMs } from '#kernel/clock.ts';
import { accepted, type Decision, refused } from '#kernel/decision.ts';
import { invariant } from '#kernel/fault.ts';
import type { FieldProblem, Problem } from '#kernel/problem.ts';
import type { Books, Entry } from './books.ts';
import { entryIdOf } from './entry-id.ts';
import type { PostEntryOrder } from './orders.ts';
import type { LedgerProblemCode } from './problems.ts';

export interface EntryRequest {
  readonly tenant: string;
  /** The entry's uuid. It is its own cause: nothing but the request asked for it. */
  readonly uuid: string;
  readonly order: PostEntryOrder;
}

/** Posts what a caller wrote; a refusal points at the posting at fault. */
export function postEntry(
  books: Books,
  { tenant, uuid, order }: EntryRequest,
  now: EpochMs,
): Decision<Entry, Problem<LedgerProblemCode>> {
  const draft = {
    id: entryIdOf(uuid, 'manual'),
    tenant,
    cause: uuid,
    purpose: 'manual',
    postings: order.postings.map(({ account_id, direction, amount }) => ({
      accountId: account_id,
      amountMinor: direction === 'debit' ? -BigInt(amount) : BigInt(amount),
    })),
    description: order.description ?? null,
    reference: order.reference ?? null,
    effectiveOn: order.effective_on ?? null,
  } as const;
  const posted = books.post(draft, now);
  if (!posted.ok) return refused(pointed(posted.problem, order));
  invariant(posted.value !== 'already', `the new entry ${uuid} exists`);
  return accepted(posted.value);
}

const FAULT_CODES: Partial<Record<LedgerProblemCode, string>> = {
  'ledger.account_not_found': 'unknown',
  'ledger.account_closed': 'closed',
  'ledger.insufficient_funds': 'insufficient_funds',
  'ledger.amount_out_of_range': 'out_of_range',
};

/** The problem with a pointer to the account in its way, or to the postings as a whole. */
function pointed(
  obstacle: Problem<LedgerProblemCode>,
  { postings }: PostEntryOrder,
): Problem<LedgerProblemCode> {
  const accountId = obstacle.members?.['account_id'];
  const index = postings.findIndex((posting) => posting.account_id === accountId);
  const at: FieldProblem = {
    pointer: index < 0 ? '/postings' : `/postings/${index}/account_id`,
    code: FAULT_CODES[obstacle.code] ?? 'unbalanced',
    detail: obstacle.detail,
  };
  return { ...obstacle, errors: [at] };
}
