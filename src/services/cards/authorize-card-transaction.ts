/**
 * One card transaction decided, under the locks of its card's balances; pure. What is decided is applied to the batch, so
 * that the next one finds it done: of one account one at a time, whoever asks where (K5).
 *
 * The order: a repeat gets the first answer, or waits until it is certain → what comes too late is dropped → a card that
 * somebody else has locked waits → shape → id → card → amount → balance. A decision below "waits" is recorded, and holds for
 * its id for ever (K6).
 */
import type { EpochMs } from '#kernel/clock.ts';
import type { Currency } from '#kernel/currencies.ts';
import { InvariantViolation } from '#kernel/fault.ts';
import type { Balance, Books, Entry, EntryDraft } from '#services/ledger/contract.ts';
import { availableMinor, entryIdOf } from '#services/ledger/contract.ts';
import {
  balanceAccountId,
  type Card,
  type Category,
  cardRef,
  FALLBACK,
  settlementAccountId,
} from './card.ts';
import type { CardTransaction, Reason } from './card-transaction.ts';
import { balancesThatMayPay, type Choice, chooseBalance } from './choose-balance.ts';
import { type MerchantRules, NO_RULES } from './merchant-rules.ts';
import { toMinorUnits } from './parse-amount.ts';
import { type CardRequest, isRefusal, type Reading } from './read-card-transaction.ts';

/** What a batch has locked and loaded. */
export interface CardBatch {
  /** Without the balances that somebody else has locked, or that nobody was expected to need. */
  readonly books: Books;
  readonly cards: ReadonlyMap<string, Card>;
  /** What was decided under the ids that the batch asks with, by `claimRef`. */
  readonly claims: Map<string, CardTransaction>;
  /** Of the claims, by uuid: declines, and approvals that the batch has locked. The others may still change. */
  readonly certain: ReadonlySet<string>;
  readonly rules: ReadonlyMap<string, MerchantRules>;
}

export interface Asked {
  readonly tenant: string;
  /** Of the card transaction, if it becomes a new one. */
  readonly uuid: string;
  readonly reading: Reading;
}

export interface Moment {
  readonly now: EpochMs;
  readonly latencyMs: number;
  /** Its answer could not be there in time. */
  readonly isLate: boolean;
}

export type Outcome =
  | { readonly kind: 'decided'; readonly cardTransaction: CardTransaction; readonly entry?: Entry }
  | { readonly kind: 'repeated'; readonly cardTransaction: CardTransaction }
  /** Not decided: another try may be. */
  | { readonly kind: 'late' }
  | { readonly kind: 'locked'; readonly what: 'card' | 'settlement' }
  /** A repeat, of what is not certain yet: it is decided in this batch, or somebody else has it locked. */
  | { readonly kind: 'contested' };

export function authorizeCardTransaction(batch: CardBatch, asked: Asked, moment: Moment): Outcome {
  const first = findClaim(batch, asked);
  const { received } = asked.reading;
  if (first !== undefined && first.digest === received.digest)
    return batch.certain.has(first.uuid)
      ? { kind: 'repeated', cardTransaction: first }
      : { kind: 'contested' };
  if (moment.isLate) return { kind: 'late' };
  const card =
    received.account === null ? undefined : batch.cards.get(cardRef({ ...asked, account: received.account }));
  const locked = card === undefined ? undefined : lockedOf(batch, asked, card);
  if (locked !== undefined) return { kind: 'locked', what: locked };
  const outcome =
    first === undefined
      ? decide(batch, card, { asked, moment })
      : refuse(asked, moment, 'id_reused', amountAsked(asked.reading, card));
  const { cardTransaction } = outcome;
  if (cardTransaction.claimed) batch.claims.set(claimRef(asked) as string, cardTransaction);
  return outcome;
}

type Decided = Extract<Outcome, { kind: 'decided' }>;

/** Undefined without an id that a repeat could give. */
export function claimRef({ tenant, reading: { received } }: Asked): string | undefined {
  const { account, externalId } = received;
  return account === null || externalId === null ? undefined : claimRefOf({ tenant, account, externalId });
}

/** Neither tenants nor accounts have a slash. */
export function claimRefOf({
  tenant,
  account,
  externalId,
}: Pick<CardTransaction, 'tenant' | 'account' | 'externalId'>): string {
  return `${tenant}/${account}/${externalId}`;
}

function findClaim(batch: CardBatch, asked: Asked): CardTransaction | undefined {
  const ref = claimRef(asked);
  return ref === undefined ? undefined : batch.claims.get(ref);
}

/** Of what the decision needs, what the batch has no lock of: a balance that may pay, or what merchants are paid through. */
function lockedOf(
  { books, rules }: CardBatch,
  asked: Asked,
  { tenant, account, currency }: Card,
): 'card' | 'settlement' | undefined {
  const isLocked = (accountId: string): boolean => books.find(tenant, accountId) === undefined;
  const needed = balancesNeeded(asked.reading, rules.get(tenant) ?? NO_RULES);
  if (needed.some((category) => isLocked(balanceAccountId(account, category)))) return 'card';
  return isLocked(settlementAccountId(currency)) ? 'settlement' : undefined;
}

/** Under whose locks one is decided. `CASH` is always among them: under its lock the card is blocked, and changed (R2). */
export function balancesNeeded({ request }: Reading, rules: MerchantRules): readonly Category[] {
  return isRefusal(request) ? [FALLBACK] : balancesThatMayPay(request, rules);
}

interface Question {
  readonly asked: Asked;
  readonly moment: Moment;
}

function decide(batch: CardBatch, card: Card | undefined, { asked, moment }: Question): Decided {
  const { request } = asked.reading;
  if (isRefusal(request)) return refuse(asked, moment, request.reason, { detail: request.detail });
  if (card === undefined) return refuse(asked, moment, 'unknown_account');
  if (card.status === 'blocked')
    return refuse(asked, moment, 'card_blocked', amountAsked(asked.reading, card));
  const amountMinor = toMinorUnits(request.hundredths, card.currency as Currency);
  if (typeof amountMinor === 'string') return refuse(asked, moment, amountMinor);
  const rules = batch.rules.get(asked.tenant) ?? NO_RULES;
  const choice = chooseBalance({ ...request, amountMinor }, rules, (category) =>
    availableMinor(balanceOf(batch.books, card, category)),
  );
  const known = {
    amountMinor,
    currency: card.currency,
    category: choice.category,
    decidedBy: choice.decidedBy,
    rulesVersion: rules.version,
  };
  if (!choice.canPay) return declined(asked, moment, { ...known, code: '51' });
  return approve(batch.books, { request, card, choice, amountMinor }, { asked, moment, known });
}

/** What was asked for, if it can be said: in the card's currency. */
function amountAsked({ request }: Reading, card: Card | undefined): Partial<CardTransaction> {
  if (card === undefined || isRefusal(request)) return {};
  const amountMinor = toMinorUnits(request.hundredths, card.currency as Currency);
  return typeof amountMinor === 'string' ? {} : { amountMinor, currency: card.currency };
}

interface Approval {
  readonly request: CardRequest;
  readonly card: Card;
  readonly choice: Choice;
  readonly amountMinor: bigint;
}

function approve(
  books: Books,
  { request, card, choice, amountMinor }: Approval,
  { asked, moment, known }: Question & { readonly known: Partial<CardTransaction> },
): Decided {
  const accountId = balanceAccountId(card.account, choice.category);
  const { tenant, uuid } = asked;
  if (!request.capture) {
    const held = books.reserve({ id: uuid, tenant, accountId, amountMinor, owner: 'card' });
    if (!held.ok) return refuse(asked, moment, 'ledger_refused', { ...known, detail: held.problem.code });
    return {
      kind: 'decided',
      cardTransaction: recordOf(asked, moment, { ...known, code: '00', state: 'held' }),
    };
  }
  const posted = books.post(
    spending({ tenant, uuid, accountId, currency: card.currency, amountMinor }),
    moment.now,
  );
  if (!posted.ok) return refuse(asked, moment, 'ledger_refused', { ...known, detail: posted.problem.code });
  if (posted.value === 'already')
    throw new InvariantViolation(`the new card transaction ${uuid} has an entry`);
  const captured = { code: '00', state: 'captured', capturedMinor: amountMinor } as const;
  return {
    kind: 'decided',
    cardTransaction: recordOf(asked, moment, { ...known, ...captured }),
    entry: posted.value,
  };
}

/** The entry by which a balance pays a merchant. */
export function spending(of: {
  readonly tenant: string;
  readonly uuid: string;
  readonly accountId: string;
  readonly currency: string;
  readonly amountMinor: bigint;
}): EntryDraft {
  return {
    id: entryIdOf(of.uuid, 'card'),
    tenant: of.tenant,
    cause: of.uuid,
    purpose: 'card',
    postings: [
      { accountId: of.accountId, amountMinor: -of.amountMinor },
      { accountId: settlementAccountId(of.currency), amountMinor: of.amountMinor },
    ],
  };
}

function balanceOf(books: Books, { tenant, account }: Card, category: Category): Balance {
  const balance = books.find(tenant, balanceAccountId(account, category));
  if (balance === undefined) throw new InvariantViolation(`card ${account} was decided without its lock`);
  return balance;
}

function refuse(asked: Asked, moment: Moment, reason: Reason, more: Partial<CardTransaction> = {}): Decided {
  return declined(asked, moment, { ...more, code: '07', category: null, decidedBy: null, reason });
}

function declined(asked: Asked, moment: Moment, more: Partial<CardTransaction>): Decided {
  return { kind: 'decided', cardTransaction: recordOf(asked, moment, more) };
}

/** An id that was used for something else before stays the other's. */
function recordOf(asked: Asked, moment: Moment, decided: Partial<CardTransaction>): CardTransaction {
  return {
    ...NOTHING_DECIDED,
    tenant: asked.tenant,
    uuid: asked.uuid,
    ...asked.reading.received,
    claimed: claimRef(asked) !== undefined && decided.reason !== 'id_reused',
    latencyMs: moment.latencyMs,
    decidedAt: moment.now,
    ...decided,
  };
}

/** What is kept of a request that was answered `07` without being decided: a repeat of it will be (docs/adr/0018). */
export function undecided(asked: Asked, moment: Moment, reason: Reason): CardTransaction {
  return recordOf(asked, moment, { code: '07', reason, claimed: false });
}

const NOTHING_DECIDED = {
  amountMinor: null,
  currency: null,
  code: '07',
  category: null,
  decidedBy: null,
  reason: null,
  detail: null,
  rulesVersion: null,
  state: 'declined',
  capturedMinor: 0n,
  reversedMinor: 0n,
} as const;
