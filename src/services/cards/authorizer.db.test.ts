import { afterAll, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';
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

test('what processes warm up by, at the same time, meets no fault and leaves nothing', async () => {
  const starting = await Promise.all([fixture.process(), fixture.process(), fixture.process()]);
  expect(starting.flatMap(({ failures }) => failures)).toEqual([]);
  const left = await fixture.rows(
    `select id from cards.card_transactions where tenant = '' union all select id from ledger.entries where tenant = ''
     union all select entry_id from ledger.postings where account_key < 0`,
  );
  expect(left).toEqual([]);
  await Promise.all(starting.map(({ stop }) => stop()));
});

describe('K5: one at a time per account', () => {
  test('K5: of 1000 debits at once in two processes exactly the affordable ones are approved', async () => {
    const asked = Array.from({ length: 1000 }, (_, index) =>
      (index % 2 === 0 ? one : two).purchase({ account, totalAmount: 0.07 }),
    );
    // 2000 of MEAL and 3000 of CASH in pieces of 7: neither is ever split.
    const affordable = Math.floor(2000 / 7) + Math.floor(3000 / 7);
    expect(await codesOf(asked)).toEqual({ '00': affordable, '51': 1000 - affordable });
    expect(await fixture.balances(account)).toEqual({ FOOD: 1000, MEAL: 2000 % 7, CASH: 3000 % 7 });
  });

  test('K5: a card that somebody else has locked delays no other card, and is 07 at its deadline', async () => {
    const locked = account;
    account = await one.newCard({ MEAL: 100 });
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
    account = await one.newCard({ MEAL: 100 });
    const release = await fixture.lockingBalance(`${locked}:MEAL`);
    // More than any batch takes.
    const waiting = Array.from({ length: 1500 }, () =>
      one.purchase({ account: locked, totalAmount: 0.01 }, { deadlineMs: 3000 }),
    );
    const others = [1, 2, 3].map(() => one.purchase({ account, totalAmount: 0.1 }, { deadlineMs: 1500 }));
    expect(await codesOf(others)).toEqual({ '00': 3 });
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
    await vi.waitUntil(async () => (await fixture.recorded(account)).length > 0, PATIENCE);
    expect(await fixture.recorded(account)).toMatchObject([
      { code: '07', reason: 'late', external_id: 'late' },
    ]);
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
    const unlock = await fixture.lockingReversals();
    let answered = false;
    const asked = one.purchase({ account, totalAmount: 1 }, { isGone: () => true });
    void asked.then(() => (answered = true));
    await vi.waitUntil(async () => (await fixture.recorded(account)).length > 0, PATIENCE);
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
    const unlock = await fixture.lockingReversals();
    const asked = one.purchase({ account, totalAmount: 1, id: 'stuck' }, { isGone: () => true });
    const outcome = asked.then(
      () => 'answered',
      () => 'no answer',
    );
    await vi.waitUntil(async () => (await fixture.recorded(account)).length > 0, PATIENCE);
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
      expect(await codesOf(asked)).toEqual({ '07': 2 });
      await vi.waitUntil(async () => (await fixture.recorded(account)).length > 0, PATIENCE);
      expect(await fixture.recorded(account)).toMatchObject([{ code: '07', reason: 'late' }]);
      await vi.waitUntil(() => one.failures.some((each) => String(each).includes('recorded')), PATIENCE);
    } finally {
      await fixture.rows('alter table cards.card_transactions drop constraint poison');
    }
  });

  test('K9: also of a process that stops with more of them than a batch writes', async () => {
    const stopping = await fixture.process();
    const late = { arrivedAt: performance.now() - 200, deadlineMs: 100 };
    const asked = Array.from({ length: 1600 }, () => stopping.purchase({ account, totalAmount: 1 }, late));
    expect(await codesOf(asked)).toEqual({ '07': 1600 });
    await stopping.stop();
    expect(await fixture.recorded(account)).toHaveLength(1600);
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

  test('U19: for one tenant, whatever another does with a card of the same name', async () => {
    const other = 'other';
    const create = {
      operation: 'cards.create',
      account,
      currency: 'BRL',
      balances: { FOOD: 1000, MEAL: 1000 },
    } as const;
    expect((await one.order(create, undefined, other)).answer.status).toBe(201);
    const rules = [{ pattern: 'PADARIA DO ZE', match: 'prefix', category: 'MEAL' }] as const;
    const replace = { operation: 'merchant_rules.replace', version: 0, rules } as const;
    expect((await one.order(replace, undefined, other)).answer.status).toBe(200);
    const bought = async (tenant: string) =>
      (await two.purchase({ account, totalAmount: 1, mcc: '5411' }, { tenant })).cardTransaction;
    expect(await bought(other)).toMatchObject({
      category: 'MEAL',
      decidedBy: 'merchant_rule',
      rulesVersion: 1,
    });
    expect(await bought(TENANT)).toMatchObject({ category: 'FOOD', decidedBy: 'mcc' });

    await one.order({ operation: 'cards.block', account });
    expect(await bought(TENANT)).toMatchObject({ code: '07', reason: 'card_blocked' });
    expect(await bought(other)).toMatchObject({ code: '00' });
    await one.order({ operation: 'cards.block', account }, undefined, other);
    await one.order({ operation: 'cards.unblock', account });
    expect(await bought(TENANT)).toMatchObject({ code: '00' });
    expect(await bought(other)).toMatchObject({ code: '07', reason: 'card_blocked' });
  });
});

test('what all of this left behind balances', async () => {
  const { findings, cards: looked } = await fixture.verified();
  expect(findings).toEqual([]);
  expect(looked).toBeGreaterThan(1000);
});
