import type { Clock, EpochMs } from '#kernel/clock.ts';
import { accepted, type Decision, refused } from '#kernel/decision.ts';
import { invariant } from '#kernel/fault.ts';
import type { ApiKeyId } from '#kernel/ids.ts';
import { type Problem, problem } from '#kernel/problem.ts';
import { isStorableText } from '#kernel/text.ts';
import { EVERY_SCOPE, type Principal, type VerifyKey } from '#platform/http/principal.ts';
import type { Reader } from '#platform/postgres/read-pool.ts';
import { type ApiKey, mintApiKey } from './api-key.ts';
import { KeyCache } from './key-cache.ts';
import type { AccessProblemCode } from './problems.ts';
import { isScope, SCOPES } from './scopes.ts';
import { type AccessStore, type ApiKeyRecord, createAccessStore } from './store.ts';

/** The tenant of requests without credentials, in the sandbox (DESIGN §7). */
export const SANDBOX_TENANT = 'sandbox';

type AccessDecision<Value> = Decision<Value, Problem<AccessProblemCode>>;

export interface NewKey {
  readonly tenant: string;
  /** For people: who uses it, or for what. */
  readonly name: string;
  readonly scopes: readonly string[];
  readonly expiresAt?: EpochMs;
}

export interface Access {
  createTenant(tenant: string): Promise<AccessDecision<{ readonly id: string }>>;
  /** The key itself is in this answer and nowhere else ever again. */
  createKey(key: NewKey): Promise<AccessDecision<{ readonly id: ApiKeyId; readonly key: ApiKey }>>;
  /** Effective at once in this process, within a second in the others. Again on a revoked key: nothing changes. */
  revokeKey(key: { tenant: string; id: ApiKeyId }): Promise<AccessDecision<{ readonly id: ApiKeyId }>>;
  /** Oldest first, revoked and expired ones too, without their secrets. */
  listKeys(tenant: string): Promise<readonly ApiKeyRecord[]>;
  readonly verifyKey: VerifyKey;
  /** How many keys a caller could use now, the sandbox's not counted: it is nobody's credential. */
  countUsableKeys(): Promise<number>;
  /**
   * Makes sure that the sandbox's tenant exists and has a key: `kept`, if it still works, else a new one. The caller
   * keeps what is returned where only its user can read it.
   */
  ensureSandbox(kept: ApiKey | undefined): Promise<ApiKey>;
  /** Waits for what runs in the background, before the database is closed. */
  settled(): Promise<void>;
}

export function createAccess(options: { db: Reader; clock: Clock }): Access {
  const { clock } = options;
  const store = createAccessStore(options.db);
  const cache = new KeyCache(store, clock);
  const createKey = (key: NewKey) => create(store, key, clock.now());
  return {
    createTenant: async (tenant) => {
      if (!isTenantId(tenant)) return refused(invalidTenantId(tenant));
      const isNew = await store.insertTenant(tenant, clock.now());
      return isNew ? accepted({ id: tenant }) : refused(tenantExists(tenant));
    },
    createKey,
    revokeKey: async ({ tenant, id }) => {
      const isFound = await store.revokeKey({ tenant, id, revokedAt: clock.now() });
      cache.forget(id);
      return isFound ? accepted({ id }) : refused(keyNotFound(tenant, id));
    },
    listKeys: (tenant) => store.listKeys(tenant),
    verifyKey: (text) => cache.verify(text),
    countUsableKeys: () => store.countUsableKeys(clock.now(), SANDBOX_TENANT),
    ensureSandbox: async (kept) => {
      await store.insertTenant(SANDBOX_TENANT, clock.now());
      const principal = kept === undefined ? undefined : await cache.verify(kept);
      return kept !== undefined && principal?.tenant === SANDBOX_TENANT ? kept : newSandboxKey(createKey);
    },
    settled: () => cache.settled(),
  };
}

async function create(
  store: AccessStore,
  key: NewKey,
  createdAt: EpochMs,
): Promise<AccessDecision<{ readonly id: ApiKeyId; readonly key: ApiKey }>> {
  const refusal = refusalOfKey(key, createdAt);
  if (refusal !== undefined) return refused(refusal);
  const minted = mintApiKey();
  const { tenant, name, scopes, expiresAt } = key;
  const row = { id: minted.id, tenant, name, scopes, hash: minted.hash, createdAt, expiresAt };
  const isTenantKnown = await store.insertKey(row);
  return isTenantKnown ? accepted({ id: minted.id, key: minted.key }) : refused(tenantNotFound(tenant));
}

/** In production the sandbox is no tenant, whatever keys of it are left in the database (DESIGN §7). */
export function withoutSandbox(verifyKey: VerifyKey): VerifyKey {
  const unlessSandbox = (principal: Principal | undefined): Principal | undefined =>
    principal?.tenant === SANDBOX_TENANT ? undefined : principal;
  return (key) => {
    const principal = verifyKey(key);
    return principal instanceof Promise ? principal.then(unlessSandbox) : unlessSandbox(principal);
  };
}

async function newSandboxKey(createKey: Access['createKey']): Promise<ApiKey> {
  const created = await createKey({ tenant: SANDBOX_TENANT, name: 'sandbox', scopes: [EVERY_SCOPE] });
  invariant(created.ok, 'the sandbox cannot have a key');
  return created.value.key;
}

function isTenantId(text: string): boolean {
  return /^[a-z0-9][a-z0-9-]{0,31}$/.test(text);
}

/** What cannot be, whatever tenants and keys there are. */
export function refusalOfKey(key: NewKey, now: EpochMs): Problem<AccessProblemCode> | undefined {
  if (!isTenantId(key.tenant)) return invalidTenantId(key.tenant);
  if (key.name.length < 1 || key.name.length > 100 || !isStorableText(key.name)) {
    return problem('access.invalid_key_name', 'A key’s name has 1 to 100 characters.');
  }
  const unknown = key.scopes.find((scope) => !isScope(scope));
  if (unknown !== undefined || key.scopes.length === 0) return unknownScope(unknown);
  if (key.expiresAt !== undefined && key.expiresAt <= now) {
    return problem('access.expiry_in_the_past', 'The key would have expired already.');
  }
  return undefined;
}

function unknownScope(scope: string | undefined): Problem<AccessProblemCode> {
  return problem(
    'access.unknown_scope',
    scope === undefined
      ? 'A key needs at least one scope.'
      : `There is no scope ${JSON.stringify(scope)}; there are ${SCOPES.join(', ')}.`,
  );
}

function invalidTenantId(tenant: string): Problem<AccessProblemCode> {
  const rule = '1 to 32 characters: a–z, 0–9 and -, the first not a -';
  return problem(
    'access.invalid_tenant_id',
    `${JSON.stringify(tenant)} cannot be the id of a tenant; one has ${rule}.`,
  );
}

function tenantExists(tenant: string): Problem<AccessProblemCode> {
  return problem('access.tenant_exists', `The tenant ${tenant} exists.`);
}

function tenantNotFound(tenant: string): Problem<AccessProblemCode> {
  return problem('access.tenant_not_found', `There is no tenant ${JSON.stringify(tenant)}.`);
}

function keyNotFound(tenant: string, id: ApiKeyId): Problem<AccessProblemCode> {
  return problem('access.key_not_found', `The tenant ${JSON.stringify(tenant)} has no key ${id}.`);
}
