/**
 * Tenants and keys in PostgreSQL, one statement per operation. Instants cross as epoch milliseconds in `float8`, which
 * every driver setting reads as a number.
 */
import type { EpochMs } from '#kernel/clock.ts';
import { type ApiKeyId, idOf, uuidOf } from '#kernel/ids.ts';
import type { Reader } from '#platform/postgres/read-pool.ts';

/** A key without its secret. */
export interface ApiKeyRecord {
  readonly id: ApiKeyId;
  readonly tenant: string;
  readonly name: string;
  readonly scopes: readonly string[];
  readonly createdAt: EpochMs;
  readonly expiresAt: EpochMs | undefined;
  readonly revokedAt: EpochMs | undefined;
  /** Within a minute or so. */
  readonly lastUsedAt: EpochMs | undefined;
}

/** What verifying needs. */
export interface StoredKey {
  readonly id: ApiKeyId;
  readonly tenant: string;
  readonly scopes: readonly string[];
  readonly hash: Buffer;
  readonly expiresAt: EpochMs | undefined;
  readonly isRevoked: boolean;
  readonly lastUsedAt: EpochMs | undefined;
}

export interface AccessStore {
  /** False if the tenant exists already. */
  insertTenant(tenant: string, createdAt: EpochMs): Promise<boolean>;
  /** False if there is no such tenant. */
  insertKey(key: NewKeyRow): Promise<boolean>;
  /** False if the tenant has no such key. The first revocation's instant stays. */
  revokeKey(key: { id: ApiKeyId; tenant: string; revokedAt: EpochMs }): Promise<boolean>;
  /** A tenant's keys, revoked and expired ones too, oldest first. A tenant has dozens, not thousands: no pages. */
  listKeys(tenant: string): Promise<readonly ApiKeyRecord[]>;
  /** Those of the ids that exist, in any order. */
  findKeys(ids: readonly ApiKeyId[]): Promise<readonly StoredKey[]>;
  /** Keys that would be accepted at `at`, other than those of `exceptTenant`. */
  countUsableKeys(at: EpochMs, exceptTenant: string): Promise<number>;
  /** Notes that keys were used, unless that was noted later than `notSince`. */
  noteUse(ids: readonly ApiKeyId[], use: { usedAt: EpochMs; notSince: EpochMs }): Promise<void>;
}

export interface NewKeyRow {
  readonly id: ApiKeyId;
  readonly tenant: string;
  readonly name: string;
  readonly scopes: readonly string[];
  readonly hash: Buffer;
  readonly createdAt: EpochMs;
  readonly expiresAt: EpochMs | undefined;
}

const INSERT_TENANT = `
  insert into access.tenants (id, created_at) values ($1, to_timestamp($2::float8 / 1000))
  on conflict (id) do nothing
  returning id`;

/** Takes nothing but the tenant's row into account: two keys of one tenant never wait for each other. */
const INSERT_KEY = `
  insert into access.api_keys (id, tenant, name, scopes, hash, created_at, expires_at)
  select $1::uuid, t.id, $3, $4::text[], $5, to_timestamp($6::float8 / 1000), to_timestamp($7::float8 / 1000)
  from access.tenants t where t.id = $2
  returning id`;

const REVOKE_KEY = `
  update access.api_keys set revoked_at = coalesce(revoked_at, to_timestamp($3::float8 / 1000))
  where id = $1::uuid and tenant = $2
  returning id`;

/** In the order of making, by the index (tenant, created_at, id). */
const LIST_KEYS = `
  select id, tenant, name, scopes,
    (extract(epoch from created_at) * 1000)::float8 as created_at,
    (extract(epoch from expires_at) * 1000)::float8 as expires_at,
    (extract(epoch from revoked_at) * 1000)::float8 as revoked_at,
    (extract(epoch from last_used_at) * 1000)::float8 as last_used_at
  from access.api_keys where tenant = $1
  order by created_at, id`;

/** One look-up by primary key for each id. Joined to `unnest`, not `= any`, which is planned as a scan when it is long. */
export const FIND_KEYS = `
  select id, tenant, scopes, hash, revoked_at is not null as is_revoked,
    (extract(epoch from expires_at) * 1000)::float8 as expires_at,
    (extract(epoch from last_used_at) * 1000)::float8 as last_used_at
  from unnest($1::uuid[]) as wanted (id) join access.api_keys using (id)`;

const COUNT_USABLE_KEYS = `
  select count(*)::int as usable from access.api_keys
  where revoked_at is null and (expires_at is null or expires_at > to_timestamp($1::float8 / 1000)) and tenant <> $2`;

/** Locks the rows for as long as it runs alone; processes that note the same use find nothing left to write. */
const NOTE_USE = `
  update access.api_keys as k set last_used_at = to_timestamp($2::float8 / 1000)
  from unnest($1::uuid[]) as used (id)
  where k.id = used.id and (k.last_used_at is null or k.last_used_at <= to_timestamp($3::float8 / 1000))`;

export function createAccessStore(db: Reader): AccessStore {
  return {
    insertTenant: async (tenant, createdAt) =>
      (await db.query(INSERT_TENANT, [tenant, createdAt])).length > 0,
    insertKey: async (key) => (await db.query(INSERT_KEY, insertKeyValues(key))).length > 0,
    revokeKey: async ({ id, tenant, revokedAt }) =>
      (await db.query(REVOKE_KEY, [uuidOf(id), tenant, revokedAt])).length > 0,
    listKeys: async (tenant) => (await db.query<KeyRow>(LIST_KEYS, [tenant])).map(apiKeyRecord),
    findKeys: async (ids) => (await db.query<StoredKeyRow>(FIND_KEYS, [ids.map(uuidOf)])).map(storedKey),
    countUsableKeys: async (at, exceptTenant) => {
      const [row] = await db.query<{ usable: number }>(COUNT_USABLE_KEYS, [at, exceptTenant]);
      return row?.usable ?? 0;
    },
    noteUse: async (ids, { usedAt, notSince }) => {
      await db.query(NOTE_USE, [ids.map(uuidOf), usedAt, notSince]);
    },
  };
}

interface KeyRow {
  id: string;
  tenant: string;
  name: string;
  scopes: string[];
  created_at: number;
  expires_at: number | null;
  revoked_at: number | null;
  last_used_at: number | null;
}

interface StoredKeyRow extends Pick<KeyRow, 'id' | 'tenant' | 'scopes' | 'expires_at' | 'last_used_at'> {
  hash: Buffer;
  is_revoked: boolean;
}

function insertKeyValues(key: NewKeyRow): unknown[] {
  const { tenant, name, scopes, hash, createdAt, expiresAt } = key;
  return [uuidOf(key.id), tenant, name, [...scopes], hash, createdAt, expiresAt ?? null];
}

function apiKeyRecord(row: KeyRow): ApiKeyRecord {
  return {
    id: idOf('key', row.id),
    tenant: row.tenant,
    name: row.name,
    scopes: row.scopes,
    createdAt: row.created_at,
    expiresAt: row.expires_at ?? undefined,
    revokedAt: row.revoked_at ?? undefined,
    lastUsedAt: row.last_used_at ?? undefined,
  };
}

function storedKey(row: StoredKeyRow): StoredKey {
  return {
    id: idOf('key', row.id),
    tenant: row.tenant,
    scopes: row.scopes,
    hash: row.hash,
    expiresAt: row.expires_at ?? undefined,
    isRevoked: row.is_revoked,
    lastUsedAt: row.last_used_at ?? undefined,
  };
}
