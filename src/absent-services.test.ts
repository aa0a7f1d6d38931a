import { expect, test } from 'vitest';
import { givenEdge, KEY, READER_KEY } from '#platform/http/edge-fixture.ts';
import { refuseAbsentServices } from './absent-services.ts';

/** An edge with a route of the ledger, in a process that runs payments only. */
async function givenRouteOfAnother(...runElsewhere: string[]) {
  const edge = await givenEdge({ sandboxTenant: undefined });
  const running = { has: async (service: string) => runElsewhere.includes(service) };
  refuseAbsentServices(edge.app, { services: ['payments'], running });
  edge.app.get('/v1/accounts/:id', { config: { scope: 'accounts:read' } }, () => ({ read: true }));
  edge.app.post('/v1/payments', { config: { scope: 'payments:write' } }, () => ({ made: true }));
  const call = (headers: Record<string, string>) =>
    edge.app.inject({ url: '/v1/accounts/a', headers: { host: 'lastro.example', ...headers } });
  return { ...edge, call, as: (key: string) => call({ authorization: `Bearer ${key}` }) };
}

test('a route of a service that runs nowhere answers 503, one that another process runs is answered here', async () => {
  const nowhere = await givenRouteOfAnother();
  const answer = await nowhere.as(KEY);
  expect(answer.json()).toMatchObject({ status: 503, code: 'service.unavailable' });
  expect(answer.headers['retry-after']).toBe('1');
  expect((await (await givenRouteOfAnother('ledger')).as(KEY)).json()).toEqual({ read: true });
  const own = await nowhere.app.inject({
    method: 'POST',
    url: '/v1/payments',
    headers: { authorization: `Bearer ${KEY}` },
  });
  expect(own.json()).toEqual({ made: true });
});

test('providers are seen by who calls them: a process that does not says so, and not that there are none', async () => {
  const { app } = await givenEdge({ sandboxTenant: undefined });
  refuseAbsentServices(app, { services: ['payments'], running: { has: async () => true } });
  app.get('/v1/providers', { config: { scope: 'providers:read' } }, () => ({ data: [] }));
  const answer = await app.inject({ url: '/v1/providers', headers: { authorization: `Bearer ${KEY}` } });
  expect(answer.json()).toMatchObject({
    status: 503,
    detail: 'The service providers, which answers this, does not run in this process.',
  });
});

test('whoever may not call a route is told so, whatever runs', async () => {
  const { as, call } = await givenRouteOfAnother();
  expect((await call({})).statusCode).toBe(401);
  expect((await as('lk_wrong_secret')).statusCode).toBe(401);
  expect((await as(READER_KEY)).statusCode).toBe(403);
});

test('the 503 of an absent service is logged and measured as its route’s', async () => {
  const { as, log, app } = await givenRouteOfAnother();
  await as(KEY);
  expect(log.find(({ msg }) => msg === 'answered')).toMatchObject({ route: '/v1/accounts/:id', status: 503 });
  const { body } = await app.inject('/metrics');
  expect(body).toMatch(
    /request_duration_seconds_count\{route="\/v1\/accounts\/:id",method="GET",status="5xx"\} 1/,
  );
});
