/** A refund whose provider is no longer in the providers file: what is told, and how a person brings it to an end. */
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { newId } from '#kernel/ids.ts';
import type { HttpApp } from '#platform/http/http-app.ts';
import type { JsonObject } from '#platform/log/event.ts';
import { createMetrics } from '#platform/telemetry/metrics.ts';
import { registerRefundResolution } from '#services/providers/refund-resolution-route.ts';
import { providerTelemetry } from '#services/providers/telemetry.ts';
import { renderAnswer, SERVICE_PROBLEMS } from '../src/problems.ts';
import { ProvidersFixture, termsOf } from './providers-fixture.ts';
import { createRouteApp } from './route-app.ts';

let world: ProvidersFixture;
let app: HttpApp;
const metrics = createMetrics({ defaults: false });

beforeAll(async () => {
  world = await ProvidersFixture.open();
  app = await createRouteApp({ problems: SERVICE_PROBLEMS });
  const { decided } = providerTelemetry(metrics);
  registerRefundResolution(app, world.refundResolutions(renderAnswer, decided));
  await app.ready();
});

afterEach(() => world.stopProcesses());

afterAll(async () => {
  await app.close();
  await world.close();
});

async function say(
  refund: string,
  body: JsonObject,
  { key = newId('req'), tenant = 'acme' }: { key?: string; tenant?: string } = {},
): Promise<{ status: number; body: JsonObject; replayed: unknown }> {
  const answer = await app.inject({
    method: 'POST',
    url: `/v1/refunds/${refund}/resolution`,
    payload: body,
    headers: {
      authorization: `Bearer lk_${tenant}_payments:write`,
      host: 'localhost',
      'idempotency-key': key,
    },
  });
  const replayed = answer.headers['idempotency-replayed'];
  return { status: answer.statusCode, body: answer.json<JsonObject>(), replayed };
}

/** Charged by alfa, which is then taken out of the file; its refund is asked for, and late. */
async function stranded(): Promise<string> {
  world.process();
  const payment = await world.authorize();
  await world.hears(payment, 'provider.approved');
  await world.stopProcesses();
  world.process({ known: ['beta'], routes: [] });
  const refund = newId('ref');
  await world.say({
    type: 'refund.authorized',
    subject: refund,
    data: { ...termsOf({ amount: 40 }), payment_id: payment, hold_id: 'hld' },
  });
  await world.waitUntil(async () => (await world.rows(refund)).length > 0);
  await world.owner.query('update providers.attempts set deadline_at = now() where subject = $1', [refund]);
  await world.hasten(refund);
  return refund;
}

const REFUNDED = { outcome: 'refunded', reason: 'seen in their portal' };
const NOT_REFUNDED = { outcome: 'not_refunded', reason: 'their letter' };

test('it is told that nobody can be asked, and a person’s word ends it, once', async () => {
  const refund = await stranded();
  expect(await world.hears(refund, 'provider.refund_unresolved')).toEqual(['provider.refund_unresolved']);
  const [unresolved] = await world.told(refund);
  expect(unresolved?.data['detail']).toMatch(/alfa is not in the providers file any more/);

  const answer = await say(refund, REFUNDED, { key: 'one' });
  expect(answer).toMatchObject({
    status: 202,
    body: { kind: 'refund', state: 'refunded', next_step_at: null },
  });
  expect(await say(refund, REFUNDED, { key: 'one' })).toEqual({ ...answer, replayed: 'true' });
  const again = await say(refund, NOT_REFUNDED);
  expect(again).toMatchObject({ status: 409, body: { code: 'refunds.not_in_reconciliation' } });

  expect(await world.types(refund)).toEqual(['provider.refund_unresolved', 'provider.refunded']);
  const [, refunded] = await world.told(refund);
  expect(refunded?.causation).toBe(unresolved?.identity);
  expect(refunded?.data).toMatchObject({
    amount: 40,
    detail: 'alfa has given the money back, says key_1: seen in their portal',
  });
  expect(await world.rows(refund)).toMatchObject([{ state: 'refunded', due_at: null }]);
  // U20: once, whatever was replayed or refused.
  expect(await metrics.render()).toContain(
    'lastro_provider_attempts_total{provider="alfa",kind="refund",state="refunded"} 1\n',
  );
});

test('of two who say otherwise at once one is heard', async () => {
  const refund = await stranded();
  await world.hears(refund, 'provider.refund_unresolved');
  const answers = await Promise.all([say(refund, REFUNDED), say(refund, NOT_REFUNDED)]);
  expect(answers.map(({ status }) => status).toSorted((a, b) => a - b)).toEqual([202, 409]);
  expect(await world.types(refund)).toHaveLength(2);
});

test('nobody says it of a refund that is being asked for, or of another tenant’s', async () => {
  world.process();
  const payment = await world.authorize();
  await world.hears(payment, 'provider.approved');
  world.alfa.conduct = ({ operation }) => (operation === 'refund' ? { status: 'pending' } : undefined);
  const refund = newId('ref');
  await world.say({
    type: 'refund.authorized',
    subject: refund,
    data: { ...termsOf({ amount: 40 }), payment_id: payment, hold_id: 'hld' },
  });
  await world.waitUntil(async () => (await world.rows(refund))[0]?.state === 'pending');
  expect(await say(refund, NOT_REFUNDED)).toMatchObject({
    status: 409,
    body: { code: 'refunds.not_in_reconciliation' },
  });
  for (const [id, tenant] of [
    [refund, 'other'],
    [newId('ref'), 'acme'],
    ['what', 'acme'],
  ] as const)
    expect(await say(id, NOT_REFUNDED, { tenant })).toMatchObject({
      status: 404,
      body: { code: 'refunds.not_found' },
    });
  expect(await world.types(refund)).toEqual([]);
  world.alfa.conduct = () => undefined;
});
