/** K5: whatever happens to the connection, `07` means not applied, and `00` means applied once. */
import { afterAll, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';
import { type CardFixture, type CardProcess, openCards, TENANT } from '../../../tests/card-fixture.ts';
import { CutProxy } from '../../../tests/cut-proxy.ts';
import { PATIENCE } from '../../../tests/patience.ts';

/** A statement that leaves in one piece with the commit behind it. */
const DECISION = 'ledger.insert_entries';

/** Keeps whoever decides from writing. */
const LOCK_CARD_TRANSACTIONS = 'lock table cards.card_transactions in share mode';

let fixture: CardFixture;
let proxy: CutProxy;
/** Reaches the database by the proxy. */
let cards: CardProcess;
let direct: CardProcess;
let account = '';

beforeAll(async () => {
  fixture = await openCards();
  proxy = await CutProxy.open(fixture.url);
  cards = await fixture.process({ url: proxy.url });
  direct = await fixture.process();
});
afterAll(async () => {
  await fixture.close();
  await proxy.close();
});

beforeEach(async () => {
  account = await direct.newCard({ MEAL: 1000 });
});

async function spent(): Promise<number> {
  return 1000 - ((await fixture.balances(account))['MEAL'] ?? 0);
}

describe('K5: a commit that was lost from sight', () => {
  /** What is asked, one unit of money, is in a batch that is committed, and of which nobody hears. */
  async function committedUnheard<Answer>(ask: () => Promise<Answer>): Promise<Answer> {
    const lost = proxy.loseAnswerTo(DECISION);
    const asked = ask();
    await lost;
    await vi.waitUntil(async () => (await spent()) === 100, PATIENCE);
    proxy.restore();
    proxy.cut();
    return asked;
  }

  test('is found out before anything is answered: it had happened', async () => {
    const asked = await committedUnheard(() => cards.purchase({ account, totalAmount: 1 }));
    expect(asked.cardTransaction.code).toBe('00');
    expect(await spent()).toBe(100);
  });

  test('C2: leaves no approval among those that nobody was told of, once it is answered', async () => {
    const { cardTransaction } = await committedUnheard(() => cards.purchase({ account, totalAmount: 1 }));
    const naming = 'select from cards.deciders where $1::uuid = any (pending)';
    await expect.poll(() => fixture.rows(naming, [cardTransaction.uuid])).toEqual([]);
  });

  test('is found out, and what its caller can no longer hear of is given back', async () => {
    const gone = { isGone: () => true };
    const asked = await committedUnheard(() => cards.purchase({ account, totalAmount: 1, id: 'a' }, gone));
    expect(asked.cardTransaction).toMatchObject({ code: '07', reason: 'late' });
    expect(await spent()).toBe(0);
  });

  /** What is asked is in a batch whose session the server ends while it waits to write. */
  async function endedWhileWriting<Answer>(ask: () => Promise<Answer>): Promise<Answer> {
    const release = await fixture.locking(LOCK_CARD_TRANSACTIONS);
    const asked = ask();
    const sessions = await fixture.waitingIn('insert into cards.card_transactions');
    await fixture.rows('select pg_terminate_backend(pid) from unnest($1::integer[]) as pid', [sessions]);
    await release();
    return asked;
  }

  test('is kept from happening: the server ends the session that waits to write', async () => {
    const body = { account, totalAmount: 1, id: 'a' };
    const { cardTransaction } = await endedWhileWriting(() => cards.purchase(body));
    expect(cardTransaction).toMatchObject({ code: '07', reason: 'database', claimed: false });
    expect(await spent()).toBe(0);
    // Nothing was decided, so a repeat is.
    expect(await direct.purchase(body)).toMatchObject({ repeated: false, cardTransaction: { code: '00' } });
  });

  test('C7: and did not happen tells no repeat of an approval: it is told by one that marks it', async () => {
    const body = { account, totalAmount: 1, id: 'a' };
    const { cardTransaction } = await direct.purchase(body);
    const [, repeat] = await endedWhileWriting(() =>
      Promise.all([cards.purchase({ account, totalAmount: 1 }), cards.purchase(body)]),
    );
    expect(repeat).toMatchObject({ repeated: true, cardTransaction: { code: '00' } });
    const marked = 'select from cards.card_transactions where id = $1 and repeated_at is not null';
    expect(await fixture.rows(marked, [cardTransaction.uuid])).toHaveLength(1);
  });

  test('and did not happen is nobody’s approval, also not of a copy in the same batch', async () => {
    const body = { account, totalAmount: 1, id: 'a' };
    const [first, copy] = await endedWhileWriting(() =>
      Promise.all([cards.purchase(body), cards.purchase(body)]),
    );
    expect(first.cardTransaction).toMatchObject({ code: '07', reason: 'database' });
    // Nothing was decided, so the copy is.
    expect(copy).toMatchObject({ repeated: false, cardTransaction: { code: '00' } });
    expect(await spent()).toBe(100);
  });

  test('and cannot be found out before the process stops is listed, if it had happened', async () => {
    const stopping = await fixture.process({ url: proxy.url });
    await stopping.purchase({ account, totalAmount: 1 });
    const lost = proxy.loseAnswerTo(DECISION);
    const asked = stopping.purchase({ account, totalAmount: 1, id: 'lost' });
    const outcome = asked.then(
      () => 'answered',
      () => 'no answer',
    );
    await lost;
    await vi.waitUntil(async () => (await spent()) === 200, PATIENCE);
    const release = await fixture.locking(LOCK_CARD_TRANSACTIONS);
    proxy.restore();
    proxy.cut();
    await stopping.stop();
    await release();
    expect(await outcome).toBe('no answer');
    const filter = { account, confirmation: 'unconfirmed' } as const;
    const listed = await fixture.reads.listCardTransactions(TENANT, filter, { before: undefined, limit: 9 });
    expect(listed.cardTransactions).toMatchObject([{ externalId: 'lost', code: '00' }]);
  });

  test('K7: under a load whose connection is cut again and again, the answers are the balance', async () => {
    let answered = 0;
    const asked = Array.from({ length: 400 }, async (_, index) => {
      // A few at a time, so that there are many commits to be cut.
      await vi.waitUntil(() => answered >= index - 8, { timeout: 30_000, interval: 1 });
      const { cardTransaction } = await cards.purchase({ account, totalAmount: 0.01 });
      answered += 1;
      if (answered % 40 === 0) proxy.cut();
      return cardTransaction.code;
    });
    const codes = await Promise.all(asked);
    expect(await spent()).toBe(codes.filter((code) => code === '00').length);
    expect(cards.failures.length).toBeGreaterThan(0);
  });
});

test('K10: a process stops while the database is away, also with answers to be sent', async () => {
  const away = await CutProxy.open(fixture.url);
  const stopping = await fixture.process({ url: away.url });
  await away.close();
  const order = { account, totalAmount: 1, callback_url: 'https://network.example/answers' };
  const outcome = stopping.purchase(order, { reach: 'public' }).then(
    () => 'answered',
    () => 'no answer',
  );
  await stopping.stop();
  expect(await outcome).toBe('no answer');
  expect(await spent()).toBe(0);
});

test('K7: while nobody can know what became of one commit, what comes later is 07 and does not wait for it', async () => {
  const away = await CutProxy.open(fixture.url);
  const asking = await fixture.process({ url: away.url });
  const lost = away.loseAnswerTo(DECISION);
  const first = asking.purchase({ account, totalAmount: 1, id: 'first' });
  await lost;
  await vi.waitUntil(async () => (await spent()) === 100, PATIENCE);
  await away.close();
  const later = await asking.purchase({ account, totalAmount: 1, id: 'later' }, { deadlineMs: 100 });
  expect(later.cardTransaction).toMatchObject({ code: '07', reason: 'late' });
  const back = await CutProxy.open(fixture.url, Number(new URL(away.url).port));
  expect((await first).cardTransaction.code).toBe('00');
  await asking.stop();
  await back.close();
  expect(await spent()).toBe(100);
});

test('K9: a process that stops while the database is away tells how many it could not record', async () => {
  const away = await CutProxy.open(fixture.url);
  const stopping = await fixture.process({ url: away.url });
  await away.close();
  const late = { arrivedAt: performance.now() - 200, deadlineMs: 100 };
  expect((await stopping.purchase({ account, totalAmount: 1 }, late)).cardTransaction.code).toBe('07');
  await stopping.stop();
  expect(stopping.failures.map(String)).toContainEqual(expect.stringMatching(/^Fault: 1 card transactions/));
});

test('what all of this left behind balances', async () => {
  expect(await fixture.verified()).toMatchObject({ findings: [] });
});
