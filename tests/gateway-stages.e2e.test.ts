/**
 * D4, P4: each stage of a gateway payment made to fail, before and after its effect, by real processes. After each the
 * providers' books, the accounts, the notifications and the verdicts are compared with what we say.
 */
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { verify } from '#proof/verify.ts';
import { GatewayHome } from './gateway-home.ts';
import { judge, type PaymentReading, type RefundReading } from './gateway-judge.ts';
import type { BookEntry } from './sandbox-desk.ts';

const SETTINGS = { PROVIDER_TIMEOUT_MS: '700', PROVIDER_DEADLINE_MS: '3000' };
const PATIENCE = { timeout: 45_000, interval: 40 };
const FUNDS = new Map([['wallet', 10_000_000]]);
/** Longer than anything is waited for. */
const LATE_MS = 8000;

let home: GatewayHome;
const payments: string[] = [];
const refunds: string[] = [];
/** Payments of which a person said something else than the book. */
const believed = new Set<string>();
let amount = 10_000;

beforeAll(async () => {
  home = await GatewayHome.open(SETTINGS);
  await home.start();
  await open('wallet', 'wallet');
  await open('service', 'service');
  const debit = { account_id: 'bank-usd', direction: 'debit', amount: FUNDS.get('wallet') };
  const postings = [debit, { ...debit, account_id: 'wallet', direction: 'credit' }];
  await asked('/v1/journal-entries', { postings }, 201);
});

beforeEach(async () => {
  amount += 1;
  await home.behave();
  await expect.poll(breakers, PATIENCE).toEqual(['closed', 'closed']);
});

afterEach(async () => {
  await home.behave();
  await expect.poll(openAttempts, PATIENCE).toEqual([]);
  await expect.poll(judged, PATIENCE).toEqual([]);
});

afterAll(async () => {
  const { checks } = await verify({ url: home.lastro.database.url });
  await home.remove();
  expect(checks.flatMap(({ findings }) => findings)).toEqual([]);
});

function judged(): Promise<string[]> {
  return judge({ caller: home.caller, desks: home.desks, payments, refunds, funds: FUNDS, believed });
}

async function breakers(): Promise<string[]> {
  const providers = await home.caller.read<{ breaker: string }[]>('/v1/providers');
  return providers.map(({ breaker }) => breaker);
}

/** What is still asked of a provider. */
async function openAttempts(): Promise<string[]> {
  const attempts = await Promise.all(
    payments.map((id) => home.caller.read<AttemptReading[]>(`/v1/payments/${id}/attempts`)),
  );
  return attempts
    .flat()
    .flatMap(({ id, state, next_step_at }) => (next_step_at === null ? [] : `${id} ${state}`));
}

interface AttemptReading {
  readonly id: string;
  readonly state: string;
  readonly next_step_at: string | null;
}

let keys = 0;

async function asked(path: string, body: unknown, status: number): Promise<Record<string, unknown>> {
  const answer = await home.caller.post(path, body, `stages-${++keys}`);
  if (answer.status !== status) throw new Error(`${path} answered ${answer.status} ${answer.text}`);
  return answer.json();
}

async function open(id: string, kind: string): Promise<void> {
  await asked('/v1/accounts', { id, kind, currency: 'USD' }, 201);
}

/** Of an amount of its own, so that what is told to a provider is about it alone. */
async function pay(change: Readonly<Record<string, unknown>> = {}): Promise<string> {
  const order = { wallet_id: 'wallet', service_id: 'service', amount, currency: 'USD', method: 'gateway' };
  const { id } = (await asked('/v1/payments', { ...order, ...change }, 202)) as { id: string };
  payments.push(id);
  return id;
}

function payment(id: string): Promise<PaymentReading> {
  return home.caller.read<PaymentReading>(`/v1/payments/${id}`);
}

async function becomes(id: string, status: string): Promise<PaymentReading> {
  await expect.poll(async () => (await payment(id)).status, PATIENCE).toBe(status);
  return payment(id);
}

async function giveBack(id: string, body: object): Promise<string> {
  const refund = (await asked(`/v1/payments/${id}/refunds`, body, 202)) as { id: string };
  refunds.push(refund.id);
  return refund.id;
}

async function refundBecomes(id: string, status: string): Promise<RefundReading> {
  const read = () => home.caller.read<RefundReading>(`/v1/refunds/${id}`);
  await expect.poll(async () => (await read()).status, PATIENCE).toBe(status);
  return read();
}

async function resolve(
  id: string,
  outcome: 'charged' | 'not_charged',
  regarding: 'charge' | 'completion' = 'charge',
): Promise<void> {
  await asked(`/v1/payments/${id}/resolution`, { outcome, reason: 'Seen at their desk.', regarding }, 202);
}

/** What the books have of it: `alfa charge approved`. */
async function booked(id: string): Promise<string[]> {
  const books = await Promise.all(
    home.desks.map(async (desk) => (await desk.book()).map((entry) => ({ ...entry, name: desk.name }))),
  );
  const entries = books.flat().filter(({ reference }) => reference === id);
  return entries.map(({ name, kind, status }) => `${name} ${kind} ${status}`);
}

async function types(id: string): Promise<string[]> {
  return (await home.caller.read<{ type: string }[]>(`/v1/payments/${id}/events`)).map(({ type }) => type);
}

async function told(id: string): Promise<{ type: string; payload: Record<string, unknown> }[]> {
  return home.caller.read(`/v1/payments/${id}/notifications`);
}

async function findings(id: string): Promise<string[]> {
  const { findings: found } = await home.caller.read<{ findings: { kind: string }[] }>(
    `/v1/payments/${id}/verdict`,
  );
  return found.map(({ kind }) => kind);
}

function ofThis(operation: string): Readonly<Record<string, unknown>> {
  return { match: { operation, amount } };
}

describe('before anybody is asked', () => {
  test('of whom there is no such service nothing is held, and no provider is asked', async () => {
    const id = await pay({ service_id: 'nobody' });
    payments.pop(); // There is no account to compare.
    const { failure } = await becomes(id, 'rejected');
    expect(failure?.code).toBe('validation.account_not_found');
    expect(await booked(id)).toEqual([]);
  });

  test('without enough money it is declined, and no provider is asked', async () => {
    const id = await pay({ amount: 10_000_001 });
    const { failure } = await becomes(id, 'declined');
    expect(failure?.code).toBe('ledger.insufficient_funds');
    expect(await booked(id)).toEqual([]);
  });
});

describe('the charge', () => {
  test('that is declined ends the payment, and nobody else is asked', async () => {
    await home.alfa.misbehave('decline', ofThis('charge'));
    const id = await pay();
    expect((await becomes(id, 'declined')).failure?.code).toBe('providers.charge_declined');
    expect(await booked(id)).toEqual(['alfa charge declined']);
  });

  test('that reaches nobody is given up, and the hold is released', async () => {
    for (const desk of home.desks) await desk.misbehave('refuse_connections', { for_ms: 6000 });
    const id = await pay();
    expect((await becomes(id, 'failed')).failure?.code).toBe('providers.unavailable');
    expect(await booked(id)).toEqual([]);
  });

  test.each(['error_before', 'error_after'])('that fails once (%s) is made once', async (behaviour) => {
    await home.alfa.misbehave(behaviour, { ...ofThis('charge'), times: 1 });
    const id = await pay();
    await becomes(id, 'completed');
    expect(await booked(id)).toEqual(['alfa charge approved']);
  });

  test.each(['timeout_charged', 'hang_charged', 'garbage'])(
    'that was made and not answered (%s) is made once',
    async (behaviour) => {
      await home.alfa.misbehave(behaviour, { ...ofThis('charge'), delay_ms: LATE_MS });
      const id = await pay();
      await becomes(id, 'completed');
      expect(await booked(id)).toEqual(['alfa charge approved']);
    },
  );

  test.each(['timeout_not_charged', 'hang', 'garbage_not_charged'])(
    'that was not made and not answered (%s) is blocked there, and made elsewhere',
    async (behaviour) => {
      await home.alfa.misbehave(behaviour, { ...ofThis('charge'), delay_ms: LATE_MS });
      const id = await pay();
      await becomes(id, 'completed');
      expect(await booked(id)).toEqual(['beta charge approved']);
      expect(await types(id)).toEqual(expect.arrayContaining(['provider.unknown', 'provider.closed']));
    },
  );

  test('that is called off while it is pending is not made', async () => {
    await home.alfa.misbehave('pending', { ...ofThis('charge'), delay_ms: LATE_MS });
    const id = await pay();
    await expect.poll(() => booked(id), PATIENCE).toEqual(['alfa charge pending']);
    await asked(`/v1/payments/${id}/cancel`, {}, 202);
    await becomes(id, 'cancelled');
    expect(await booked(id)).toEqual(['alfa charge voided']);
  });

  test('that is called off when it has been made stays made', async () => {
    await home.alfa.misbehave('hang_charged', { ...ofThis('charge'), delay_ms: LATE_MS });
    const id = await pay();
    await expect.poll(() => booked(id), PATIENCE).toEqual(['alfa charge approved']);
    await asked(`/v1/payments/${id}/cancel`, {}, 202);
    await becomes(id, 'completed');
    expect(await booked(id)).toEqual(['alfa charge approved']);
  });

  test('that a callback denies afterwards stands, and the contradiction is kept', async () => {
    await home.alfa.misbehave('callback_contradicts', ofThis('charge'));
    const id = await pay();
    await becomes(id, 'completed');
    await expect.poll(() => findings(id), PATIENCE).toEqual(['contradiction']);
  });
});

describe('the posting', () => {
  test('that is refused after the charge: the charge is given back, and that is told', async () => {
    const service = `service-${amount}`;
    await open(service, 'service');
    await home.alfa.misbehave('pending', { ...ofThis('charge'), delay_ms: 2500 });
    const id = await pay({ service_id: service });
    await becomes(id, 'authorized');
    await asked(`/v1/accounts/${service}/close`, {}, 200);
    expect((await becomes(id, 'compensated')).failure?.code).toBe('ledger.account_closed');
    expect(await booked(id)).toEqual(['alfa charge approved', 'alfa refund succeeded']);
    await expect
      .poll(async () => (await told(id)).map(({ type }) => type), PATIENCE)
      .toEqual(['payment.compensated']);
  });

  test('that is refused, and whose charge the provider will not give back, waits for a person', async () => {
    const service = `service-${amount}`;
    await open(service, 'service');
    await home.alfa.misbehave('refund_fails', { ...ofThis('refund'), delay_ms: 0 });
    await home.alfa.misbehave('pending', { ...ofThis('charge'), delay_ms: 2500 });
    const id = await pay({ service_id: service });
    await becomes(id, 'authorized');
    await asked(`/v1/accounts/${service}/close`, {}, 200);
    const { failure } = await becomes(id, 'reconciliation_required');
    expect(failure?.code).toBe('payments.compensation_failed');
    expect(await judged()).toEqual([]);
    await home.alfa.behave();
    const charge = (await home.alfa.book()).find(
      ({ reference, kind }) => reference === id && kind === 'charge',
    );
    await home.alfa.refund(charge as BookEntry, `by-hand-${id}`);
    await resolve(id, 'not_charged');
    await becomes(id, 'compensated');
  });
});

describe('an outcome that nobody knows in time', () => {
  /** Nothing is heard of it, until providers behave again. */
  async function unknown(charge: 'hang' | 'hang_charged'): Promise<string> {
    for (const operation of ['inquiry', 'void']) await hangs(operation);
    // Its callback too is later than anybody waits.
    await home.alfa.misbehave(charge, { match: { operation: 'charge', amount }, delay_ms: 60_000 });
    const id = await pay();
    const { failure } = await becomes(id, 'reconciliation_required');
    expect(failure?.code).toBe('payments.outcome_unknown');
    expect(await judged()).toEqual([]);
    return id;
  }

  /** Inquiries and voids carry no amount. */
  async function hangs(operation: string): Promise<void> {
    await home.alfa.misbehave('hang', { match: { operation } });
  }

  test.each([
    ['hang_charged', 'completed', ['alfa charge approved']],
    ['hang', 'failed', []],
  ] as const)('is found out later without a person (%s: %s)', async (charge, status, book) => {
    const id = await unknown(charge);
    await home.behave();
    await becomes(id, status);
    expect(await booked(id)).toEqual(book);
  });

  test('is charged if a person says so', async () => {
    const id = await unknown('hang_charged');
    await resolve(id, 'charged');
    await becomes(id, 'completed');
    expect(await booked(id)).toEqual(['alfa charge approved']);
  });

  test('is not charged if a person says so, and cannot be any more', async () => {
    const id = await unknown('hang');
    await resolve(id, 'not_charged');
    expect((await becomes(id, 'failed')).failure?.code).toBe('payments.not_charged');
    await home.behave();
    const attempts = await home.caller.read<AttemptReading[]>(`/v1/payments/${id}/attempts`);
    const key = attempts[0]?.id ?? '';
    await expect.poll(openAttempts, PATIENCE).toEqual([]);
    const late = await home.alfa.call('/charges', {
      headers: { 'idempotency-key': key },
      body: { reference: id, amount, currency: 'USD' },
    });
    expect([late.status, late.json()['code']]).toEqual([409, 'charge_voided']);
  });

  test('of which a person was wrong to say that it was not charged is given back by itself, and kept as a finding', async () => {
    const id = await unknown('hang_charged');
    await resolve(id, 'not_charged');
    await becomes(id, 'failed');
    await home.behave();
    await expect.poll(() => booked(id), PATIENCE).toEqual(['alfa charge approved', 'alfa refund succeeded']);
    await expect.poll(() => findings(id), PATIENCE).toEqual(['unexpected_charge', 'unexpected_charge']);
  });
});

describe('after it was completed', () => {
  test('a person who knows that it was not charged has it reversed, and that is told as a correction', async () => {
    const id = await pay();
    await becomes(id, 'completed');
    await resolve(id, 'not_charged', 'completion');
    believed.add(id);
    await becomes(id, 'compensated');
    await expect.poll(async () => (await told(id)).length, PATIENCE).toBe(2);
    const corrective = (await told(id)).find(({ type }) => type === 'payment.compensated');
    expect(corrective?.payload).toMatchObject({ data: { corrects: 'payment.completed' } });
  });

  test('what was said of an unknown charge does not undo it', async () => {
    const id = await pay();
    await becomes(id, 'completed');
    const order = { outcome: 'not_charged', reason: 'Seen yesterday.' };
    expect((await asked(`/v1/payments/${id}/resolution`, order, 409))['code']).toBe(
      'payments.not_in_reconciliation',
    );
    expect((await payment(id)).status).toBe('completed');
  });

  test('a refund that the provider fails at moves nothing, and the next one is made', async () => {
    const id = await pay();
    await becomes(id, 'completed');
    await home.alfa.misbehave('refund_fails', { ...ofThis('refund'), times: 1 });
    const failed = await refundBecomes(await giveBack(id, {}), 'failed');
    expect(failed.failure?.code).toBe('providers.refund_refused');
    await refundBecomes(await giveBack(id, {}), 'completed');
    expect((await payment(id)).refunded).toBe(amount);
  });

  test.each(['timeout_charged', 'timeout_not_charged', 'hang', 'hang_charged', 'garbage', 'error_after'])(
    'a refund of which nothing is heard (%s) is made once',
    async (behaviour) => {
      const id = await pay();
      await becomes(id, 'completed');
      await home.alfa.misbehave(behaviour, { ...ofThis('refund'), times: 2, delay_ms: LATE_MS });
      await refundBecomes(await giveBack(id, { amount }), 'completed');
      const refund = (await home.alfa.book()).filter(
        (entry) => entry.kind === 'refund' && entry.amount === amount,
      );
      expect(refund.map(({ status }) => status)).toEqual(['succeeded']);
    },
  );
});
