/** The saga of a card transaction: decided and posted, told to the holder, and judged (P5). */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { systemClock } from '#kernel/clock.ts';
import { type CardTransactionId, idOf, uuidOf } from '#kernel/ids.ts';
import type { JsonObject } from '#platform/log/event.ts';
import { ReadPool } from '#platform/postgres/read-pool.ts';
import { CardVerdictReads } from '#services/integrity/card-verdicts.ts';
import { NotificationReads } from '#services/notification/reads.ts';
import { integrityProof } from '../src/integrity-proof.ts';
import { type CardFixture, type CardProcess, openCards, TENANT } from './card-fixture.ts';
import { IntegrityDesk } from './integrity-desk.ts';
import { ask, DELIVERIES, dumpTables, setBack } from './redelivery.ts';

let fixture: CardFixture;
let cards: CardProcess;
let desk: IntegrityDesk;
let pool: ReadPool;
let proof: ReturnType<typeof integrityProof>;
let url: string;
/** In other partitions, where the same positions are given. */
const OTHERS = ['124', '125', '126', '127', '128'];

beforeAll(async () => {
  fixture = await openCards();
  ({ url } = fixture);
  cards = await fixture.process();
  desk = await IntegrityDesk.open(url);
  pool = new ReadPool({
    url,
    onError: (error) => {
      throw error;
    },
  });
  proof = integrityProof(url);
  await cards.order({
    operation: 'cards.create',
    account: '123',
    currency: 'BRL',
    balances: { MEAL: 10_000 },
  });
  await Promise.all(
    OTHERS.map(async (account, index) => {
      await cards.order({ operation: 'cards.create', account, currency: 'BRL', balances: { MEAL: 10_000 } });
      for (const cents of [1, 2, 3]) await buy(index + cents / 100, { account });
    }),
  );
});

afterAll(async () => {
  await desk.close();
  await proof.close();
  await pool.close();
  await fixture.close();
});

async function buy(totalAmount: number, more: JsonObject = {}): Promise<string> {
  const { cardTransaction } = await cards.purchase({ account: '123', totalAmount, merchant: 'BAR', ...more });
  return idOf('ctx', cardTransaction.uuid);
}

async function tellHolders(): Promise<void> {
  await DELIVERIES['card-notification']?.(url, { batchMax: 500, clock: systemClock });
}

async function toldOf(id: string): Promise<unknown[]> {
  const told = await new NotificationReads(pool).listOfCard(TENANT, id);
  return (told ?? []).map(({ payload }) => (payload as JsonObject)['data']);
}

async function verdictOf(id: string) {
  const reading = await new CardVerdictReads(pool, proof).find(TENANT, id);
  const stages = reading?.stages.map(({ name }) => name);
  return { verdict: reading?.verdict, stages, kinds: reading?.findings.map(({ kind }) => kind) };
}

test('K9: the holder is told of what moves or sets aside money, once each, and not of declines', async () => {
  const bought = await buy(2.5);
  const declined = await buy(1000);
  const held = await buy(4, { capture: false });
  const order = { operation: 'card_transactions.reverse', card_transaction_id: bought } as const;
  await cards.order({ ...order, amount: 50 }, 'first');
  await cards.order({ ...order, amount: 60 }, 'second');
  await cards.order(
    { operation: 'card_transactions.capture', card_transaction_id: held, amount: 300 },
    'capture',
  );
  await tellHolders();
  expect(await toldOf(bought)).toMatchObject([
    {
      card_transaction_id: bought,
      account: '123',
      merchant: 'BAR',
      amount: 250,
      currency: 'BRL',
      is_held: false,
    },
    { card_transaction_id: bought, amount: 50, because: 'requested' },
    { card_transaction_id: bought, amount: 60, because: 'requested' },
  ]);
  expect(await toldOf(declined)).toEqual([]);
  expect(await toldOf(held)).toMatchObject([
    { amount: 400, is_held: true },
    { amount: 300, held: 400 },
  ]);
});

test('U3: events that are delivered again tell nobody anything anew', async () => {
  const before = await dumpTables(url);
  await setBack(url, ['card-notification']);
  await tellHolders();
  expect(await dumpTables(url)).toEqual(before);
});

test('P5: it is complete when it was decided, posted, told and judged; what is set aside is under way', async () => {
  const [bought, declined, held] = [await buy(1), await buy(1000), await buy(1, { capture: false })];
  expect(await verdictOf(bought)).toEqual({ verdict: 'running', stages: ['decision', 'posting'], kinds: [] });
  await tellHolders();
  await desk.judgeCards();
  expect(await verdictOf(bought)).toEqual({
    verdict: 'complete',
    stages: ['decision', 'posting', 'notification'],
    kinds: [],
  });
  expect(await verdictOf(declined)).toMatchObject({ verdict: 'complete', stages: ['decision'] });
  expect(await verdictOf(held)).toMatchObject({ verdict: 'running', stages: ['decision', 'notification'] });
  expect(await desk.findings()).toEqual([]);
});

test('P5: while nobody is told nothing is judged, and afterwards nothing was missing', async () => {
  const bought = await buy(1);
  await desk.judgeCards();
  expect(await verdictOf(bought)).toMatchObject({ verdict: 'running', kinds: [] });
  await tellHolders();
  await desk.judgeCards();
  expect(await verdictOf(bought)).toMatchObject({ verdict: 'complete', kinds: [] });
  expect(await desk.findings()).toEqual([]);
});

test('P5: what a person had the group pass over is not missed', async () => {
  const bought = await buy(1);
  await tellHolders();
  await ask(
    url,
    `with gone as (${DELETED} returning n.partition, n.position)
     insert into log.abandoned_events (consumer_group, topic, partition, position, dead_letter)
     select 'card-notification', 'cards', partition, position, gen_random_uuid() from gone returning 1`,
    [bought],
  );
  await desk.judgeCards();
  expect(await desk.findings()).toEqual([]);
});

/** Of all that was told about $1. */
const DELETED = `delete from notification.card_notifications n using cards.events e
  where e.partition = n.partition and e.position = n.position and e.subject = $1`;

/** Done to what was bought, which is `$1`, or to its uuid; and what its verdict, from the log alone, is afterwards. */
const DAMAGES = [
  {
    title: 'a notification that is missing',
    sql: DELETED,
    kind: 'missing_card_notification',
    verdict: 'broken',
  },
  {
    title: 'an entry of another amount than its decision',
    sql: `update cards.events set data = replace(data, '"amount":100,"currency":"BRL","category"', '"amount":101,"currency":"BRL","category"')
          where subject = $1`,
    kind: 'mismatched_entry',
    verdict: 'broken',
  },
  {
    title: 'a decision whose entry is gone',
    sql: 'delete from ledger.entries where cause = $1',
    kind: 'missing_entry',
    verdict: 'complete',
    isByUuid: true,
  },
  {
    title: 'a decision that the table does not have',
    sql: 'delete from cards.card_transactions where id = $1',
    kind: 'missing_card_transaction',
    verdict: 'complete',
    isByUuid: true,
  },
] as const;

test.each(DAMAGES)('P5: $title becomes a finding, once, and an audit sees the same', async (damage) => {
  const { sql, kind, verdict } = damage;
  const findings = async () => (await desk.findings()).filter((finding) => finding.kind === kind);
  const bought = await buy(1);
  await tellHolders();
  await ask(url, sql, ['isByUuid' in damage ? uuidOf(bought as CardTransactionId) : bought]);
  await desk.judgeCards();
  const found = await findings();
  expect(found).toMatchObject([{ state: 'parked' }]);
  expect(await verdictOf(bought)).toMatchObject({ verdict });
  await desk.audit();
  expect((await findings()).map(({ id }) => id)).toEqual(found.map(({ id }) => id));
});
