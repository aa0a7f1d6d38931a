import { afterAll, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';
import { derivedUuid } from '#kernel/derived-uuid.ts';
import { idOf } from '#kernel/ids.ts';
import { type CardFixture, type CardProcess, openCards, TENANT } from '../../../tests/card-fixture.ts';

const PATIENCE = { timeout: 10_000, interval: 10 };

let fixture: CardFixture;
let one: CardProcess;
let two: CardProcess;
let account = '';
let cards = 0;

beforeAll(async () => {
  fixture = await openCards();
  [one, two] = await Promise.all([fixture.process(), fixture.process()]);
});
afterAll(() => fixture.close());

/** A card of its own for each test. */
beforeEach(async () => {
  cards += 1;
  account = `card-${cards}`;
  await create({ FOOD: 1000, MEAL: 2000, CASH: 3000 });
});

async function create(balances: Record<string, number>): Promise<void> {
  const { answer } = await one.order({ operation: 'cards.create', account, currency: 'BRL', balances });
  if (answer.status !== 201) throw new Error(answer.body);
}

async function codes(
  answers: Promise<{ cardTransaction: { code: string } }>[],
): Promise<Record<string, number>> {
  const counts: Record<string, number> = {};
  for (const { cardTransaction } of await Promise.all(answers))
    counts[cardTransaction.code] = (counts[cardTransaction.code] ?? 0) + 1;
  return counts;
}

/** Keeps every reversal from its end: it writes to this table, a decision does not. What is to be confirmed is, before. */
async function lockingReversals(): Promise<() => Promise<void>> {
  const unconfirmed = `select from cards.card_transactions where repeated_at is not null and confirmed_at is null`;
  await vi.waitUntil(async () => (await fixture.rows(unconfirmed)).length === 0, PATIENCE);
  return fixture.locking('lock table cards.unconfirmed in access exclusive mode');
}

describe('K5: one at a time per account', () => {
  test('K5: of 1000 debits at once in two processes exactly the affordable ones are approved', async () => {
    const asked = Array.from({ length: 1000 }, (_, index) =>
      (index % 2 === 0 ? one : two).purchase({ account, totalAmount: 0.07 }),
    );
    // 2000 of MEAL and 3000 of CASH in pieces of 7: neither is ever split.
    const affordable = Math.floor(2000 / 7) + Math.floor(3000 / 7);
    expect(await codes(asked)).toEqual({ '00': affordable, '51': 1000 - affordable });
    expect(await fixture.balances(account)).toEqual({ FOOD: 1000, MEAL: 2000 % 7, CASH: 3000 % 7 });
  });

  test('K5: a card that somebody else has locked delays no other card, and is 07 at its deadline', async () => {
    const locked = account;
    cards += 1;
    account = `card-${cards}`;
    await create({ MEAL: 100 });
    const release = await fixture.lockingBalance(`${locked}:MEAL`);
    const waiting = one.purchase({ account: locked, totalAmount: 1 }, { deadlineMs: 300 });
    const other = await one.purchase({ account, totalAmount: 1 });
    expect(other.cardTransaction.code).toBe('00');
    expect((await waiting).cardTransaction).toMatchObject({ code: '07', reason: 'locked', claimed: false });
    await release();
    expect(await fixture.balances(locked)).toMatchObject({ MEAL: 2000 });
  });

  test('K5: however many wait for a card that is locked, another card is decided', async () => {
    const locked = account;
    cards += 1;
    account = `card-${cards}`;
    await create({ MEAL: 100 });
    const release = await fixture.lockingBalance(`${locked}:MEAL`);
    // More than any batch takes.
    const waiting = Array.from({ length: 1500 }, () =>
      one.purchase({ account: locked, totalAmount: 0.01 }, { deadlineMs: 3000 }),
    );
    const others = [1, 2, 3].map(() => one.purchase({ account, totalAmount: 0.1 }, { deadlineMs: 1500 }));
    expect(await codes(others)).toEqual({ '00': 3 });
    await release();
    await Promise.all(waiting);
  });

  test('K5: however many wait whose answer is sent, who waits for it is decided before them', async () => {
    const url = 'https://network.example/answers';
    const patient = (index: number) =>
      one.purchase({ account: `nobody-${index}`, totalAmount: 1, callback_url: url }, { reach: 'public' });
    let sent = 0;
    const all = Array.from({ length: 5000 }, (_, index) => patient(index).then(() => (sent += 1)));
    const beyond = patient(5000).then(() => 'answered', String);
    expect((await one.purchase({ account, totalAmount: 1 })).cardTransaction.code).toBe('00');
    expect(sent).toBeLessThan(2500);
    expect(await beyond).toContain('too many');
    await Promise.all(all);
  });

  test('K5: a settlement account that somebody else has locked delays no card of another', async () => {
    const usd = `usd-${account}`;
    const order = {
      operation: 'cards.create',
      account: usd,
      currency: 'USD',
      balances: { MEAL: 100 },
    } as const;
    expect((await one.order(order)).answer.status).toBe(201);
    const release = await fixture.lockingBalance('card-settlement-BRL');
    const waiting = one.purchase({ account, totalAmount: 1 }, { deadlineMs: 600 });
    const started = performance.now();
    for (let bought = 0; bought < 5; bought += 1)
      expect((await one.purchase({ account: usd, totalAmount: 0.1 })).cardTransaction.code).toBe('00');
    expect(performance.now() - started).toBeLessThan(600);
    expect((await waiting).cardTransaction).toMatchObject({ code: '07', reason: 'locked' });
    const patient = one.purchase({ account, totalAmount: 1 });
    await release();
    expect((await patient).cardTransaction.code).toBe('00');
  });

  test('K5: a card that is free again before the deadline is decided', async () => {
    const release = await fixture.lockingBalance(`${account}:CASH`);
    const waiting = one.purchase({ account, totalAmount: 1 });
    await one.purchase({ account: 'nobody', totalAmount: 1 });
    await release();
    expect((await waiting).cardTransaction).toMatchObject({ code: '00', category: 'MEAL' });
  });
});

describe('K5: 07 means not applied', () => {
  test('what comes too late to be decided is dropped, recorded, and claims nothing', async () => {
    const late = { arrivedAt: performance.now() - 200, deadlineMs: 100 };
    const dropped = await one.purchase({ account, totalAmount: 1, id: 'late' }, late);
    expect(dropped.cardTransaction).toMatchObject({ code: '07', reason: 'late' });
    expect(await fixture.balances(account)).toMatchObject({ MEAL: 2000 });
    await vi.waitUntil(async () => (await recorded()).length > 0, PATIENCE);
    expect(await recorded()).toMatchObject([{ code: '07', reason: 'late', external_id: 'late' }]);
    const again = await one.purchase({ account, totalAmount: 1, id: 'late' });
    expect(again).toMatchObject({ repeated: false, cardTransaction: { code: '00' } });
  });

  test('an approval whose caller is gone is given back before it is answered, and stays 07 for its id', async () => {
    const gone = await one.purchase({ account, totalAmount: 1, id: 'gone' }, { isGone: () => true });
    expect(gone.cardTransaction).toMatchObject({ code: '07', reason: 'late', reversedMinor: 100n });
    expect(await fixture.balances(account)).toMatchObject({ MEAL: 2000 });
    const repeat = await two.purchase({ account, totalAmount: 1, id: 'gone' });
    expect(repeat).toMatchObject({ repeated: true, cardTransaction: { code: '07' } });
    expect(await fixture.balances(account)).toMatchObject({ MEAL: 2000 });
  });

  test('an approval that is held and late is released', async () => {
    const asked = one.purchase({ account, totalAmount: 1, capture: false }, { isGone: () => true });
    expect((await asked).cardTransaction).toMatchObject({ code: '07', state: 'released' });
    expect(await fixture.balances(account)).toMatchObject({ MEAL: 2000 });
  });

  test('while what was approved too late cannot be given back, nobody is told 07', async () => {
    const unlock = await lockingReversals();
    let answered = false;
    const asked = one.purchase({ account, totalAmount: 1 }, { isGone: () => true });
    void asked.then(() => (answered = true));
    await vi.waitUntil(async () => (await recorded()).length > 0, PATIENCE);
    const [standing] = await fixture.rows<{ id: string; code: string }>(
      'select id, code from cards.card_transactions where account = $1',
      [account],
    );
    expect(standing).toMatchObject({ code: '00' });
    const pending = await fixture.rows('select from cards.deciders where $1::uuid = any (pending)', [
      standing?.id,
    ]);
    expect({ answered, pending: pending.length }).toEqual({ answered: false, pending: 1 });
    await unlock();
    expect((await asked).cardTransaction).toMatchObject({ code: '07', reason: 'late' });
    expect(await fixture.balances(account)).toMatchObject({ MEAL: 2000 });
  });
});

describe('K5: what was approved too late', () => {
  test('is given back while another, whose card somebody else has locked, waits', async () => {
    const origin = { correlationId: 'cor', causation: 'req', traceparent: null };
    const { cardTransaction: locked } = await one.purchase({ account, totalAmount: 1 });
    const release = await fixture.lockingBalance(`${account}:MEAL`);
    const other = `free-${account}`;
    await one.order({ operation: 'cards.create', account: other, currency: 'BRL', balances: { MEAL: 100 } });
    const { cardTransaction: free } = await one.purchase({ account: other, totalAmount: 1 });
    const { lateReversals } = one.cards;
    const waiting = lateReversals.reverse(locked, origin);
    const started = performance.now();
    expect(await lateReversals.reverse(free, origin)).toMatchObject({ code: '07', reason: 'late' });
    // Less than anybody waits for a lock.
    expect(performance.now() - started).toBeLessThan(2000);
    expect(await fixture.balances(other)).toMatchObject({ MEAL: 100 });
    expect(await fixture.balances(account)).toMatchObject({ MEAL: 1900 });
    await release();
    expect(await waiting).toMatchObject({ code: '07', reason: 'late' });
    expect(await fixture.balances(account)).toMatchObject({ MEAL: 2000 });
  });
});

describe('K5: an approval that is too late and cannot be given back', () => {
  test('is answered by no code, and is left to a person', async () => {
    const settlement = `(select key from ledger.accounts where tenant = '${TENANT}' and id = 'card-settlement-BRL')`;
    const unlock = await lockingReversals();
    const asked = one.purchase({ account, totalAmount: 1, id: 'stuck' }, { isGone: () => true });
    const outcome = asked.then(
      () => 'answered',
      () => 'no answer',
    );
    await vi.waitUntil(async () => (await recorded()).length > 0, PATIENCE);
    const setSettlement = (status: string) =>
      fixture.rows(`update ledger.balances set status = $1 where account_key = ${settlement}`, [status]);
    const filter = { account, confirmation: 'unconfirmed' } as const;
    const page = { before: undefined, limit: 9 };
    const listed = async () =>
      (await fixture.reads.listCardTransactions(TENANT, filter, page)).cardTransactions;
    // Nobody can do this by the API: an account with a balance is not closed.
    await setSettlement('closed');
    try {
      await unlock();
      expect(await outcome).toBe('no answer');
      await vi.waitUntil(async () => (await listed()).length > 0, PATIENCE);
    } finally {
      await setSettlement('open');
    }
    expect(await listed()).toMatchObject([{ externalId: 'stuck', code: '00' }]);
    const repeat = { account, totalAmount: 1, id: 'stuck' };
    // Whose caller does not hear it settles nothing.
    await two.purchase(repeat, { isGone: () => true });
    await two.purchase({ account, totalAmount: 1 });
    expect(await listed()).toHaveLength(1);
    expect(await two.purchase(repeat)).toMatchObject({ repeated: true });
    await vi.waitUntil(async () => (await listed()).length === 0, PATIENCE);
  });
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

  test('of what is being given back waits until it is, and is told 07', async () => {
    const unlock = await lockingReversals();
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
    const unlock = await lockingReversals();
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
    expect(await codes(asked)).toEqual({ '00': 2 });
  });

  test('is another account’s own', async () => {
    await one.purchase({ account, totalAmount: 1, id: 'a' });
    const first = account;
    cards += 1;
    account = `card-${cards}`;
    await create({ MEAL: 500 });
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

describe('K7, K9: every decision is recorded', () => {
  test.each([
    [{ account: 'nobody' }, 'unknown_account'],
    [{ totalAmount: 0 }, 'amount_not_positive'],
    [{ totalAmount: 1.001 }, 'amount_has_too_many_decimals'],
    [{ mcc: 'x' }, 'malformed_field'],
    [{ merchant: undefined }, 'missing_field'],
  ])('K7: %j is 07, recorded as %s, and debits nothing', async (wrong, reason) => {
    const { cardTransaction } = await one.purchase({ account, totalAmount: 1, ...wrong });
    expect(cardTransaction).toMatchObject({ code: '07', reason, category: null });
    const [row] = await fixture.rows('select code, reason, mcc from cards.card_transactions where id = $1', [
      cardTransaction.uuid,
    ]);
    expect(row).toMatchObject({ code: '07', reason });
    expect(await fixture.balances(account)).toEqual({ FOOD: 1000, MEAL: 2000, CASH: 3000 });
  });

  test('K7: also beside one that cannot be recorded, which is told', async () => {
    await fixture.rows(
      `alter table cards.card_transactions add constraint poison check (merchant is distinct from 'POISON') not valid`,
    );
    try {
      const late = { arrivedAt: performance.now() - 200, deadlineMs: 100 };
      const asked = [
        one.purchase({ account, totalAmount: 1 }, late),
        one.purchase({ account, totalAmount: 1, merchant: 'POISON' }),
      ];
      expect(await codes(asked)).toEqual({ '07': 2 });
      await vi.waitUntil(async () => (await recorded()).length > 0, PATIENCE);
      expect(await recorded()).toMatchObject([{ code: '07', reason: 'late' }]);
      await vi.waitUntil(() => one.failures.some((each) => String(each).includes('recorded')), PATIENCE);
    } finally {
      await fixture.rows('alter table cards.card_transactions drop constraint poison');
    }
  });

  test('K9: also of a process that stops with more of them than a batch writes', async () => {
    const stopping = await fixture.process();
    const late = { arrivedAt: performance.now() - 200, deadlineMs: 100 };
    const asked = Array.from({ length: 1600 }, () => stopping.purchase({ account, totalAmount: 1 }, late));
    expect(await codes(asked)).toEqual({ '07': 1600 });
    await stopping.stop();
    expect(await recorded()).toHaveLength(1600);
    expect(stopping.failures).toEqual([]);
  });

  test('K9: with its code, category, what decided, and its latency', async () => {
    const { cardTransaction } = await one.purchase({ account, totalAmount: 21 });
    expect(await fixture.reads.findCardTransaction(TENANT, cardTransaction.uuid)).toMatchObject({
      mcc: '5811',
      category: 'CASH',
      decidedBy: 'fallback',
      code: '00',
      amountMinor: 2100n,
      latencyMs: expect.any(Number) as unknown,
      confirmation: 'confirmed',
    });
  });

  test('U19: no tenant sees or spends another’s card', async () => {
    const stranger = await one.purchase({ account, totalAmount: 1 }, { tenant: 'other' });
    expect(stranger.cardTransaction).toMatchObject({ code: '07', reason: 'unknown_account' });
    expect(await fixture.reads.findCard('other', account)).toBeUndefined();
    expect(await fixture.balances(account)).toMatchObject({ MEAL: 2000 });
  });
});

test('a card that is made while a command waits for another is topped up like any', async () => {
  const made = `made-${account}`;
  const release = await fixture.lockingBalance(`${account}:MEAL`);
  const topUp = (of: string) => one.order({ operation: 'cards.top_up', account: of, balances: { MEAL: 1 } });
  const topUps = [topUp(account), topUp(made)];
  await fixture.waitingIn('from ledger.balances');
  const order = { operation: 'cards.create', account: made, currency: 'USD', balances: {} } as const;
  expect((await two.order(order)).answer.status).toBe(201);
  await release();
  for (const { answer } of await Promise.all(topUps)) expect(answer.status).toBe(201);
  expect(await fixture.balances(made)).toMatchObject({ MEAL: 1 });
});

describe('K10: a card that has its answers sent', () => {
  const reach = 'public';
  const url = 'https://network.example/answers';

  beforeEach(async () => {
    await one.order({ operation: 'cards.change', account, callback_url: url });
  });

  test('has each of them owed by the commit that decides, in every process, as its own URL or the request’s', async () => {
    expect(await two.purchase({ account, totalAmount: 1 }, { reach })).toMatchObject({
      isSent: true,
      cardTransaction: { code: '00' },
    });
    const named = { account, totalAmount: 99, callback_url: `${url}/named` };
    expect(await one.purchase(named, { reach })).toMatchObject({
      isSent: true,
      cardTransaction: { code: '51' },
    });
    expect(await owed()).toEqual([
      { code: '00', callback_url: url },
      { code: '51', callback_url: `${url}/named` },
    ]);
  });

  test('has none sent where the request or its route says so, nor when it is asked again', async () => {
    for (const [body, asking] of [
      [{ callback_url: null }, { reach }],
      [{}, {}],
    ] as const)
      expect(await one.purchase({ account, totalAmount: 1, ...body }, asking)).toMatchObject({
        isSent: false,
      });
    expect(await owed()).toEqual([]);
    const order = { account, totalAmount: 1, id: 'once' };
    expect(await one.purchase(order, { reach })).toMatchObject({ isSent: true, repeated: false });
    expect(await two.purchase(order, { reach })).toMatchObject({ isSent: false, repeated: true });
    expect(await owed()).toHaveLength(1);
  });

  test('is never too late: nobody waits', async () => {
    const late = { reach, deadlineMs: 100, isGone: () => true } as const;
    for (const id of [undefined, 'late'])
      expect(
        await one.purchase({ account, totalAmount: 1, id }, { ...late, arrivedAt: performance.now() - 200 }),
      ).toMatchObject({ isSent: true, cardTransaction: { code: '00' } });
    expect(await fixture.balances(account)).toMatchObject({ MEAL: 1800 });
  });

  test('has each sent as it says under the lock of the decision, whatever a batch read before without it', async () => {
    // The row alone: no command could change it under the lock of another.
    const say = (said: string | null) =>
      fixture.rows('update cards.cards set callback_url = $1 where account = $2', [said, account]);
    const bought = async (said: string | null) => {
      const release = await fixture.lockingBalance(`${account}:CASH`);
      const waiting = one.purchase({ account, totalAmount: 1 }, { reach });
      await one.purchase({ account: 'nobody', totalAmount: 1 });
      await say(said);
      await release();
      const { isSent, cardTransaction } = await waiting;
      await say(url);
      return { isSent, code: cardTransaction.code };
    };
    expect(await bought(`${url}/new`)).toEqual({ isSent: true, code: '00' });
    expect(await owed()).toEqual([{ code: '00', callback_url: `${url}/new` }]);
    expect(await bought(null)).toEqual({ isSent: false, code: '00' });
    expect(await owed()).toHaveLength(1);
  });

  test('C7: confirms no approval by a repeat whose caller is gone', async () => {
    const order = { account, totalAmount: 1, id: 'once' };
    await one.purchase(order, { reach });
    const repeated = () =>
      fixture.rows('select from cards.card_transactions where account = $1 and repeated_at is not null', [
        account,
      ]);
    await two.purchase(order, { reach, isGone: () => true });
    expect(await repeated()).toEqual([]);
    await two.purchase(order, { reach });
    expect(await repeated()).toHaveLength(1);
  });

  test('C5: is told of none as owed that could not be recorded', async () => {
    await fixture.rows(
      `alter table cards.card_transactions add constraint poison check (merchant is distinct from 'POISON') not valid`,
    );
    try {
      const order = { account, totalAmount: 1, merchant: 'POISON' };
      expect(await one.purchase(order, { reach })).toMatchObject({
        isSent: false,
        cardTransaction: { code: '07', reason: 'database' },
      });
      await expect(one.purchase({ ...order, callback_url: url }, { reach })).rejects.toThrow(
        'could not be decided',
      );
      expect(await owed()).toEqual([]);
    } finally {
      await fixture.rows('alter table cards.card_transactions drop constraint poison');
    }
  });

  test('is refused a URL that nothing may be sent to, once and for all under the key', async () => {
    const refused = { operation: 'cards.change', account, callback_url: 'https://127.0.0.1/' } as const;
    const first = await one.order(refused, `key-${account}`);
    expect(first).toMatchObject({ replayed: false, answer: { status: 422 } });
    expect(first.answer.body).toContain('cards.callback_refused');
    expect(await two.order(refused, `key-${account}`)).toEqual({ ...first, replayed: true });
  });

  test('has its answers waited for again once that is changed, which is told with who did it', async () => {
    await one.order({ operation: 'cards.change', account, callback_url: null });
    await one.order({ operation: 'cards.change', account, callback_url: null });
    expect(await two.purchase({ account, totalAmount: 1 }, { reach })).toMatchObject({ isSent: false });
    const told = `select data::jsonb->>'callback_url' as url, data::jsonb->>'actor' as actor from cards.events
      where type = 'card.callback_set' and key = $1 order by position`;
    expect(await fixture.rows(told, [account])).toEqual([
      { url, actor: 'key_of_a_person' },
      { url: null, actor: 'key_of_a_person' },
    ]);
  });

  function owed() {
    return fixture.rows(
      `select data::jsonb->>'code' as code, data::jsonb->>'callback_url' as callback_url from cards.events
       where type = 'card.answer_owed' and key = $1 order by position`,
      [account],
    );
  }
});

describe('blocking and rules hold at once in every process', () => {
  test('a blocked card is 07 everywhere, until it is unblocked', async () => {
    await two.purchase({ account, totalAmount: 1 });
    await one.order({ operation: 'cards.block', account });
    expect((await two.purchase({ account, totalAmount: 1 })).cardTransaction).toMatchObject({
      code: '07',
      reason: 'card_blocked',
      amountMinor: 100n,
      currency: 'BRL',
    });
    await one.order({ operation: 'cards.unblock', account });
    expect((await two.purchase({ account, totalAmount: 1 })).cardTransaction.code).toBe('00');
  });

  test('K4: merchant rules replaced in one process decide in the other', async () => {
    const bought = async () => (await two.purchase({ account, totalAmount: 1, mcc: '5411' })).cardTransaction;
    expect(await bought()).toMatchObject({ category: 'FOOD', decidedBy: 'mcc' });
    const rules = [{ pattern: 'PADARIA DO ZE', match: 'prefix', category: 'MEAL' }] as const;
    const first = await one.order({ operation: 'merchant_rules.replace', version: 0, rules });
    expect(first.answer.status).toBe(200);
    expect(await bought()).toMatchObject({ category: 'MEAL', decidedBy: 'merchant_rule', rulesVersion: 1 });
    const stale = await one.order({ operation: 'merchant_rules.replace', version: 0, rules: [] });
    expect(stale.answer.body).toContain('cards.rules_changed');
    await one.order({ operation: 'merchant_rules.replace', version: 1, rules: [] });
    expect(await bought()).toMatchObject({ category: 'FOOD', decidedBy: 'mcc', rulesVersion: 2 });
    const kept = await fixture.rows('select version, actor from cards.merchant_rules order by version');
    expect(kept).toEqual([
      { version: 1, actor: 'key_of_a_person' },
      { version: 2, actor: 'key_of_a_person' },
    ]);
  });
});

test('what all of this left behind balances', async () => {
  const { findings, cards: looked } = await fixture.verified();
  expect(findings).toEqual([]);
  expect(looked).toBeGreaterThan(1000);
});

async function recorded(): Promise<Record<string, unknown>[]> {
  return fixture.rows('select code, reason, external_id from cards.card_transactions where account = $1', [
    account,
  ]);
}
