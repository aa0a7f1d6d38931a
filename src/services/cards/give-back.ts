/**
 * What is given back of a card transaction, and what of a held one is spent; pure. Under the lock of the balance that
 * paid, which arbitrates who is first: a reversal, a capture, the expiry, or the authorizer that was too late.
 */
import type { EpochMs } from '#kernel/clock.ts';
import { accepted, type Decision, refused } from '#kernel/decision.ts';
import { InvariantViolation, invariant } from '#kernel/fault.ts';
import { idOf } from '#kernel/ids.ts';
import { type Problem, problem } from '#kernel/problem.ts';
import type { AccountRef, Books, Entry } from '#services/ledger/contract.ts';
import { spending } from './authorize-card-transaction.ts';
import { balanceAccountId, settlementAccountId } from './card.ts';
import type { CardTransaction } from './card-transaction.ts';
import type { CardReleased, CardReversed } from './events.ts';
import type { CardProblem } from './refusals.ts';

/** A card transaction after a step, and what the step did with money. */
export type Step =
  | {
      readonly kind: 'captured';
      readonly after: CardTransaction;
      readonly entry: Entry;
      readonly heldMinor: bigint;
    }
  | {
      readonly kind: 'reversed';
      readonly after: CardTransaction;
      readonly entry: Entry;
      readonly amountMinor: bigint;
      readonly because: CardReversed['because'];
    }
  | {
      readonly kind: 'released';
      readonly after: CardTransaction;
      readonly amountMinor: bigint;
      readonly because: CardReleased['because'];
    };

export interface Reversal {
  /** Of the reversal. */
  readonly uuid: string;
  /** Undefined: all that is left. */
  readonly amountMinor: bigint | undefined;
  readonly because: CardReversed['because'];
}

export function reverse(
  books: Books,
  before: CardTransaction,
  reversal: Reversal,
  now: EpochMs,
): Decision<Step, CardProblem | LedgerObstacle> {
  const leftMinor = leftOf(before);
  const amountMinor = reversal.amountMinor ?? leftMinor;
  if (leftMinor === 0n) return refused(nothingLeft(before));
  if (amountMinor > leftMinor) return refused(exceeds(amountMinor, leftMinor));
  if (before.state === 'held') {
    if (amountMinor < leftMinor) return refused(partialBeforeCapture());
    return accepted(release(books, before, reversal.because === 'late' ? 'late' : 'reversed'));
  }
  const entry = books.post(giving(before, reversal.uuid, amountMinor), now);
  if (!entry.ok) return entry;
  invariant(entry.value !== 'already', `the new reversal ${reversal.uuid} has an entry`);
  const after = { ...before, reversedMinor: before.reversedMinor + amountMinor };
  return accepted({ kind: 'reversed', after, entry: entry.value, amountMinor, because: reversal.because });
}

type LedgerObstacle = Problem;

/** Gives a hold back. */
export function release(books: Books, before: CardTransaction, because: CardReleased['because']): Step {
  const released = books.release(before.uuid, because === 'expired' ? 'expired' : 'released');
  if (!released.ok || released.value === 'already')
    throw new InvariantViolation(`the hold of ${idOf('ctx', before.uuid)} has ended otherwise than it says`);
  const after = { ...before, state: because === 'expired' ? 'expired' : 'released' } as const;
  return { kind: 'released', after, amountMinor: amountOf(before), because };
}

/** Spends what was held, or a part of it, and gives the rest back. */
export function capture(
  books: Books,
  before: CardTransaction,
  wantedMinor: bigint | undefined,
  now: EpochMs,
): Decision<Step, CardProblem | LedgerObstacle> {
  if (before.state !== 'held') return refused(notHeld(before));
  const heldMinor = amountOf(before);
  const amountMinor = wantedMinor ?? heldMinor;
  if (amountMinor > heldMinor) return refused(exceeds(amountMinor, heldMinor));
  const { tenant, uuid } = before;
  const draft = spending({ tenant, uuid, ...partiesOf(before), amountMinor });
  const entry = books.capture(uuid, draft, now);
  if (!entry.ok) return entry;
  invariant(entry.value !== 'already', `the held ${idOf('ctx', uuid)} has an entry`);
  const after = { ...before, state: 'captured', capturedMinor: amountMinor } as const;
  return accepted({ kind: 'captured', after, entry: entry.value, heldMinor });
}

/** What may still be given back. */
function leftOf({ state, capturedMinor, reversedMinor, amountMinor }: CardTransaction): bigint {
  if (state === 'held') return amountMinor ?? 0n;
  return state === 'captured' ? capturedMinor - reversedMinor : 0n;
}

function giving(before: CardTransaction, reversalUuid: string, amountMinor: bigint) {
  const { accountId, currency } = partiesOf(before);
  return {
    id: reversalUuid,
    tenant: before.tenant,
    cause: before.uuid,
    purpose: 'card_reversal',
    postings: [
      { accountId: settlementAccountId(currency), amountMinor: -amountMinor },
      { accountId, amountMinor },
    ],
  } as const;
}

/** Of one that was approved: whose money it was. */
export function partiesOf({ uuid, account, category, currency }: CardTransaction): {
  readonly accountId: string;
  readonly currency: string;
} {
  if (account === null || category === null || currency === null)
    throw new InvariantViolation(`${idOf('ctx', uuid)} moved money of nobody`);
  return { accountId: balanceAccountId(account, category), currency };
}

/** What one that moved money moved it between; none of one that did not. */
export function accountsOf(cardTransaction: CardTransaction): AccountRef[] {
  if (cardTransaction.state === 'declined') return [];
  const { tenant } = cardTransaction;
  const { accountId, currency } = partiesOf(cardTransaction);
  return [
    { tenant, id: accountId },
    { tenant, id: settlementAccountId(currency) },
  ];
}

function amountOf({ uuid, amountMinor }: CardTransaction): bigint {
  if (amountMinor === null) throw new InvariantViolation(`${idOf('ctx', uuid)} has no amount`);
  return amountMinor;
}

function nothingLeft({ uuid, state }: CardTransaction): CardProblem {
  const detail = `Of ${idOf('ctx', uuid)}, which is ${state}, nothing is left to be given back.`;
  return problem('cards.nothing_to_reverse', detail);
}

function notHeld({ uuid, state }: CardTransaction): CardProblem {
  return problem('cards.not_held', `${idOf('ctx', uuid)} is ${state}.`);
}

function partialBeforeCapture(): CardProblem {
  return problem(
    'cards.partial_before_capture',
    'The amount is held; nothing was spent that could be given back.',
  );
}

function exceeds(wantedMinor: bigint, leftMinor: bigint): CardProblem {
  const detail = `${wantedMinor} were asked for, ${leftMinor} are left.`;
  return problem('cards.exceeds_card_transaction', detail, {
    errors: [{ pointer: '/amount', code: 'too_large', detail }],
  });
}
