import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';
import { derivedUuid } from '#kernel/derived-uuid.ts';
import { idOf } from '#kernel/ids.ts';
import {
  type CardFixture,
  type CardProcess,
  codesOf,
  openCards,
  TENANT,
} from '../../../tests/card-fixture.ts';
import { PATIENCE } from '../../../tests/patience.ts';

let fixture: CardFixture;
let one: CardProcess;
let two: CardProcess;
let account = '';

beforeAll(async () => {
  fixture = await openCards();
  [one, two] = await Promise.all([fixture.process(), fixture.process()]);
});
afterAll(() => fixture.close());

/** A card of its own for each test. */
beforeEach(async () => {
  account = await one.newCard({ FOOD: 1000, MEAL: 2000, CASH: 3000 });
});

describe('K6: a repeated id', () => {
  test('gets the first answer, in any process, and debits nothing', async () => {
    const body = { account, totalAmount: 1.5, id: 'a' };
    const first = await one.purchase(body);
    const repeats = await Promise.all([one.purchase(body), two.purchase(body), two.purchase(body)]);
    for (const repeat of repeats)
      expect(repeat).toEqual({ cardTransaction: first.cardTransaction, repeated: true, isSent: false });
    expect(await fixture.balances(account)).toMatchObject({ MEAL: 1850 });
  });

  test('U1: 100 at once in two processes are one', async () => {
    const body = { account, totalAmount: 1, id: 'a' };
    const asked = Array.from({ length: 100 }, (_, index) => (index % 2 === 0 ? one : two).purchase(body));
    const answers = await Promise.all(asked);
    expect(new Set(answers.map(({ cardTransaction }) => cardTransaction.uuid)).size).toBe(1);
    expect(answers.filter(({ repeated }) => !repeated)).toHaveLength(1);
    expect(await fixture.balances(account)).toMatchObject({ MEAL: 1900 });
  });

  test('that comes too late is not told 07 where an approval stands', async () => {
    const body = { account, totalAmount: 1, id: 'a' };
    const first = await one.purchase(body);
    const late = { arrivedAt: performance.now() - 200, deadlineMs: 100 };
    expect(await two.purchase(body, late)).toEqual({ ...first, repeated: true });
    expect(await fixture.balances(account)).toMatchObject({ MEAL: 1900 });
  });

  test('that comes too late is looked for again if the batch that looked was undone', async () => {
    const body = { account, totalAmount: 1, id: 'a' };
    const first = await one.purchase(body);
    const unlock = await fixture.locking('lock table cards.card_transactions in access exclusive mode');
    const before = two.failures.length;
    const repeat = two.purchase(body, { arrivedAt: performance.now() - 200, deadlineMs: 100 });
    await vi.waitUntil(() => two.failures.length > before, PATIENCE);
    await unlock();
    expect(await repeat).toEqual({ ...first, repeated: true });
  });

  test('that comes too late is looked for again where the batch that looked waited for a settlement account in vain', async () => {
    const body = { account, totalAmount: 1, id: 'a' };
    const first = await one.purchase(body);
    const release = await fixture.lockingBalance('card-settlement-BRL');
    const decided = two.purchase({ account, totalAmount: 1 });
    // Batches wait for it and do not, by turns: of so many some come with one that waits.
    const repeats = [];
    for (let asked = 0; asked < 30; asked += 1) {
      await delay(37);
      repeats.push(two.purchase(body, { arrivedAt: performance.now() - 200, deadlineMs: 100 }));
    }
    for (const repeat of repeats) expect(await repeat).toEqual({ ...first, repeated: true });
    await release();
    expect((await decided).cardTransaction.code).toBe('00');
  });

  test('of what is being given back waits until it is, and is told 07', async () => {
    const unlock = await fixture.lockingReversals();
    const body = { account, totalAmount: 1, id: 'a' };
    const gone = one.purchase(body, { isGone: () => true });
    await fixture.waitingIn('delete from cards.unconfirmed');
    const late = { arrivedAt: performance.now() - 200, deadlineMs: 100 };
    const repeats = [two.purchase(body, late), one.purchase(body, late)];
    await two.purchase({ account: 'nobody', totalAmount: 1 });
    await unlock();
    expect((await gone).cardTransaction).toMatchObject({ code: '07', reason: 'late' });
    for (const repeat of repeats)
      expect(await repeat).toMatchObject({ repeated: true, cardTransaction: { code: '07' } });
    expect(await fixture.balances(account)).toMatchObject({ MEAL: 2000 });
  });

  test('beside a reversal takes nothing of it away: money is given back once', async () => {
    const body = { account, totalAmount: 1, id: 'a' };
    const { cardTransaction } = await one.purchase(body);
    const unlock = await fixture.lockingReversals();
    // Late, it is only looked for, without the locks of the card that a decision needs.
    const repeat = two.purchase(body, { arrivedAt: performance.now() - 200, deadlineMs: 100 });
    await fixture.waitingIn('delete from cards.unconfirmed');
    const card_transaction_id = idOf('ctx', cardTransaction.uuid);
    const reverse = () => one.order({ operation: 'card_transactions.reverse', card_transaction_id });
    const reversed = reverse();
    await fixture.waitingIn('cards.card_transactions t');
    await unlock();
    expect((await repeat).cardTransaction.code).toBe('00');
    expect((await reversed).answer.status).toBe(200);
    expect((await reverse()).answer.body).toContain('cards.nothing_to_reverse');
    expect(await fixture.balances(account)).toMatchObject({ MEAL: 2000 });
  });

  test('with another body is 07, is recorded, and leaves the first as it was', async () => {
    await one.purchase({ account, totalAmount: 1, id: 'a' });
    const other = await two.purchase({ account, totalAmount: 1.01, id: 'a' });
    expect(other.cardTransaction).toMatchObject({ code: '07', reason: 'id_reused', claimed: false });
    expect(other.cardTransaction).toMatchObject({ amountMinor: 101n, currency: 'BRL' });
    const repeat = await two.purchase({ account, totalAmount: 1, id: 'a' });
    expect(repeat).toMatchObject({ repeated: true, cardTransaction: { code: '00' } });
    expect(await fixture.balances(account)).toMatchObject({ MEAL: 1900 });
  });

  test('of a decline is the decline, also when there is money by now', async () => {
    const body = { account, totalAmount: 31, id: 'a' };
    expect((await one.purchase(body)).cardTransaction.code).toBe('51');
    await one.order({ operation: 'cards.top_up', account, balances: { MEAL: 10_000 } });
    expect(await two.purchase(body)).toMatchObject({ repeated: true, cardTransaction: { code: '51' } });
  });

  test('is claimed in one order by all processes, so that no two of them wait for each other', async () => {
    const claimOf = (id: string) => derivedUuid(TENANT, account, id);
    const [low = '', high = ''] = ['a', 'b'].toSorted((a, b) => (claimOf(a) < claimOf(b) ? -1 : 1));
    const claiming = `insert into cards.card_transactions
      (tenant, id, claim, code, latency_ms, state, captured, reversed, decided_at)
      values ($1, gen_random_uuid(), $2, '07', 0, 'declined', 0, 0, now())`;
    const release = await fixture.locking(claiming, [TENANT, claimOf(high)]);
    const asked = [high, low].map((id) => one.purchase({ account, totalAmount: 1, id }));
    await fixture.waitingIn('insert into cards.card_transactions');
    // Whoever waits for the higher one has the lower one.
    await expect(fixture.locking(claiming, [TENANT, claimOf(low)], { timeoutMs: 50 })).rejects.toThrow(
      'lock timeout',
    );
    await release();
    expect(await codesOf(asked)).toEqual({ '00': 2 });
  });

  test('is another account’s own', async () => {
    await one.purchase({ account, totalAmount: 1, id: 'a' });
    const first = account;
    account = await one.newCard({ MEAL: 500 });
    expect(await one.purchase({ account, totalAmount: 2, id: 'a' })).toMatchObject({
      repeated: false,
      cardTransaction: { code: '00' },
    });
    expect(await fixture.balances(first)).toMatchObject({ MEAL: 1900 });
  });

  test('without an id every request is new', async () => {
    const same = { account, totalAmount: 1 };
    await Promise.all([one.purchase(same), one.purchase(same), two.purchase(same)]);
    expect(await fixture.balances(account)).toMatchObject({ MEAL: 1700 });
  });
});

test('what all of this left behind balances', async () => {
  const { findings, cards: looked } = await fixture.verified();
  expect(findings).toEqual([]);
  expect(looked).toBeGreaterThan(20);
});
