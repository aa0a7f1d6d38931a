/** What is forgotten of calls, and of webhooks. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { firstUuidAt } from '#kernel/first-uuid.ts';
import { Session } from '#platform/postgres/session.ts';
import { OwnedDatabase } from '../../../tests/owned-database.ts';
import { FORGET_CALLS } from './calls/call-store.ts';
import { forgetOld } from './forget-old.ts';
import { FORGET_HOOKS } from './hooks/hook-store.ts';

const DAY_MS = 86_400_000;
const NOW = Date.UTC(2026, 5, 1);
const KEPT_DAYS = 90;

let database: OwnedDatabase;
let session: Session;

beforeAll(async () => {
  database = await OwnedDatabase.open();
  session = new Session({ url: database.url, name: 'retention' });
});

afterAll(async () => {
  await session.close();
  await database.close();
});

async function given(step: string, state: string, bornDaysAgo: number): Promise<void> {
  const integration = firstUuidAt(NOW - bornDaysAgo * DAY_MS);
  await database.owner.query(
    `insert into hub.calls (integration, step, tenant, connector, connector_version, destination, request, state, tries,
       is_unknown, history, give_up_at, timeout_ms, cause, origin, correlation_id, created_at)
     values ($1, $2, 'acme', 'erp', 1, 'main', '{}', $3, 1, false, '[]', now(), 1000, 'c', $1, 'cor', now())`,
    [integration, step, state],
  );
}

test('calls that have ended are forgotten once they are older than what is kept, others never', async () => {
  await given('enrichment', 'done', KEPT_DAYS + 1);
  await given('delivery', 'waiting', KEPT_DAYS + 1);
  await given('delivery', 'done', KEPT_DAYS - 1);
  await forgetOld(FORGET_CALLS, { session, clock: { now: () => NOW }, retentionMs: KEPT_DAYS * DAY_MS });
  const { rows } = await database.owner.query<{ state: string }>(
    'select state from hub.calls order by integration',
  );
  expect(rows.map(({ state }) => state)).toEqual(['waiting', 'done']);
});

test('webhooks that were not taken are forgotten likewise, and what tells a repeat never', async () => {
  const id = (bornDaysAgo: number) => firstUuidAt(NOW - bornDaysAgo * DAY_MS);
  await database.owner.query(
    `insert into hub.received_hooks (tenant, id, connector, headers, body, verdict, dedup, integration, correlation_id, received_at)
     values ('acme', $1, 'shop', '{}', 'old', 'invalid', null, null, 'cor', now()),
            ('globex', $1, 'shop', '{}', 'taken', 'valid', 'evt_1', $1, 'cor', now()),
            ('acme', $2, 'shop', '{}', 'new', 'stale', null, null, 'cor', now())`,
    [id(KEPT_DAYS + 1), id(KEPT_DAYS - 1)],
  );
  await forgetOld(FORGET_HOOKS, { session, clock: { now: () => NOW }, retentionMs: KEPT_DAYS * DAY_MS });
  const { rows } = await database.owner.query<{ body: Buffer }>(
    'select body from hub.received_hooks order by id',
  );
  expect(rows.map(({ body }) => body.toString())).toEqual(['taken', 'new']);
});
