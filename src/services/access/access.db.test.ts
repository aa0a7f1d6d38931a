import { Client } from 'pg';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { ReadPool } from '#platform/postgres/read-pool.ts';
import { createPreparedDatabase, type TestDatabase } from '../../../tests/database.ts';
import { createAccess, SANDBOX_TENANT, SCOPES, withoutSandbox } from './contract.ts';
import { FIND_KEYS } from './store.ts';

let database: TestDatabase;
let pool: ReadPool;

beforeAll(async () => {
  database = await createPreparedDatabase();
  pool = new ReadPool({ url: database.url, onError: () => undefined, connections: 4 });
});

afterAll(async () => {
  await pool.close();
  await database.drop();
});

/** Access as one process has it: with a cache and a clock of its own. */
function instance(startAt = Date.now()) {
  let now = startAt;
  const access = createAccess({ db: pool, clock: { now: () => now } });
  return {
    access,
    pass: (ms: number) => {
      now += ms;
    },
    now: () => now,
  };
}

let tenants = 0;

async function givenTenant(): Promise<string> {
  tenants += 1;
  const created = await instance().access.createTenant(`tenant-${tenants}`);
  if (!created.ok) throw new Error(created.problem.detail);
  return created.value.id;
}

async function givenKey(scopes: readonly string[] = ['*'], expiresAt?: number) {
  const tenant = await givenTenant();
  const created = await instance().access.createKey({
    tenant,
    name: 'test',
    scopes,
    ...(expiresAt === undefined ? {} : { expiresAt }),
  });
  if (!created.ok) throw new Error(created.problem.detail);
  return { tenant, ...created.value };
}

test('a created key is its tenant’s, with its scopes and no others', async () => {
  const { tenant, id, key } = await givenKey(['payments:read', 'payments:write']);
  const principal = await instance().access.verifyKey(key);
  expect(principal).toEqual({ tenant, keyId: id, scopes: new Set(['payments:read', 'payments:write']) });
});

test('the key itself is nowhere in the database', async () => {
  const { key } = await givenKey();
  const rows = await pool.query<{ row: string }>('select k::text as row from access.api_keys k', []);
  expect(rows.some(({ row }) => row.includes(key.slice(-43)))).toBe(false);
});

test('a revoked key is refused at once where it was revoked, and within a second everywhere else', async () => {
  const { tenant, id, key } = await givenKey();
  const here = instance();
  const elsewhere = instance();
  expect(await here.access.verifyKey(key)).toBeDefined();
  expect(await elsewhere.access.verifyKey(key)).toBeDefined();
  expect(await here.access.revokeKey({ tenant, id })).toEqual({ ok: true, value: { id } });
  expect(await here.access.verifyKey(key)).toBeUndefined();
  elsewhere.pass(1_001);
  expect(await elsewhere.access.verifyKey(key)).toBeUndefined();
});

test('revoking again changes nothing, not even the instant', async () => {
  const { tenant, id } = await givenKey();
  const { access, pass, now } = instance();
  const revokedAt = now();
  await access.revokeKey({ tenant, id });
  pass(5_000);
  expect(await access.revokeKey({ tenant, id })).toMatchObject({ ok: true });
  expect(await access.listKeys(tenant)).toMatchObject([{ id, revokedAt }]);
});

test('U19: a key of another tenant can neither be revoked nor seen', async () => {
  const { id, key } = await givenKey();
  const other = await givenTenant();
  const { access } = instance();
  expect(await access.revokeKey({ tenant: other, id })).toMatchObject({
    problem: { code: 'access.key_not_found' },
  });
  expect(await access.listKeys(other)).toEqual([]);
  expect(await access.verifyKey(key)).toBeDefined();
});

test('an expired key is refused and not counted as usable', async () => {
  const { now } = instance();
  const usableBefore = await instance().access.countUsableKeys();
  const { key } = await givenKey(['*'], now() + 60_000);
  const { access, pass } = instance();
  expect(await access.countUsableKeys()).toBe(usableBefore + 1);
  expect(await access.verifyKey(key)).toBeDefined();
  pass(61_000);
  expect(await access.verifyKey(key)).toBeUndefined();
  expect(await access.countUsableKeys()).toBe(usableBefore);
});

test('keys are listed oldest first, with what people need to know and without a secret', async () => {
  const tenant = await givenTenant();
  const { access, pass, now } = instance();
  const createdAt = now();
  await access.createKey({ tenant, name: 'first', scopes: ['payments:read'] });
  pass(10);
  await access.createKey({ tenant, name: 'second', scopes: ['*'], expiresAt: createdAt + 1_000_000 });
  const keys = await access.listKeys(tenant);
  expect(keys).toMatchObject([
    { name: 'first', scopes: ['payments:read'], createdAt, expiresAt: undefined, revokedAt: undefined },
    { name: 'second', scopes: ['*'], createdAt: createdAt + 10, expiresAt: createdAt + 1_000_000 },
  ]);
  expect(JSON.stringify(keys)).not.toContain('hash');
});

test('the use of a key is noted in the background', async () => {
  const { tenant, key } = await givenKey();
  const { access, now } = instance();
  await access.verifyKey(key);
  await access.settled();
  expect(await access.listKeys(tenant)).toMatchObject([{ lastUsedAt: now() }]);
});

describe('refusals', () => {
  test.each(['', '-a', 'A', 'ä', 'a_b', 'a b', 'a'.repeat(33), "a'; drop table access.tenants", 'a\0'])(
    'access.invalid_tenant_id: %j',
    async (id) => {
      expect(await instance().access.createTenant(id)).toMatchObject({
        problem: { code: 'access.invalid_tenant_id' },
      });
    },
  );

  test('access.tenant_exists', async () => {
    const tenant = await givenTenant();
    expect(await instance().access.createTenant(tenant)).toMatchObject({
      problem: { code: 'access.tenant_exists' },
    });
  });

  test('access.tenant_not_found', async () => {
    const created = await instance().access.createKey({ tenant: 'nobody', name: 'a', scopes: ['*'] });
    expect(created).toMatchObject({ problem: { code: 'access.tenant_not_found' } });
  });

  test.each([['payment:write'], ['payments:read', ''], [] as string[]])(
    'access.unknown_scope: %j',
    async (...scopes) => {
      const created = await instance().access.createKey({ tenant: 'nobody', name: 'a', scopes });
      expect(created).toMatchObject({ problem: { code: 'access.unknown_scope' } });
    },
  );

  test('who names a scope that there is not is told which there are', async () => {
    const created = await instance().access.createKey({
      tenant: 'nobody',
      name: 'a',
      scopes: ['payment:write'],
    });
    expect(created.ok ? '' : created.problem.detail).toContain(SCOPES.join(', '));
  });

  test.each(['', 'a'.repeat(101), 'a\0', '\ud800'])('access.invalid_key_name: %j', async (name) => {
    const created = await instance().access.createKey({ tenant: 'nobody', name, scopes: ['*'] });
    expect(created).toMatchObject({ problem: { code: 'access.invalid_key_name' } });
  });

  test('access.expiry_in_the_past', async () => {
    const { access, now } = instance();
    const created = await access.createKey({ tenant: 'nobody', name: 'a', scopes: ['*'], expiresAt: now() });
    expect(created).toMatchObject({ problem: { code: 'access.expiry_in_the_past' } });
  });
});

describe('the sandbox', () => {
  test('gets its tenant and a key on the first start, and keeps the key on the next', async () => {
    const first = await instance().access.ensureSandbox(undefined);
    const second = await instance().access.ensureSandbox(first);
    expect(second).toBe(first);
    expect(await instance().access.verifyKey(first)).toMatchObject({
      tenant: SANDBOX_TENANT,
      scopes: new Set(['*']),
    });
  });

  test('gets a new key if the kept one does not work any more', async () => {
    const { access } = instance();
    const first = await access.ensureSandbox(undefined);
    const [key] = (await access.listKeys(SANDBOX_TENANT)).filter(({ revokedAt }) => revokedAt === undefined);
    expect(await access.ensureSandbox('lk_garbage')).not.toBe('lk_garbage');
    expect(key).toBeDefined();
    const fresh = await instance().access.ensureSandbox((await givenKey()).key);
    expect(fresh).not.toBe(first);
  });

  test('is no tenant in production, whatever keys of it are left', async () => {
    const { access } = instance();
    const verifyKey = withoutSandbox(access.verifyKey);
    const sandboxKey = await access.ensureSandbox(undefined);
    const { key } = await givenKey();
    for (const _ of ['looked up', 'known']) {
      expect(await verifyKey(sandboxKey)).toBeUndefined();
      expect(await verifyKey(key)).toBeDefined();
    }
  });

  test('its keys are nobody’s credentials: they do not let production start', async () => {
    const { access } = instance();
    const usable = await access.countUsableKeys();
    await access.ensureSandbox(undefined);
    expect(await access.countUsableKeys()).toBe(usable);
  });
});

test('a database that fails is a transient fault, not a refusal', async () => {
  const db = new ReadPool({ url: 'postgres://127.0.0.1:1/lastro', onError: () => undefined });
  const access = createAccess({ db, clock: { now: () => Date.now() } });
  await expect(access.listKeys('acme')).rejects.toMatchObject({ name: 'Fault', transient: true });
});

test('the look-up of keys is planned by primary key, on a large table, whatever the plan mode', async () => {
  const owner = new Client({ connectionString: database.url });
  await owner.connect();
  try {
    await owner.query(
      `insert into access.tenants (id, created_at) values ('many', now()) on conflict do nothing`,
    );
    await owner.query(`
      insert into access.api_keys (id, tenant, name, scopes, hash, created_at)
      select gen_random_uuid(), 'many', 'n', array['*'], sha256(n::text::bytea), now() from generate_series(1, 20000) n`);
    await owner.query('analyze access.api_keys');
    await owner.query(`set plan_cache_mode = force_generic_plan`);
    await owner.query(`prepare find_keys as ${FIND_KEYS}`);
    const { rows } = await owner.query<{ 'QUERY PLAN': string }>(
      `explain execute find_keys(array[gen_random_uuid()])`,
    );
    const plan = rows.map((row) => row['QUERY PLAN']).join('\n');
    expect(plan).toContain('api_keys_pkey');
    expect(plan).not.toContain('Seq Scan');
  } finally {
    await owner.end();
  }
});
