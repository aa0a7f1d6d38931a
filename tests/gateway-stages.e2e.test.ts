/**
 * D4, P4: each stage of a gateway payment made to fail, before and after its effect, by real processes. After each the
 * providers' books, the accounts, the notifications and the verdicts are compared with what we say.
 */
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { GatewayHome } from './gateway-home.ts';
import { GatewayWatch } from './gateway-watch.ts';
import type { BookEntry } from './sandbox-desk.ts';

const SETTINGS = { PROVIDER_TIMEOUT_MS: '700', PROVIDER_DEADLINE_MS: '3000' };
const FUNDS = new Map([['wallet', 10_000_000]]);
/** Longer than anything is waited for. */
const LATE_MS = 8000;
const SAID = { reason: 'Seen at their desk.' } as const;

let home: GatewayHome;
let watch: GatewayWatch;
/** Of the payment of each test, so that what is told to a provider is about it alone. */
let amount = 10_000;

beforeAll(async () => {
  home = await GatewayHome.open(SETTINGS);
  await home.start();
  watch = new GatewayWatch(home, FUNDS);
  await watch.openAccounts();
});

beforeEach(() => {
  amount += 1;
});

afterEach(() => watch.settled());

afterAll(() => home.remove());

function pay(change: { readonly amount?: number; readonly service_id?: string } = {}): Promise<string> {
  return watch.pay({ wallet_id: 'wallet', amount, ...change });
}

function ofThis(operation: string): Readonly<Record<string, unknown>> {
  return { match: { operation, amount } };
}

describe('before anybody is asked', () => {
  test('of whom there is no such service nothing is held, and no provider is asked', async () => {
    const id = await pay({ service_id: 'nobody' });
    watch.payments.pop(); // There is no account to compare.
    const { failure } = await watch.becomes(id, 'rejected');
    expect(failure?.code).toBe('validation.account_not_found');
    expect(await watch.booked(id)).toEqual([]);
  });

  test('without enough money it is declined, and no provider is asked', async () => {
    const id = await pay({ amount: 10_000_001 });
    const { failure } = await watch.becomes(id, 'declined');
    expect(failure?.code).toBe('ledger.insufficient_funds');
    expect(await watch.booked(id)).toEqual([]);
  });
});

describe('the charge', () => {
  test('that is declined ends the payment, and nobody else is asked', async () => {
    await home.alfa.misbehave('decline', ofThis('charge'));
    const id = await pay();
    expect((await watch.becomes(id, 'declined')).failure?.code).toBe('providers.charge_declined');
    expect(await watch.booked(id)).toEqual(['alfa charge declined']);
  });

  test('that reaches nobody is given up, and the hold is released', async () => {
    for (const desk of home.desks) await desk.misbehave('refuse_connections', { for_ms: 6000 });
    const id = await pay();
    expect((await watch.becomes(id, 'failed')).failure?.code).toBe('providers.unavailable');
    expect(await watch.booked(id)).toEqual([]);
  });

  test.each(['error_before', 'error_after'])('that fails once (%s) is made once', async (behaviour) => {
    await home.alfa.misbehave(behaviour, { ...ofThis('charge'), times: 1 });
    const id = await pay();
    await watch.becomes(id, 'completed');
    expect(await watch.booked(id)).toEqual(['alfa charge approved']);
  });

  test.each(['timeout_charged', 'hang_charged', 'garbage'])(
    'that was made and not answered (%s) is made once',
    async (behaviour) => {
      await home.alfa.misbehave(behaviour, { ...ofThis('charge'), delay_ms: LATE_MS });
      const id = await pay();
      await watch.becomes(id, 'completed');
      expect(await watch.booked(id)).toEqual(['alfa charge approved']);
    },
  );

  test.each(['timeout_not_charged', 'hang', 'garbage_not_charged'])(
    'that was not made and not answered (%s) is blocked there, and made elsewhere',
    async (behaviour) => {
      await home.alfa.misbehave(behaviour, { ...ofThis('charge'), delay_ms: LATE_MS });
      const id = await pay();
      await watch.becomes(id, 'completed');
      expect(await watch.booked(id)).toEqual(['beta charge approved']);
      expect(await watch.types(id)).toEqual(expect.arrayContaining(['provider.unknown', 'provider.closed']));
    },
  );

  test('that is called off while it is pending is not made', async () => {
    await home.alfa.misbehave('pending', { ...ofThis('charge'), delay_ms: LATE_MS });
    const id = await pay();
    await expect.poll(() => watch.booked(id)).toEqual(['alfa charge pending']);
    await watch.cancel(id);
    await watch.becomes(id, 'cancelled');
    expect(await watch.booked(id)).toEqual(['alfa charge voided']);
  });

  test('that is called off when it has been made stays made', async () => {
    await home.alfa.misbehave('hang_charged', { ...ofThis('charge'), delay_ms: LATE_MS });
    const id = await pay();
    await expect.poll(() => watch.booked(id)).toEqual(['alfa charge approved']);
    await watch.cancel(id);
    await watch.becomes(id, 'completed');
    expect(await watch.booked(id)).toEqual(['alfa charge approved']);
  });

  test('that a callback denies afterwards stands, and the contradiction is kept', async () => {
    await home.alfa.misbehave('callback_contradicts', ofThis('charge'));
    const id = await pay();
    await watch.becomes(id, 'completed');
    await expect.poll(() => watch.findings(id)).toEqual(['contradiction']);
  });
});

describe('the posting', () => {
  test('that is refused after the charge: the charge is given back, and that is told', async () => {
    const service = `service-${amount}`;
    await watch.open(service, 'service');
    await home.alfa.misbehave('pending', { ...ofThis('charge'), delay_ms: 2500 });
    const id = await pay({ service_id: service });
    await watch.becomes(id, 'authorized');
    await watch.asked(`/v1/accounts/${service}/close`, {}, 200);
    expect((await watch.becomes(id, 'compensated')).failure?.code).toBe('ledger.account_closed');
    expect(await watch.booked(id)).toEqual(['alfa charge approved', 'alfa refund succeeded']);
    await expect
      .poll(async () => (await watch.told(id)).map(({ type }) => type))
      .toEqual(['payment.compensated']);
  });

  test('that is refused, and whose charge the provider will not give back, waits for a person', async () => {
    const service = `service-${amount}`;
    await watch.open(service, 'service');
    await home.alfa.misbehave('refund_fails', { ...ofThis('refund'), delay_ms: 0 });
    await home.alfa.misbehave('pending', { ...ofThis('charge'), delay_ms: 2500 });
    const id = await pay({ service_id: service });
    await watch.becomes(id, 'authorized');
    await watch.asked(`/v1/accounts/${service}/close`, {}, 200);
    const { failure } = await watch.becomes(id, 'reconciliation_required');
    expect(failure?.code).toBe('payments.compensation_failed');
    expect(await watch.judged()).toEqual([]);
    await home.alfa.behave();
    const charge = (await home.alfa.book()).find(
      ({ reference, kind }) => reference === id && kind === 'charge',
    );
    await home.alfa.refund(charge as BookEntry, `by-hand-${id}`);
    await watch.resolve(id, { ...SAID, outcome: 'not_charged' });
    await watch.becomes(id, 'compensated');
  });
});

describe('an outcome that nobody knows in time', () => {
  /** Nothing is heard of it, until providers behave again. */
  async function unknown(charge: 'hang' | 'hang_charged'): Promise<string> {
    for (const operation of ['inquiry', 'void']) await hangs(operation);
    // Its callback too is later than anybody waits.
    await home.alfa.misbehave(charge, { match: { operation: 'charge', amount }, delay_ms: 60_000 });
    const id = await pay();
    const { failure } = await watch.becomes(id, 'reconciliation_required');
    expect(failure?.code).toBe('payments.outcome_unknown');
    expect(await watch.judged()).toEqual([]);
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
    await watch.becomes(id, status);
    expect(await watch.booked(id)).toEqual(book);
  });

  test('is charged if a person says so', async () => {
    const id = await unknown('hang_charged');
    await watch.resolve(id, { ...SAID, outcome: 'charged' });
    await watch.becomes(id, 'completed');
    expect(await watch.booked(id)).toEqual(['alfa charge approved']);
  });

  test('is not charged if a person says so, and cannot be any more', async () => {
    const id = await unknown('hang');
    await watch.resolve(id, { ...SAID, outcome: 'not_charged' });
    expect((await watch.becomes(id, 'failed')).failure?.code).toBe('payments.not_charged');
    await home.behave();
    const [attempt] = await watch.attempts(id);
    await expect.poll(async () => (await watch.attempts(id))[0]?.next_step_at).toBe(null);
    const late = await home.alfa.call('/charges', {
      headers: { 'idempotency-key': attempt?.id ?? '' },
      body: { reference: id, amount, currency: 'USD' },
    });
    expect([late.status, late.json()['code']]).toEqual([409, 'charge_voided']);
  });

  test('of which a person was wrong to say that it was not charged is given back by itself, and kept as a finding', async () => {
    const id = await unknown('hang_charged');
    await watch.resolve(id, { ...SAID, outcome: 'not_charged' });
    await watch.becomes(id, 'failed');
    await home.behave();
    await expect.poll(() => watch.booked(id)).toEqual(['alfa charge approved', 'alfa refund succeeded']);
    await expect.poll(() => watch.findings(id)).toEqual(['unexpected_charge', 'unexpected_charge']);
  });
});

describe('after it was completed', () => {
  test('a person who knows that it was not charged has it reversed, and that is told as a correction', async () => {
    const id = await pay();
    await watch.becomes(id, 'completed');
    await watch.resolve(id, { ...SAID, outcome: 'not_charged', regarding: 'completion' });
    watch.believed.add(id);
    await watch.becomes(id, 'compensated');
    await expect.poll(async () => (await watch.told(id)).length).toBe(2);
    const corrective = (await watch.told(id)).find(({ type }) => type === 'payment.compensated');
    expect(corrective?.payload).toMatchObject({ data: { corrects: 'payment.completed' } });
  });

  test('what was said of an unknown charge does not undo it', async () => {
    const id = await pay();
    await watch.becomes(id, 'completed');
    const order = { outcome: 'not_charged', reason: 'Seen yesterday.' };
    expect((await watch.asked(`/v1/payments/${id}/resolution`, order, 409))['code']).toBe(
      'payments.not_in_reconciliation',
    );
    expect((await watch.payment(id)).status).toBe('completed');
  });

  test('a refund that the provider fails at moves nothing, and the next one is made', async () => {
    const id = await pay();
    await watch.becomes(id, 'completed');
    await home.alfa.misbehave('refund_fails', { ...ofThis('refund'), times: 1 });
    const failed = await watch.refundBecomes(await watch.giveBack(id, {}), 'failed');
    expect(failed.failure?.code).toBe('providers.refund_refused');
    await watch.refundBecomes(await watch.giveBack(id, {}), 'completed');
    expect((await watch.payment(id)).refunded).toBe(amount);
  });

  test.each(['timeout_charged', 'timeout_not_charged', 'hang', 'hang_charged', 'garbage', 'error_after'])(
    'a refund of which nothing is heard (%s) is made once',
    async (behaviour) => {
      const id = await pay();
      await watch.becomes(id, 'completed');
      await home.alfa.misbehave(behaviour, { ...ofThis('refund'), times: 2, delay_ms: LATE_MS });
      await watch.refundBecomes(await watch.giveBack(id, { amount }), 'completed');
      const refund = (await home.alfa.book()).filter(
        (entry) => entry.kind === 'refund' && entry.amount === amount,
      );
      expect(refund.map(({ status }) => status)).toEqual(['succeeded']);
    },
  );
});
