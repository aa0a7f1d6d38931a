/** Cards made and topped up; pure. Both post from the tenant's external account for it. */
import type { EpochMs } from '#kernel/clock.ts';
import { isCurrency } from '#kernel/currencies.ts';
import { accepted, type Decision, refused } from '#kernel/decision.ts';
import { invariant } from '#kernel/fault.ts';
import { isInMoneyRange } from '#kernel/money.ts';
import { type Problem, problem } from '#kernel/problem.ts';
import {
  type AccountKind,
  accountRef,
  type Balance,
  type Books,
  type Entry,
  entryIdOf,
  type NewAccount,
  openAccount,
} from '#services/ledger/contract.ts';
import {
  balanceAccountId,
  balanceAccountIds,
  CATEGORIES,
  type Card,
  fundingAccountId,
  settlementAccountId,
} from './card.ts';
import type { Balances, CreateCardOrder } from './card-orders.ts';
import type { CardProblem } from './refusals.ts';

/** Accounts that one new card may open. */
export const ACCOUNTS_OF_A_CARD = CATEGORIES.length + 2;

export interface CreatedCard {
  readonly card: Card;
  readonly accounts: readonly NewAccount[];
  /** Undefined for a card without money. */
  readonly funding: Entry | undefined;
}

/** `keys` are reserved for the accounts; `topUpUuid` is of what the card begins with. */
export function createCard(
  books: Books,
  request: {
    readonly tenant: string;
    readonly order: CreateCardOrder;
    readonly keys: bigint[];
    readonly topUpUuid: string;
  },
  now: EpochMs,
): Decision<CreatedCard> {
  const { tenant, order, keys, topUpUuid } = request;
  const { account, currency } = order;
  if (!isCurrency(currency)) return refused(unknownCurrency(currency));
  const taken = balanceAccountIds(account).find((id) => books.find(tenant, id) !== undefined);
  const unusable =
    taken ?? sharedAccountIds(currency).find((id) => !isUsable(books, { tenant, id, currency }));
  if (unusable !== undefined) return refused(accountTaken(unusable));
  const balances = order.balances ?? {};
  // Before anything is opened: what is in the books the next of the batch takes for done.
  if (!canFund(books.find(tenant, fundingAccountId(currency)), balances)) return refused(outOfRange());
  const callbackUrl = order.callback_url ?? null;
  const card: Card = { tenant, account, currency, status: 'active', callbackUrl, createdAt: now };
  const accounts = openAll(books, { card, keys, now });
  const funding = fund(books, { card, balances, topUpUuid }, now);
  invariant(funding.ok, `card ${account} could not be funded`);
  return accepted({ card, accounts, funding: funding.value });
}

/** The external account has no floor, so the range of exact integers is its only bound. */
function canFund(funding: Balance | undefined, balances: Balances): boolean {
  const sum = sumOf(balances);
  const { postedMinor, heldMinor } = funding ?? { postedMinor: 0n, heldMinor: 0n };
  return isInMoneyRange(postedMinor - sum) && isInMoneyRange(postedMinor - heldMinor - sum);
}

function sumOf(balances: Balances): bigint {
  return CATEGORIES.reduce((sum, category) => sum + BigInt(balances[category] ?? 0), 0n);
}

export function sharedAccountIds(currency: string): string[] {
  return [fundingAccountId(currency), settlementAccountId(currency)];
}

/** Not there yet, or of the kind that the cards need. */
function isUsable(
  books: Books,
  { tenant, id, currency }: { readonly tenant: string; readonly id: string; readonly currency: string },
): boolean {
  const balance = books.find(tenant, id);
  if (balance === undefined) return true;
  const { account, status } = balance;
  return (
    account.kind === 'external' &&
    account.floorMinor === null &&
    account.currency === currency &&
    status === 'open'
  );
}

function openAll(
  books: Books,
  { card, keys, now }: { readonly card: Card; readonly keys: bigint[]; readonly now: EpochMs },
): NewAccount[] {
  const { tenant, account, currency } = card;
  const wanted: readonly (readonly [id: string, kind: AccountKind])[] = [
    ...balanceAccountIds(account).map((id) => [id, 'card'] as const),
    ...sharedAccountIds(currency).map((id) => [id, 'external'] as const),
  ];
  return wanted
    .filter(([id]) => books.find(tenant, id) === undefined)
    .map(([id, kind]) => {
      const key = keys.pop();
      invariant(key !== undefined, 'a batch has a key for each account that it may open');
      const order = { operation: 'accounts.create', id, kind, currency } as const;
      const opened = openAccount(books, { tenant, id, key, order }, now);
      invariant(opened.ok, `account ${accountRef({ tenant, id })} could not be opened`);
      return opened.value.created;
    });
}

/** Undefined if nothing is to be added. */
export function fund(
  books: Books,
  {
    card,
    balances,
    topUpUuid,
  }: { readonly card: Card; readonly balances: Balances; readonly topUpUuid: string },
  now: EpochMs,
): Decision<Entry | undefined> {
  const { tenant, account, currency } = card;
  const added = CATEGORIES.flatMap((category) => {
    const amount = balances[category] ?? 0;
    return amount === 0
      ? []
      : { accountId: balanceAccountId(account, category), amountMinor: BigInt(amount) };
  });
  if (added.length === 0) return accepted(undefined);
  const posted = books.post(
    {
      id: entryIdOf(topUpUuid, 'top_up'),
      tenant,
      cause: topUpUuid,
      purpose: 'top_up',
      postings: [{ accountId: fundingAccountId(currency), amountMinor: -sumOf(balances) }, ...added],
    },
    now,
  );
  if (!posted.ok) return posted;
  invariant(posted.value !== 'already', `the new top-up ${topUpUuid} has an entry`);
  return accepted(posted.value);
}

function unknownCurrency(currency: string): Problem {
  const detail = `${currency} is not an active ISO 4217 code.`;
  return problem('ledger.unknown_currency', detail, {
    errors: [{ pointer: '/currency', code: 'unknown', detail }],
  });
}

function outOfRange(): Problem {
  return problem(
    'ledger.amount_out_of_range',
    'The account that funds cards would leave ±(2^53−1) minor units.',
  );
}

function accountTaken(id: string): CardProblem {
  return problem('cards.account_taken', `There is an account ${id} in the ledger.`, {
    members: { account_id: id },
  });
}
