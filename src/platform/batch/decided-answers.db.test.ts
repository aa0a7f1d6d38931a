import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest';
import { Fault } from '#kernel/fault.ts';
import { IdempotencyStore } from '#platform/idempotency/idempotency.ts';
import { type Row, Session, type Statement } from '#platform/postgres/session.ts';
import {
  type CommandProcess,
  type Order,
  orderCommand,
  prepareOrders,
  REFUSED_ITEM,
  renderKeyReused,
  startOrdering,
} from '../../../tests/command-probe.ts';
import { Probe } from '../../../tests/probe.ts';
import { DecidedAnswers } from './decided-answers.ts';

const TEA: Order = { item: 'tea', price: 5 };

/** Counts its round trips, and fails the next one if it is told to. */
class CountingSession extends Session {
  queries = 0;
  failNext = false;

  override query<R = Row>(query: Statement, values: readonly unknown[]): Promise<R[]> {
    this.queries += 1;
    if (!this.failNext) return super.query(query, values);
    this.failNext = false;
    return Promise.reject(new Fault('the connection was lost', { transient: true }));
  }
}

let probe: Probe;
let ordering: CommandProcess;
let session: CountingSession;
let decided: DecidedAnswers;

beforeAll(async () => {
  probe = await Probe.open();
  await prepareOrders(probe);
  ordering = await startOrdering(probe);
});

beforeEach(() => {
  session = new CountingSession({ url: probe.url, name: 'decided' });
  const idempotency = new IdempotencyStore('probe');
  decided = new DecidedAnswers({ idempotency, session, keyReused: renderKeyReused });
});

afterEach(() => session.close());

afterAll(async () => {
  await ordering.stop();
  await probe.close();
});

test('U1: what was decided under a key is told as a batch would tell it, refusals too', async () => {
  const placed = await ordering.order(TEA, 'placed');
  const refused = await ordering.order({ item: REFUSED_ITEM, price: 1 }, 'refused');
  expect(await decided.find(orderCommand(TEA, 'placed'))).toEqual({ ...placed, replayed: true });
  expect(await decided.find(orderCommand({ item: REFUSED_ITEM, price: 1 }, 'refused'))).toEqual({
    ...refused,
    replayed: true,
  });
});

test('I2: of a key with another body the fields that differ are told', async () => {
  await ordering.order(TEA, 'other body');
  expect(await decided.find(orderCommand({ ...TEA, price: 6 }, 'other body'))).toEqual({
    answer: { status: 422, body: '["/price"]' },
    replayed: false,
  });
});

test('I3: nothing is told of a key that is new, another tenant’s or absent', async () => {
  await ordering.order(TEA, 'mine');
  const commands = [
    orderCommand(TEA, 'new'),
    orderCommand(TEA, 'mine', { tenant: 'other' }),
    orderCommand(TEA, 'mine', { operation: 'orders.repeat' }),
    orderCommand(TEA, undefined),
  ];
  expect(await Promise.all(commands.map((command) => decided.find(command)))).toEqual(
    commands.map(() => undefined),
  );
});

test('Q1: however many ask at once, there is one round trip at a time', async () => {
  await Promise.all(Array.from({ length: 50 }, (_, n) => ordering.order({ ...TEA, price: n }, `q-${n}`)));
  const first = decided.find(orderCommand({ ...TEA, price: 0 }, 'q-0'));
  await Promise.resolve();
  const others = Array.from({ length: 50 }, (_, n) =>
    decided.find(orderCommand({ ...TEA, price: n }, `q-${n}`)),
  );
  const found = await Promise.all([first, ...others]);
  expect(found.map((outcome) => outcome?.replayed)).toEqual(found.map(() => true));
  expect(session.queries).toBe(2);
});

test('Q1: who asked hears of a look-up that failed; the next one is made all the same', async () => {
  await ordering.order(TEA, 'after a failure');
  session.failNext = true;
  const failing = decided.find(orderCommand(TEA, 'after a failure'));
  await expect(failing).rejects.toMatchObject({ transient: true });
  expect(await decided.find(orderCommand(TEA, 'after a failure'))).toMatchObject({ replayed: true });
});
