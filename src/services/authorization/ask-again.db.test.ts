/** K2: what a compensation was refused is asked for again when its pause is over: once, by whoever lives then. */
import { afterEach, beforeEach, expect, test } from 'vitest';
import { systemClock } from '#kernel/clock.ts';
import { newId, uuidOf } from '#kernel/ids.ts';
import type { EventDraft } from '#platform/log/event.ts';
import {
  type Appended,
  CoordinatorInstallation,
  requested,
  told,
} from '../../../tests/coordinator-installation.ts';
import { TENANT } from '../../../tests/engine.ts';
import { DELIVERIES, dumpTables, setBack } from '../../../tests/redelivery.ts';
import { AskAgain } from './ask-again.ts';
import { RETRY_PAUSES_MS } from './compensation.ts';

const DUE_AT = Date.UTC(2026, 10, 20, 12);

const ALL = ['validation', 'authorization', 'ledger'];

let one: CoordinatorInstallation;
const processes: CoordinatorInstallation[] = [];
const running: AskAgain[] = [];
const errors: unknown[] = [];

beforeEach(async () => {
  errors.length = 0;
  one = await CoordinatorInstallation.create([
    { id: 'wallet', kind: 'wallet', fundedMinor: 1000n },
    { id: 'service', kind: 'service' },
  ]);
});

afterEach(async () => {
  await Promise.all(running.splice(0).map((each) => each.stop()));
  await Promise.all(processes.splice(0).map((each) => each.stop()));
  await one.drop();
});

function askAgain(now: () => number, installation = one): AskAgain {
  const asker = new AskAgain({
    log: installation.log,
    session: installation.session('ask again'),
    clock: { now },
    random: () => 0,
    onError: (error) => errors.push(error),
  });
  asker.start();
  running.push(asker);
  return asker;
}

async function process(): Promise<CoordinatorInstallation> {
  const other = await CoordinatorInstallation.open(one.database);
  processes.push(other);
  return other;
}

function draft(subject: string): EventDraft {
  return {
    type: 'payment.compensating',
    version: 1,
    subject,
    tenant: TENANT,
    key: `wallet-${subject}`,
    data: { amount: Number.MAX_SAFE_INTEGER, step: 'reverse_posting', detail: '☼ "' },
    correlationId: newId('cor'),
    causation: 'ledger/1/7',
    traceparent: null,
  };
}

async function givenWaiting(count: number, dueAt: number): Promise<string[]> {
  const subjects = Array.from({ length: count }, () => newId('pay'));
  await one.rows(
    `insert into "authorization".compensations (payment_id, steps, code, detail, failures, retry_at, ask, updated_at)
     select *, now() from unnest($1::uuid[], array_fill('["reverse_posting"]'::text, array[$3::int]),
       array_fill('c'::text, array[$3::int]), array_fill('d'::text, array[$3::int]), array_fill(1, array[$3::int]),
       array_fill($4::timestamptz, array[$3::int]), $2::text[])`,
    [subjects.map(uuidOf), subjects.map((id) => JSON.stringify(draft(id))), count, new Date(dueAt)],
  );
  return subjects;
}

function asked(): Promise<Record<string, unknown>[]> {
  return one.rows(
    `select subject, causation, correlation_id, key, data from "authorization".events
     where type = 'payment.compensating' order by subject`,
  );
}

function waiting(): Promise<Record<string, unknown>[]> {
  return one.rows('select from "authorization".compensations where retry_at is not null');
}

test('what is due is asked for once by processes that look at the same time, with the event that was decided', async () => {
  const subjects = await givenWaiting(350, DUE_AT);
  for (const installation of [one, await process(), await process()]) askAgain(() => DUE_AT, installation);
  await expect.poll(async () => (await waiting()).length, { timeout: 15_000, interval: 50 }).toBe(0);
  await Promise.all(running.map((each) => each.stop()));
  const events = await asked();
  expect(events.map(({ subject }) => subject)).toEqual(subjects.toSorted());
  for (const event of events)
    expect(event).toMatchObject({
      causation: 'ledger/1/7',
      key: `wallet-${event['subject'] as string}`,
      data: JSON.stringify(draft(event['subject'] as string).data),
    });
  expect(errors).toEqual([]);
});

test.each([
  { early: 1, asks: 0 },
  { early: 0, asks: 1 },
  { early: -1, asks: 1 },
])('$early ms before its time it is asked for $asks times', async ({ early, asks }) => {
  await givenWaiting(1, DUE_AT);
  let looks = 0;
  askAgain(() => {
    looks++;
    return DUE_AT - early;
  });
  await expect.poll(() => looks, { timeout: 10_000, interval: 20 }).toBeGreaterThanOrEqual(2);
  await running[0]?.stop();
  expect(await asked()).toHaveLength(asks);
});

test('a failure changes nothing, is told, and is tried again', async () => {
  await givenWaiting(3, DUE_AT);
  await one.rows(
    `create function "authorization".fail() returns trigger language plpgsql as $$ begin raise 'no'; end $$;
     create trigger fail before insert on "authorization".events for each row execute function "authorization".fail()`,
  );
  askAgain(() => DUE_AT);
  await expect.poll(() => errors.length, { timeout: 10_000, interval: 20 }).toBeGreaterThan(1);
  expect(await waiting()).toHaveLength(3);
  await one.rows('drop trigger fail on "authorization".events');
  await expect.poll(async () => (await asked()).length, { timeout: 10_000, interval: 20 }).toBe(3);
  expect(await waiting()).toEqual([]);
});

/** What the service was paid is gone when it has to give it back; the rest is as it happens. */
async function givenRefusedReversal(way: 'by stages' | 'straight' = 'by stages'): Promise<Appended> {
  const isStraight = way === 'straight';
  if (isStraight) one.startPassage();
  else one.startStages();
  const payment = one.payment(isStraight ? 'requested' : 'validated');
  const say = isStraight ? requested : told;
  for (const word of ['approved', 'revoke', 'resolved not charged'] as const) {
    if (word === 'approved') await one.append(payment);
    await one.settled(isStraight ? ALL : undefined);
    if (word === 'resolved not charged') await move('service', 'outside-USD', 60);
    await one.append(word === 'revoke' ? say(payment, word) : told(payment, word));
    await one.settled(isStraight ? ALL : undefined);
  }
  return payment;
}

/** Between the balances, so that the sum of all stays what it was. */
async function move(from: string, to: string, amount: number): Promise<void> {
  for (const [account, by] of [
    [from, -amount],
    [to, amount],
  ] as const)
    await one.rows(
      `update ledger.balances set posted = posted + $2
       where account_key = (select key from ledger.accounts where id = $1)`,
      [account, by],
    );
}

function instant(row: Record<string, unknown> | undefined, column: string): number {
  if (row === undefined) throw new Error('no row');
  return (row[column] as Date).getTime();
}

async function refusals(): Promise<Record<string, unknown>[]> {
  return one.rows(
    `select partition, position from ledger.events where type = 'posting.refused' order by position`,
  );
}

test('a reversal that was refused is done when the money is there, also by a process that began later; again, nothing changes', async () => {
  const payment = await givenRefusedReversal();
  expect(await one.stateOf(payment.subject)).toBe('compensating');
  const [open] = await one.rows('select failures, retry_at, ask from "authorization".compensations');
  const dueAt = instant(open, 'retry_at');
  expect(open?.['failures']).toBe(1);

  const first = askAgain(() => dueAt);
  await expect.poll(async () => (await refusals()).length, { timeout: 10_000, interval: 20 }).toBe(2);
  await first.stop();
  await one.settled();
  const [again] = await one.rows('select failures, retry_at, updated_at from "authorization".compensations');
  expect(again).toMatchObject({ failures: 2 });
  const pauseMs = instant(again, 'retry_at') - instant(again, 'updated_at');
  expect(pauseMs).toBe(RETRY_PAUSES_MS[1]);
  await one.stop();

  // U3: each refusal is counted once, whether it has been asked again for or not.
  const before = await dumpTables(one.database.url);
  for (const batchMax of [1, 100]) {
    await setBack(one.database.url, ['authorization', 'ledger']);
    for (const group of ['authorization', 'ledger'])
      await DELIVERIES[group]?.(one.database.url, { batchMax, clock: systemClock });
    expect(await dumpTables(one.database.url)).toEqual(before);
  }

  const restarted = await process();
  restarted.startStages();
  await move('outside-USD', 'service', 60);
  askAgain(() => instant(again, 'retry_at'), restarted);
  await expect
    .poll(() => restarted.stateOf(payment.subject), { timeout: 10_000, interval: 20 })
    .toBe('compensated');
  await restarted.settled();
  expect(await restarted.rows('select from "authorization".compensations')).toEqual([]);
  const line = (await restarted.timeline(payment.subject)).map(({ type }) => type).slice(-7);
  expect(line).toEqual([
    'payment.compensating',
    'posting.refused',
    'payment.compensating',
    'posting.refused',
    'payment.compensating',
    'entry.posted',
    'payment.compensated',
  ]);
  const balances = await restarted.rows(
    `select a.id, b.posted::int, b.held::int from ledger.accounts a join ledger.balances b on b.account_key = a.key
     where id in ('service', 'wallet') order by 1`,
  );
  expect(balances).toEqual([
    { id: 'service', posted: 0, held: 0 },
    { id: 'wallet', posted: 1000, held: 0 },
  ]);
  expect(errors).toEqual([]);
});

test('where payments go straight through, what is asked for again is done by the stages', async () => {
  const payment = await givenRefusedReversal('straight');
  expect(one.yields).toEqual([]);
  await move('outside-USD', 'service', 60);
  askAgain(() => Date.now() + Math.max(...RETRY_PAUSES_MS));
  await expect
    .poll(() => one.stateOf(payment.subject), { timeout: 10_000, interval: 20 })
    .toBe('compensated');
  await one.settled(ALL);
  expect(one.yields).toHaveLength(1);
  expect(await refusals()).toHaveLength(1);
  expect(await one.rows('select from "authorization".compensations')).toEqual([]);
});
