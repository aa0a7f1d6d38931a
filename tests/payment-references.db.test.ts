/** U2: whatever the idempotency key, a wallet pays a service once per reference, until that payment ends unpaid. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createProductDatabase, type TestDatabase } from './database.ts';
import { type Engine, type SubmittedPayment, startEngine } from './engine.ts';

let database: TestDatabase;
let engine: Engine;
let other: Engine;

beforeAll(async () => {
  database = await createProductDatabase();
  engine = await startEngine(database.url);
  other = await startEngine(database.url);
  const accounts = [
    { id: 'wallet', kind: 'wallet', fundedMinor: 1000n },
    { id: 'second-wallet', kind: 'wallet', fundedMinor: 1000n },
    { id: 'service', kind: 'service' },
    { id: 'second-service', kind: 'service' },
  ] as const;
  await engine.openAccounts(accounts);
  await engine.openAccounts(accounts, 'globex');
});

afterAll(async () => {
  await Promise.all([engine.close(), other.close()]);
  await database.drop();
});

/** `accepted`, or the code of the refusal with the payment that it names. */
function outcomeOf({ answer }: SubmittedPayment): string {
  if (answer.status === 202) return 'accepted';
  const { code, members } = JSON.parse(answer.body) as { code: string; members?: { payment_id: string } };
  return `${code} ${members?.payment_id}`;
}

test('a second payment with it is refused and told which one has it, whatever its key, amount and text', async () => {
  const first = await engine.submit({ reference: 'invoice-1' });
  expect(outcomeOf(first)).toBe('accepted');
  const duplicate = `payments.duplicate_reference ${first.id}`;
  expect(outcomeOf(await engine.submit({ reference: 'invoice-1' }))).toBe(duplicate);
  expect(outcomeOf(await engine.submit({ reference: 'invoice-1', amount: 7 }))).toBe(duplicate);
  expect(outcomeOf(await other.submit({ reference: 'invoice-1', description: 'again' }))).toBe(duplicate);
  await engine.settled();
  expect(outcomeOf(await engine.submit({ reference: 'invoice-1' }))).toBe(duplicate);
});

test('it belongs to one tenant, wallet and service, and a payment without one is like no other', async () => {
  const orders = [
    [{ reference: 'invoice-2' }],
    [{ reference: 'invoice-2', wallet_id: 'second-wallet' }],
    [{ reference: 'invoice-2', service_id: 'second-service' }],
    [{ reference: 'invoice-2' }, { tenant: 'globex' }],
    [{ reference: 'Invoice-2' }],
    [{}],
    [{}],
    [{ reference: 'null' }],
    [{ reference: null }],
    [{ reference: null }],
  ] as const;
  const outcomes = await Promise.all(orders.map(([order, options]) => engine.submit(order, options)));
  expect(outcomes.map(outcomeOf)).toEqual(orders.map(() => 'accepted'));
});

test('of many payments with it at once, over two processes, one is accepted and all others name it', async () => {
  const racing = Array.from({ length: 40 }, (_, index) =>
    (index % 2 === 0 ? engine : other).submit({ reference: 'invoice-3' }),
  );
  const outcomes = await Promise.all(racing);
  const winners = outcomes.filter(({ answer }) => answer.status === 202);
  expect(winners).toHaveLength(1);
  const refused = outcomes.filter(({ answer }) => answer.status !== 202).map(outcomeOf);
  expect(new Set(refused)).toEqual(new Set([`payments.duplicate_reference ${winners[0]?.id}`]));
  expect(refused).toHaveLength(39);
});

test.each([
  ['declined', { amount: 1_000_000 }],
  ['rejected', { service_id: 'nobody' }],
])('a payment that ends %s frees it', async (status, order) => {
  const reference = `freed by ${status}`;
  expect(outcomeOf(await engine.submit({ ...order, reference }))).toBe('accepted');
  await engine.settled();
  expect(outcomeOf(await engine.submit({ ...order, reference }))).toBe('accepted');
});

test('the same key is a replay, not a duplicate', async () => {
  const order = { reference: 'invoice-4' };
  const first = await engine.submit(order, { idempotencyKey: 'key-4' });
  const again = await other.submit(order, { idempotencyKey: 'key-4' });
  expect(again.replayed).toBe(true);
  expect(again.answer).toEqual(first.answer);
});
