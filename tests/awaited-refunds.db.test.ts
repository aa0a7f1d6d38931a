/** A refund and the closing of its wallet in the same instant: one of the two is refused, and no money is stranded. */
import { afterEach, beforeEach, expect, test } from 'vitest';
import { LedgerStore } from '#services/ledger/store.ts';
import { type Appended, CoordinatorInstallation, told } from './coordinator-installation.ts';
import { TENANT } from './engine.ts';

const WALLETS = Array.from({ length: 24 }, (_, index) => `wallet-${index}`);
const AMOUNT = 100;

let one: CoordinatorInstallation;
const ledger = new LedgerStore();

beforeEach(async () => {
  one = await CoordinatorInstallation.create([
    ...WALLETS.map((id) => ({ id, kind: 'wallet' as const, fundedMinor: BigInt(AMOUNT) })),
    { id: 'service', kind: 'service' },
  ]);
});

afterEach(() => one.drop());

/** What the owner of the account is told: whether it is closed. */
function close(id: string): Promise<boolean> {
  const account = { tenant: TENANT, id };
  return one.session('closing').transaction(async (tx) => {
    const books = await ledger.openBooks(tx, { accounts: [account], closing: [account] });
    const closed = books.closeAccount(TENANT, id);
    ledger.saveBooks(tx, books, Date.now());
    return closed.ok;
  });
}

/** Each wallet has paid all that it has. */
async function paid(): Promise<Appended[]> {
  const payments = WALLETS.map((wallet) => one.payment('requested', { wallet, amount: AMOUNT }));
  await one.append(...payments);
  await one.settled();
  await one.append(...payments.map((payment) => told(payment, 'approved')));
  await one.settled();
  return payments;
}

test('of a refund and a close that race one is refused, and what a provider has given back is posted', async () => {
  one.startPassage();
  const refunds = (await paid()).map((payment) => one.refund('requested', payment, AMOUNT));
  const asking = Promise.all(refunds.map((refund) => one.append(refund)));
  const closed: boolean[] = [];
  for (const wallet of WALLETS) closed.push(await close(wallet));
  await asking;
  await one.settled(['validation', 'authorization', 'ledger']);

  const states = await Promise.all(refunds.map(({ subject }) => one.stateOf(subject)));
  const survivors = refunds.filter((_, index) => states[index] === 'authorized');
  // Refused by validation already, a refund has no saga.
  for (const [index, state] of states.entries())
    expect([closed[index], state]).toEqual(
      state === 'authorized' ? [false, 'authorized'] : [true, state === 'declined' ? 'declined' : undefined],
    );

  await one.append(...survivors.map((refund) => told(refund, 'refunded')));
  await one.settled();
  for (const { subject } of survivors) expect(await one.stateOf(subject)).toBe('completed');
  const sums = await one.rows(
    `select b.status, sum(b.posted)::int as posted, sum(b.held)::int as held
     from ledger.accounts a join ledger.balances b on b.account_key = a.key where a.id like 'wallet-%' group by 1`,
  );
  for (const { status, posted, held } of sums)
    expect([posted, held]).toEqual([status === 'open' ? survivors.length * AMOUNT : 0, 0]);
});

test('a wallet is closed when the provider has refused its refund, not before', async () => {
  one.startStages();
  const [wallet = ''] = WALLETS;
  const payment = one.payment('validated', { wallet, amount: AMOUNT });
  await one.append(payment);
  await one.settled();
  await one.append(told(payment, 'approved'));
  await one.settled();
  const refund = one.refund('validated', payment, AMOUNT);
  await one.append(refund);
  await one.settled();
  expect(await close(wallet)).toBe(false);
  await one.append(told(refund, 'refund unresolved'));
  await one.settled();
  expect(await close(wallet)).toBe(false);
  await one.append(told(refund, 'refund refused'));
  await one.settled();
  expect(await one.stateOf(refund.subject)).toBe('failed');
  expect(await close(wallet)).toBe(true);
});
