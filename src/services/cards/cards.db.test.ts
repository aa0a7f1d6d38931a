import { afterAll, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';
import { type Id, idOf, newId } from '#kernel/ids.ts';
import { type CardFixture, type CardProcess, openCards, TENANT } from '../../../tests/card-fixture.ts';
import { PATIENCE } from '../../../tests/patience.ts';
import type { CardTransaction } from './card-transaction.ts';

const DAY_MS = 24 * 3_600_000;

let fixture: CardFixture;
let cards: CardProcess;
/** Both a week and a day ahead. */
let later: CardProcess;
let another: CardProcess;
let account = '';
let made = 0;

beforeAll(async () => {
  fixture = await openCards();
  cards = await fixture.process();
  const clock = { now: () => Date.now() + 8 * DAY_MS };
  later = await fixture.process({ clock });
  another = await fixture.process({ clock });
  // Only when a test has them look: what the others hold is due to them.
  for (const ahead of [later, another]) await ahead.cards.watch.stop();
});
afterAll(() => fixture.close());

beforeEach(async () => {
  made += 1;
  account = `card-${made}`;
  await order(
    { operation: 'cards.create', account, currency: 'BRL', balances: { MEAL: 1000, CASH: 500 } },
    201,
  );
});

async function order(body: Parameters<CardProcess['order']>[0], status: number, key?: string) {
  const { answer } = await cards.order(body, key);
  // The fixture renders every refusal as 422.
  if (answer.status !== status) throw new Error(`${answer.status}: ${answer.body}`);
  return JSON.parse(answer.body) as Record<string, unknown>;
}

async function approved(totalAmount: number, more: Record<string, unknown> = {}): Promise<CardTransaction> {
  const { cardTransaction } = await cards.purchase({ account, totalAmount, ...more });
  expect(cardTransaction.code).toBe('00');
  return cardTransaction;
}

function giveBack(operation: 'reverse' | 'capture', of: CardTransaction, status: number, amount?: number) {
  const card_transaction_id: Id<'ctx'> = idOf('ctx', of.uuid);
  const body = { operation: `card_transactions.${operation}`, card_transaction_id } as const;
  return order(amount === undefined ? body : { ...body, amount }, status, newId('req'));
}

async function heldOf(category: 'FOOD' | 'MEAL' | 'CASH'): Promise<bigint | undefined> {
  return (await fixture.reads.findCard(TENANT, account))?.balanceOf(category).heldMinor;
}

test('two processes that make the first card of a currency at once fail neither it nor themselves', async () => {
  const currencies = ['USD', 'EUR', 'GBP', 'CHF', 'SEK', 'NOK', 'PLN', 'MXN'];
  const outcomes = await Promise.all(
    currencies.flatMap((currency) =>
      [cards, another].map((process, index) =>
        process.order({
          operation: 'cards.create',
          account: `${currency}-${index}`,
          currency,
          balances: { CASH: 1 },
        }),
      ),
    ),
  );
  expect(outcomes.map(({ answer }) => answer.status)).toEqual(outcomes.map(() => 201));
});

describe('a card', () => {
  test('begins with its balances, each an account of the ledger, funded from outside', async () => {
    expect(await fixture.balances(account)).toEqual({ FOOD: 0, MEAL: 1000, CASH: 500 });
    expect(await fixture.ledgerReads.findAccount(TENANT, `${account}:MEAL`)).toMatchObject({
      account: { kind: 'card', currency: 'BRL', floorMinor: 0n },
      balance: { postedMinor: 1000n },
    });
    const funding = await fixture.ledgerReads.findAccount(TENANT, 'card-funding-BRL');
    expect(funding).toMatchObject({ account: { kind: 'external', floorMinor: null } });
  });

  test('U1: is made once per key', async () => {
    const body = { operation: 'cards.create', account: `${account}-b`, currency: 'BRL' } as const;
    const first = await cards.order(body, 'k');
    expect(await cards.order(body, 'k')).toEqual({ answer: first.answer, replayed: true });
  });

  test('of an account that is taken, by a card or in the ledger, is refused and opens nothing', async () => {
    expect(await order({ operation: 'cards.create', account, currency: 'BRL' }, 422)).toMatchObject({
      code: 'cards.card_exists',
    });
    // `x:FOOD` is an account of the card `x`, and so cannot be a balance of another.
    await fixture.rows(`insert into ledger.accounts select nextval('ledger.account_keys'), tenant, 'taken:MEAL', kind,
      currency, floor, name, time_zone, metadata, opened_at from ledger.accounts where id = 'card-funding-BRL'`);
    await fixture.rows(`insert into ledger.balances select key, 'open', 0, 0, 0, opened_at from ledger.accounts
      where id = 'taken:MEAL'`);
    expect(await order({ operation: 'cards.create', account: 'taken', currency: 'BRL' }, 422)).toMatchObject({
      code: 'cards.account_taken',
    });
    expect(await fixture.ledgerReads.findAccount(TENANT, 'taken:FOOD')).toBeUndefined();
    await fixture.rows(
      `delete from ledger.balances where account_key = (select key from ledger.accounts where id = 'taken:MEAL')`,
    );
    await fixture.rows(`delete from ledger.accounts where id = 'taken:MEAL'`);
  });

  test('in a currency that nobody knows is refused', async () => {
    const refused = await order({ operation: 'cards.create', account: 'y', currency: 'ZZZ' }, 422);
    expect(refused).toMatchObject({ code: 'ledger.unknown_currency' });
  });

  test('beyond what the books can count is refused, and the next one of its batch is not harmed', async () => {
    const most = { FOOD: 9_007_199_254_740_991, MEAL: 1, CASH: 1 };
    const [refused, next] = await Promise.all([
      cards.order({ operation: 'cards.create', account: `${account}-m`, currency: 'USD', balances: most }),
      cards.order({
        operation: 'cards.create',
        account: `${account}-n`,
        currency: 'USD',
        balances: { FOOD: 1 },
      }),
    ]);
    expect([refused.answer.status, next.answer.status]).toEqual([422, 201]);
    expect(await fixture.balances(`${account}-n`)).toEqual({ FOOD: 1, MEAL: 0, CASH: 0 });
  });

  test('is topped up, once per key', async () => {
    const body = { operation: 'cards.top_up', account, balances: { FOOD: 7, CASH: 1 } } as const;
    await order(body, 201, 'top-up');
    await order(body, 201, 'top-up');
    expect(await fixture.balances(account)).toEqual({ FOOD: 7, MEAL: 1000, CASH: 501 });
    expect(await order({ ...body, account: 'nobody' }, 422)).toMatchObject({ code: 'cards.card_not_found' });
  });
});

describe('a reversal', () => {
  test('gives all back to the balance that paid, and then nothing is left', async () => {
    await approved(6);
    const bought = await approved(5);
    expect(bought.category).toBe('CASH');
    expect(await giveBack('reverse', bought, 200)).toMatchObject({ captured: 500, reversed: 500 });
    expect(await fixture.balances(account)).toEqual({ FOOD: 0, MEAL: 400, CASH: 500 });
    expect(await giveBack('reverse', bought, 422)).toMatchObject({ code: 'cards.nothing_to_reverse' });
  });

  test('gives back all that is left when no amount is named, and never more', async () => {
    const bought = await approved(6);
    expect(await giveBack('reverse', bought, 200, 1)).toMatchObject({ reversed: 1, code: '00' });
    expect(await giveBack('reverse', bought, 422, 600)).toMatchObject({
      code: 'cards.exceeds_card_transaction',
    });
    expect(await giveBack('reverse', bought, 200)).toMatchObject({ reversed: 600, state: 'captured' });
    expect(await giveBack('reverse', bought, 422)).toMatchObject({ code: 'cards.nothing_to_reverse' });
    expect(await fixture.balances(account)).toEqual({ FOOD: 0, MEAL: 1000, CASH: 500 });
  });

  test('D5: of 20 at once no more is given back than was spent', async () => {
    const bought = await approved(5);
    const body = {
      operation: 'card_transactions.reverse',
      card_transaction_id: idOf('ctx', bought.uuid),
      amount: 60,
    } as const;
    const answers = await Promise.all(
      Array.from({ length: 20 }, (_, index) =>
        (index % 2 === 0 ? cards : later).order(body, `race-${made}-${index}`),
      ),
    );
    expect(answers.filter(({ answer }) => answer.status === 200)).toHaveLength(8);
    expect(await fixture.balances(account)).toMatchObject({ MEAL: 1000 - 500 + 480 });
  });

  test('of what was declined, or of nobody’s, is refused', async () => {
    const { cardTransaction } = await cards.purchase({ account, totalAmount: 99 });
    expect(cardTransaction.code).toBe('51');
    expect(await giveBack('reverse', cardTransaction, 422)).toMatchObject({
      code: 'cards.nothing_to_reverse',
    });
    const unknown = { ...cardTransaction, uuid: '01900000-0000-7000-8000-000000000000' };
    expect(await giveBack('reverse', unknown, 422)).toMatchObject({
      code: 'cards.card_transaction_not_found',
    });
  });
});

describe('two steps', () => {
  test('hold, then capture: the hold stands in the way of other purchases, and is spent once', async () => {
    const held = await approved(6, { capture: false });
    expect(held).toMatchObject({ state: 'held', category: 'MEAL', capturedMinor: 0n });
    expect(await fixture.balances(account)).toMatchObject({ MEAL: 400 });
    expect(await heldOf('MEAL')).toBe(600n);
    expect((await cards.purchase({ account, totalAmount: 5 })).cardTransaction.category).toBe('CASH');
    expect(await giveBack('capture', held, 200)).toMatchObject({ state: 'captured', captured: 600 });
    expect(await giveBack('capture', held, 422)).toMatchObject({ code: 'cards.not_held' });
    expect(await fixture.balances(account)).toMatchObject({ MEAL: 400, CASH: 0 });
    expect(await heldOf('MEAL')).toBe(0n);
  });

  test('of less than is held the rest is given back; of more is refused', async () => {
    const held = await approved(6, { capture: false });
    expect(await giveBack('capture', held, 422, 601)).toMatchObject({
      code: 'cards.exceeds_card_transaction',
    });
    expect(await giveBack('capture', held, 200, 250)).toMatchObject({ captured: 250 });
    expect(await fixture.balances(account)).toMatchObject({ MEAL: 750 });
    expect(await giveBack('reverse', held, 200)).toMatchObject({ reversed: 250 });
    expect(await fixture.balances(account)).toMatchObject({ MEAL: 1000 });
  });

  test('a hold is reversed as a whole or not at all', async () => {
    const held = await approved(6, { capture: false });
    expect(await giveBack('reverse', held, 422, 1)).toMatchObject({ code: 'cards.partial_before_capture' });
    expect(await giveBack('reverse', held, 200)).toMatchObject({ state: 'released', reversed: 0 });
    expect(await giveBack('capture', held, 422)).toMatchObject({ code: 'cards.not_held' });
    expect(await fixture.balances(account)).toMatchObject({ MEAL: 1000 });
  });

  test('a hold that nobody captures is given back after a week, once', async () => {
    const held = await approved(6, { capture: false });
    await cards.cards.watch.look();
    expect(await heldOf('MEAL')).toBe(600n);
    const read = () => fixture.reads.findCardTransaction(TENANT, held.uuid);
    // Each leaves out what the other has locked: of two accounts either may have one, and look again.
    await vi.waitUntil(async () => {
      await Promise.all([later.cards.watch.look(), another.cards.watch.look()]);
      return (await read())?.state !== 'held';
    }, PATIENCE);
    expect(await read()).toMatchObject({ state: 'expired', code: '00' });
    expect(await heldOf('MEAL')).toBe(0n);
    expect(await giveBack('capture', held, 422)).toMatchObject({ code: 'cards.not_held' });
    expect(await fixture.rows('select from cards.open_holds where id = $1', [held.uuid])).toEqual([]);
  });

  test('a hold is given back although another cannot be, which is told and tried again later', async () => {
    const bad = await approved(1, { capture: false });
    const good = await approved(2, { capture: false });
    const setState = (state: string) =>
      fixture.rows(
        `update ledger.holds set state = $2, closed_at = case when $2 = 'open' then null else now() end where id = $1`,
        [bad.uuid, state],
      );
    const before = later.failures.length;
    await setState('released');
    await later.cards.watch.look();
    expect(later.failures.slice(before).map(String)).toEqual([
      expect.stringContaining('has ended otherwise than it says'),
    ]);
    const waiting = () =>
      fixture.rows('select id from cards.open_holds where id in ($1, $2)', [bad.uuid, good.uuid]);
    expect(await waiting()).toEqual([{ id: bad.uuid }]);
    expect(await heldOf('MEAL')).toBe(100n);
    await later.cards.watch.look();
    expect(later.failures.slice(before)).toHaveLength(1);
    await setState('open');
    await fixture.rows(`update cards.open_holds set due_at = now() where id = $1`, [bad.uuid]);
    await later.cards.watch.look();
    expect(await waiting()).toEqual([]);
    expect(await heldOf('MEAL')).toBe(0n);
  });

  test('a hold that has ended is waited for no longer', async () => {
    const bought = await approved(1);
    await fixture.rows(`insert into cards.open_holds values ($1, $2, now(), 'cor')`, [TENANT, bought.uuid]);
    await later.cards.watch.look();
    expect(await fixture.rows('select from cards.open_holds where id = $1', [bought.uuid])).toEqual([]);
  });

  test('a hold is given back although another, whose card somebody else has locked, is due too', async () => {
    const locked = await approved(1, { capture: false });
    const first = account;
    account = `${first}-b`;
    await order({ operation: 'cards.create', account, currency: 'BRL', balances: { MEAL: 1000 } }, 201);
    const free = await approved(1, { capture: false });
    const stateOf = async ({ uuid }: CardTransaction) =>
      (await fixture.reads.findCardTransaction(TENANT, uuid))?.state;
    const release = await fixture.lockingBalance(`${first}:MEAL`);
    await later.cards.watch.look();
    expect([await stateOf(free), await stateOf(locked)]).toEqual(['expired', 'held']);
    await release();
    await later.cards.watch.look();
    expect(await stateOf(locked)).toBe('expired');
  });
});

describe('K5: an approval that may not have been answered', () => {
  /** As if its process had died after the commit of the purchase, before the answer. */
  async function leftBehind(more: Record<string, unknown> = {}, agoS: number = 11): Promise<CardTransaction> {
    const bought = await approved(1, more);
    await fixture.rows(
      `insert into cards.deciders values (gen_random_uuid(), array[$1], array[$2::uuid], now() - make_interval(secs => $3))`,
      [TENANT, bought.uuid, agoS],
    );
    await cards.cards.watch.look();
    return bought;
  }

  async function unconfirmed(): Promise<string[]> {
    const page = { before: undefined, limit: 100 };
    const { cardTransactions } = await fixture.reads.listCardTransactions(
      TENANT,
      { account, confirmation: 'unconfirmed' },
      page,
    );
    return cardTransactions.map(({ uuid }) => uuid);
  }

  test('is listed until a repeat with its id settles it', async () => {
    const bought = await leftBehind({ id: 'x' });
    expect(await unconfirmed()).toEqual([bought.uuid]);
    expect(await fixture.reads.findCardTransaction(TENANT, bought.uuid)).toMatchObject({
      confirmation: 'unconfirmed',
    });
    expect(await later.purchase({ account, totalAmount: 1, id: 'x' })).toMatchObject({ repeated: true });
    await vi.waitUntil(async () => (await unconfirmed()).length === 0, PATIENCE);
  });

  test('is listed although the clock was set back since', async () => {
    const bought = await leftBehind({}, -3600);
    expect(await unconfirmed()).toEqual([bought.uuid]);
  });

  test('is listed until a reversal settles it', async () => {
    const bought = await leftBehind();
    expect(await unconfirmed()).toEqual([bought.uuid]);
    await giveBack('reverse', bought, 200);
    expect(await unconfirmed()).toEqual([]);
  });

  test('is listed while its money is held for a merchant, too', async () => {
    const held = await leftBehind({ capture: false });
    expect(await unconfirmed()).toEqual([held.uuid]);
    await giveBack('reverse', held, 200);
    expect(await unconfirmed()).toEqual([]);
  });

  test('is not listed if a repeat or a reversal came before anybody noticed', async () => {
    const bought = await approved(1, { id: 'x' });
    const reversed = await approved(1);
    await later.purchase({ account, totalAmount: 1, id: 'x' });
    await giveBack('reverse', reversed, 200);
    await fixture.rows(
      `insert into cards.deciders values
         (gen_random_uuid(), array[$1, $1], array[$2::uuid, $3::uuid], now() - interval '11 s')`,
      [TENANT, bought.uuid, reversed.uuid],
    );
    await cards.cards.watch.look();
    await vi.waitFor(async () => expect(await unconfirmed()).toEqual([]), PATIENCE);
  });

  test('of a process that lives is not listed', async () => {
    await approved(1);
    await cards.cards.watch.look();
    expect(await unconfirmed()).toEqual([]);
  });
});

test('no entry is left unchecked', async () => {
  const unchecked = `select conname from pg_constraint where conrelid = 'ledger.entries'::regclass and not convalidated`;
  expect(await fixture.rows(unchecked)).toEqual([]);
});

test('what all of this left behind balances', async () => {
  expect(await fixture.verified()).toMatchObject({ findings: [] });
});
