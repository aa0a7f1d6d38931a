/** D5, D4, P4: what may happen at the same moment to one payment, round after round, asked of two processes at once. */
import { randomUUID } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { Webhook } from 'standardwebhooks';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { GatewayHome } from './gateway-home.ts';
import { GatewayWatch } from './gateway-watch.ts';
import { http } from './lastro-process.ts';
import { SeededRandom } from './seeded-random.ts';

const SEED = Number(process.env['LASTRO_TEST_CHAOS_SEED'] ?? Date.now() % 1_000_000);
const TIMEOUT_MS = 300;
const SETTINGS = { PROVIDER_TIMEOUT_MS: String(TIMEOUT_MS), PROVIDER_DEADLINE_MS: '1500' };
const FUNDS = new Map(Array.from({ length: 6 }, (_, index) => [`racer-${index}`, 10_000_000] as const));
const WALLETS = [...FUNDS.keys()];
const ENDED = ['completed', 'declined', 'failed', 'cancelled', 'compensated'];

const random = new SeededRandom(SEED);
let home: GatewayHome;
let watch: GatewayWatch;
let amount = 1000;

beforeAll(async () => {
  process.stderr.write(`seed ${SEED}\n`);
  home = await GatewayHome.open(SETTINGS);
  await Promise.all([home.start(), home.start()]);
  watch = new GatewayWatch(home, FUNDS);
  await watch.openAccounts();
});

afterEach(() => watch.settled(), 120_000);

afterAll(() => home.remove());

interface Paid {
  readonly id: string;
  readonly amount: number;
}

/** Of an amount of its own, `alfa` told what to do with it, and of which questions about it to answer none. */
async function pay(
  behaviour?: string,
  more: Readonly<Record<string, unknown>> = {},
  unanswered: readonly string[] = [],
): Promise<Paid> {
  const own = ++amount;
  for (const operation of unanswered)
    await home.alfa.misbehave('hang', { match: { operation, amount: own } });
  if (behaviour !== undefined)
    await home.alfa.misbehave(behaviour, { match: { operation: 'charge', amount: own }, ...more });
  return { id: await watch.pay({ wallet_id: random.pick(WALLETS), amount: own }), amount: own };
}

async function ends(id: string): Promise<string> {
  return (await watch.becomes(id, ...ENDED)).status;
}

/** How often each end was met. */
function tally(ended: readonly string[]): Record<string, number> {
  return Object.fromEntries(
    [...Map.groupBy(ended, (status) => status)].map(([status, all]) => [status, all.length]),
  );
}

/** Some at a time: each round races by itself. */
async function rounds(count: number, race: () => Promise<string>): Promise<Record<string, number>> {
  const ended: string[] = [];
  const AT_ONCE = 5;
  for (let round = 0; round < count; round += AT_ONCE)
    ended.push(...(await Promise.all(Array.from({ length: AT_ONCE }, race))));
  return tally(ended);
}

test.each([1, 3, 7])(
  'D5: of fifty refunds that race for one payment, in %i parts, so many are made',
  async (parts) => {
    const { id, amount: paid } = await pay();
    expect(await ends(id)).toBe('completed');
    const part = Math.floor(paid / parts);
    await home.alfa.misbehave('error_after', { match: { operation: 'refund', amount: part }, times: 2 });
    const answers = await Promise.all(
      Array.from({ length: 50 }, () => watch.ask(`/v1/payments/${id}/refunds`, { amount: part })),
    );
    expect(tally(answers.map(({ status }) => String(status)))).toEqual({ 202: parts, 422: 50 - parts });
    const made = answers
      .filter(({ status }) => status === 202)
      .map((answer) => (answer.json() as { id: string }).id);
    watch.refunds.push(...made);
    for (const refund of made) await watch.refundBecomes(refund, 'completed');
    expect((await watch.payment(id)).refunded).toBe(parts * part);
    const booked = (await home.alfa.book()).filter(({ reference }) => made.includes(reference));
    expect(booked.map((entry) => [entry.amount, entry.status])).toEqual(made.map(() => [part, 'succeeded']));
  },
  60_000,
);

test('D4: a payment that is called off while it is charged is cancelled or completed, and never both', async () => {
  const ended = await rounds(40, async () => {
    const { id } = await pay('pending', { delay_ms: random.between(50, 400) });
    await delay(random.between(0, 400));
    await watch.ask(`/v1/payments/${id}/cancel`, {});
    return ends(id);
  });
  expect(Object.keys(ended).filter((status) => !['cancelled', 'completed'].includes(status))).toEqual([]);
}, 180_000);

test('D3: an answer, a callback, an inquiry and a timeout at the same moment charge once', async () => {
  const ended = await rounds(40, async () => {
    // The answer comes about when it is given up, and with it the callback; the inquiry is not far.
    const { id } = await pay('timeout_charged', {
      delay_ms: random.between(TIMEOUT_MS - 40, TIMEOUT_MS + 1100),
    });
    return ends(id);
  });
  expect(ended).toEqual({ completed: 40 });
}, 180_000);

test('D4: whatever a person says while the provider calls back, the books agree with the end', async () => {
  const secret = home.alfa.identity.webhook_secret;
  let races = 0;
  const ended = await rounds(30, async () => {
    await expect.poll(() => home.breakers()).not.toContain('open');
    // Nothing is heard until somebody calls back.
    const { id } = await pay('hang_charged', { delay_ms: 60_000 }, ['inquiry', 'void']);
    const { status } = await watch.becomes(id, 'reconciliation_required', ...ENDED);
    // Who was asked after some had not been answered was asked of another provider.
    if (status !== 'reconciliation_required') return 'asked elsewhere';
    races += 1;
    const outcome = random.pick(['charged', 'not_charged'] as const);
    await Promise.all([
      callBack(id, secret),
      delay(random.between(0, 60)).then(() => watch.resolve(id, { outcome, reason: 'A race.' })),
    ]);
    return ends(id);
  });
  const ENDS = ['asked elsewhere', 'completed', 'failed'];
  expect(Object.keys(ended).filter((status) => !ENDS.includes(status))).toEqual([]);
  expect(races).toBeGreaterThan(5);
}, 240_000);

/** What the book has of the payment, signed and sent to both processes. */
async function callBack(id: string, secret: string): Promise<void> {
  const charge = (await home.alfa.book()).find(
    ({ reference, kind }) => reference === id && kind === 'charge',
  );
  const at = new Date();
  const body = JSON.stringify({ type: 'charge.approved', timestamp: at.toISOString(), data: charge });
  const webhookId = `msg_${randomUUID()}`;
  const headers = {
    'content-type': 'application/json',
    'webhook-id': webhookId,
    'webhook-timestamp': String(Math.floor(at.getTime() / 1000)),
    'webhook-signature': new Webhook(secret).sign(webhookId, at, body),
  };
  const answers = await Promise.all(
    [...home.live].map(({ url }) =>
      http(`${url}/v1/provider-callbacks/alfa`, { method: 'POST', headers, body }),
    ),
  );
  expect(answers.map(({ status }) => status)).toEqual(answers.map(() => 200));
}
