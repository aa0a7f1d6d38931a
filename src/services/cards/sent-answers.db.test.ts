import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { type CardFixture, type CardProcess, openCards } from '../../../tests/card-fixture.ts';

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

test('what all of this left behind balances', async () => {
  const { findings, cards: looked } = await fixture.verified();
  expect(findings).toEqual([]);
  expect(looked).toBeGreaterThan(5);
});
