import { afterAll, beforeAll, expect, test } from 'vitest';
import { firstUuidAt } from '#kernel/first-uuid.ts';
import { Session } from '#platform/postgres/session.ts';
import { OwnedDatabase } from '../../../../tests/owned-database.ts';
import { ATTEMPTS_NUMBERED, claimDue } from './claim-store.ts';

const LEASE_MS = 60_000;

let database: OwnedDatabase;
let session: Session;

beforeAll(async () => {
  database = await OwnedDatabase.open();
  session = new Session({ url: database.url, name: 'claims' });
});

afterAll(async () => {
  await session.close();
  await database.close();
});

test('what cannot be sent for weeks is taken on and on, with what others have to send', async () => {
  await database.owner.query(
    `insert into notification.endpoints (id, tenant, kind, url, events, signature, secret_version, status, created_at, updated_at)
     values (gen_random_uuid(), 'acme', 'endpoint', 'https://a.example/', '{*}', 'v1', 1, 'enabled', now(), now())`,
  );
  const numbers = [1, ATTEMPTS_NUMBERED - 1, 32_767];
  await database.owner.query(
    `insert into notification.lanes (endpoint_key, subject, last_turn, last_sequence, due_at, attempts)
     select e.endpoint_key, 's-' || attempts, 1, 1, to_timestamp(0), attempts
     from notification.endpoints e, unnest($1::smallint[]) as attempts`,
    [numbers],
  );
  await database.owner.query(
    `insert into notification.messages (event, tenant, type, subject, body, correlation_id, occurred_at)
     values ('test/1', 'acme', 'payment.completed', 's', '{}', 'cor', now())`,
  );
  await database.owner.query(
    `insert into notification.deliveries (id, endpoint_key, lane_key, turn, event, type, sequence, status, created_at)
     select id, l.endpoint_key, l.lane_key, 1, 'test/1', 'payment.completed', 1, 'pending', now()
     from unnest($1::uuid[], $2::smallint[]) as d (id, attempts) join notification.lanes l on l.subject = 's-' || d.attempts`,
    [numbers.map((_, n) => firstUuidAt(n)), numbers],
  );
  const { rows } = await database.owner.query<{ endpoint_key: string }>(
    'select endpoint_key from notification.endpoints',
  );
  const rooms = [{ endpointKey: BigInt(rows[0]?.endpoint_key ?? 0), room: numbers.length }];
  const taken = async (now: number) => {
    const claims = await claimDue(session, rooms, { now, leaseUntil: now + LEASE_MS });
    return claims.toSorted((a, b) => (a.uuid < b.uuid ? -1 : 1)).map(({ number }) => number);
  };

  expect(await taken(LEASE_MS)).toEqual([2, ATTEMPTS_NUMBERED, ATTEMPTS_NUMBERED]);
  expect(await taken(2 * LEASE_MS)).toEqual([3, ATTEMPTS_NUMBERED, ATTEMPTS_NUMBERED]);
  const { rows: attempts } = await database.owner.query<{ number: number; started_at: Date }>(
    'select number, started_at from notification.delivery_attempts order by delivery, number',
  );
  expect(attempts.map(({ number, started_at }) => [number, started_at.getTime()])).toEqual([
    [2, LEASE_MS],
    [3, 2 * LEASE_MS],
    [ATTEMPTS_NUMBERED, 2 * LEASE_MS],
    [ATTEMPTS_NUMBERED, 2 * LEASE_MS],
  ]);
});
