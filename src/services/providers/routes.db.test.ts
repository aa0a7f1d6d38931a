import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { newId } from '#kernel/ids.ts';
import type { HttpApp } from '#platform/http/http-app.ts';
import { type ProviderProcess, ProvidersFixture } from '../../../tests/providers-fixture.ts';
import { createRouteApp } from '../../../tests/route-app.ts';
import { providerProblems } from './problems.ts';

let world: ProvidersFixture;
let process: ProviderProcess;
let app: HttpApp;

const NOT_FOUND = {
  status: 404,
  title: 'The payment does not exist',
  retryable: false,
  remedy: 'Check the id.',
};

beforeAll(async () => {
  world = await ProvidersFixture.open();
  process = world.process({ timeoutMs: 1000 });
  app = await createRouteApp({ problems: { ...providerProblems, 'payments.not_found': NOT_FOUND } });
  process.providers.registerRoutes(app, { submit: () => Promise.reject(new Error('says nobody')) });
  await app.ready();
});

beforeEach(() => {
  world.alfa.conduct = () => undefined;
});

afterAll(async () => {
  await app.close();
  await world.close();
});

async function post(
  { body, headers }: { readonly body: string; readonly headers: Record<string, string> },
  provider = 'alfa',
): Promise<{ status: number; code: unknown }> {
  const answer = await app.inject({
    method: 'POST',
    url: `/v1/provider-callbacks/${provider}`,
    payload: body,
    headers: { ...headers, host: 'localhost' },
  });
  return { status: answer.statusCode, code: answer.json<{ code?: unknown }>().code };
}

/** A payment whose charge is pending at alfa, and the charge's key. */
async function pendingCharge(): Promise<{ payment: string; key: string }> {
  world.alfa.conduct = ({ operation }) => (operation === 'charge' ? { status: 'pending' } : undefined);
  const payment = await world.authorize();
  await world.waitUntil(async () => (await world.rows(payment))[0]?.state === 'pending');
  return { payment, key: lastCharge() };
}

function lastCharge(): string {
  return world.alfa.seen.findLast(({ operation }) => operation === 'charge')?.key ?? '';
}

function book(key: string, status: string): void {
  const booked = world.alfa.book.get(key);
  if (booked !== undefined) booked.status = status;
}

describe('a callback', () => {
  test('is taken when it is signed: the charge is told as approved before it is answered', async () => {
    const { payment, key } = await pendingCharge();
    book(key, 'approved');
    expect(await post(world.alfa.callback(key))).toEqual({ status: 200, code: undefined });
    expect(await world.types(payment)).toEqual(['provider.approved']);
  });

  test('that comes again, or late, changes nothing', async () => {
    const { payment, key } = await pendingCharge();
    book(key, 'approved');
    await Promise.all([post(world.alfa.callback(key)), post(world.alfa.callback(key))]);
    expect(await post(world.alfa.callback(key))).toEqual({ status: 200, code: undefined });
    expect(await post(world.alfa.callback(key, { status: 'pending' }))).toMatchObject({ status: 200 });
    expect(await world.types(payment)).toEqual(['provider.approved']);
  });

  test('that comes before the answer to its charge is taken, and the answer then adds nothing', async () => {
    const before: Promise<unknown>[] = [];
    world.alfa.conduct = ({ operation, key }) => {
      if (operation === 'charge') setImmediate(() => before.push(post(world.alfa.callback(key))));
      return operation === 'charge' ? { answers: 'never' } : undefined;
    };
    const payment = await world.authorize();
    expect(await world.hears(payment, 'provider.approved')).toEqual(['provider.approved']);
    await Promise.all(before);
    expect(world.alfa.count('inquire')).toBe(0);
  });

  test('that contradicts what was said is recorded, once, and not applied', async () => {
    const payment = await world.authorize();
    await world.hears(payment, 'provider.approved');
    const key = lastCharge();
    const contradiction = world.alfa.callback(key, { status: 'declined' });
    expect(await post(contradiction)).toEqual({ status: 200, code: undefined });
    expect(await post(contradiction)).toEqual({ status: 200, code: undefined });
    expect(await world.types(payment)).toEqual(['provider.approved', 'provider.contradicted']);
    expect((await world.told(payment))[1]?.data).toMatchObject({ told: 'declined', known: 'approved' });
    expect((await world.rows(payment))[0]?.state).toBe('approved');
  });

  test('that contradicts an answer that was lost costs nobody money: the book is asked, and the charge given back', async () => {
    const lies: Promise<unknown>[] = [];
    world.alfa.conduct = ({ operation, key }) => {
      if (operation === 'charge')
        setImmediate(() => lies.push(post(world.alfa.callback(key, { status: 'declined' }))));
      return operation === 'charge' ? { answers: 'never' } : undefined;
    };
    const payment = await world.authorize();
    expect(await world.hears(payment, 'provider.unexpected_charge_refunded')).toEqual([
      'provider.declined',
      'provider.charged_unexpectedly',
      'provider.unexpected_charge_refunded',
    ]);
    await Promise.all(lies);
  });

  test('of an approval after a decline makes us ask: what the book says is given back', async () => {
    world.alfa.conduct = ({ operation }) => (operation === 'charge' ? { status: 'declined' } : undefined);
    const payment = await world.authorize();
    await world.hears(payment, 'provider.declined');
    const key = lastCharge();
    await post(world.alfa.callback(key, { status: 'approved' }));
    await world.waitUntil(() =>
      world.alfa.seen.some((each) => each.key === key && each.operation === 'inquire'),
    );
    expect(await world.types(payment)).toEqual(['provider.declined', 'provider.contradicted']);
    book(key, 'approved');
    await world.owner.query(`update providers.attempts set contradictions = '' where subject = $1`, [
      payment,
    ]);
    await post(world.alfa.callback(key, { status: 'approved' }));
    expect(await world.hears(payment, 'provider.unexpected_charge_refunded')).toContain(
      'provider.charged_unexpectedly',
    );
  });

  test.each([
    [
      'a wrong signature',
      { secret: `whsec_${Buffer.from('another secret of thirty-two bytes').toString('base64')}` },
    ],
    ['a timestamp six minutes old', { at: Date.now() - 360_000 }],
    ['a timestamp six minutes ahead', { at: Date.now() + 360_000 }],
  ])('with %s is refused without a reason, and not applied', async (_what, more) => {
    const { payment, key } = await pendingCharge();
    book(key, 'approved');
    const refusal = await post(world.alfa.callback(key, more));
    expect(refusal).toEqual({ status: 401, code: 'providers.callback_unauthentic' });
    expect(await world.types(payment)).toEqual([]);
    await post(world.alfa.callback(key));
  });

  test('whose body was changed on the way, or that is not signed at all, is refused', async () => {
    const { key } = await pendingCharge();
    const sent = world.alfa.callback(key);
    const changed = { ...sent, body: sent.body.replace('pending', 'approved') };
    expect(await post(changed)).toMatchObject({ status: 401 });
    expect(await post({ body: sent.body, headers: { 'content-type': 'application/json' } })).toMatchObject({
      status: 401,
    });
    book(key, 'approved');
    await post(world.alfa.callback(key));
  });

  test('about what is not known, or from whom is not known, finds nothing', async () => {
    const { key } = await pendingCharge();
    expect(await post(world.alfa.callback(key), 'gamma')).toEqual({
      status: 404,
      code: 'providers.not_found',
    });
    const stranger = newId('att');
    world.alfa.book.set(stranger, {
      kind: 'charge',
      key: stranger,
      charge: null,
      amount: 1,
      currency: 'USD',
      status: 'approved',
    });
    expect(await post(world.alfa.callback(stranger))).toEqual({
      status: 404,
      code: 'providers.attempt_not_found',
    });
    world.alfa.book.delete(stranger);
    book(key, 'approved');
    await post(world.alfa.callback(key));
  });

  test('with another amount than was asked says nothing about the charge', async () => {
    const { payment, key } = await pendingCharge();
    const booked = world.alfa.book.get(key);
    if (booked === undefined) throw new Error('nothing booked');
    world.alfa.book.set(key, { ...booked, amount: 1, status: 'approved' });
    expect(await post(world.alfa.callback(key))).toEqual({ status: 400, code: 'request.invalid' });
    expect(await world.types(payment)).toEqual([]);
    world.alfa.book.set(key, { ...booked, status: 'approved' });
    await post(world.alfa.callback(key));
  });
});

describe('what is read', () => {
  const get = (url: string, scopes = '*', tenant = 'acme') =>
    app.inject({ url, headers: { authorization: `Bearer lk_${tenant}_${scopes}`, host: 'localhost' } });

  test('the providers, without their secrets', async () => {
    const answer = await get('/v1/providers', 'providers:read');
    expect(answer.json()).toMatchObject({
      data: [
        { name: 'alfa', breaker: 'closed' },
        { name: 'beta', breaker: 'closed' },
      ],
    });
    expect(answer.body).not.toContain('key');
    expect(answer.body).not.toContain('whsec_');
    expect((await get('/v1/providers', 'payments:read')).statusCode).toBe(403);
  });

  test('the attempts of a payment, to its tenant', async () => {
    const payment = await world.authorize();
    await world.hears(payment, 'provider.approved');
    const url = `/v1/payments/${payment}/attempts`;
    expect((await get(url, 'payments:read')).json()).toMatchObject({
      data: [{ kind: 'charge', provider: 'alfa', state: 'approved', number: 1, amount: 100 }],
      next_cursor: null,
    });
    expect((await get(url, 'payments:read', 'other')).statusCode).toBe(404);
    expect((await get(`/v1/payments/${newId('pay')}/attempts`, 'payments:read')).statusCode).toBe(404);
  });
});
