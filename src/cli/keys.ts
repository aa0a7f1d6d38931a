/** `lastro keys`: works beside running processes, on the same database. */
import { fstatSync, statSync, writeSync } from 'node:fs';
import { devNull } from 'node:os';
import { systemClock } from '#kernel/clock.ts';
import { type ApiKeyId, isId } from '#kernel/ids.ts';
import type { ReadPool } from '#platform/postgres/read-pool.ts';
import {
  type Access,
  createAccess,
  type NewKey,
  refusalOfKey,
  SANDBOX_TENANT,
} from '#services/access/contract.ts';
import { fail, failToUnderstand, say } from './environment.ts';
import { onInstallation, openOrMake, requireTenant, type TenantOption } from './on-installation.ts';

/**
 * The key alone goes to standard output, so that a script can capture it. One that could not be written there is revoked: no
 * key stays valid that nobody was given.
 */
export async function createKey(options: TenantOption & { name: string; scopes: string }): Promise<void> {
  if (isNullDevice(STDOUT)) fail('standard output is closed or /dev/null, and a key is shown only once');
  const { name } = options;
  const scopes = options.scopes.split(',').map((scope) => scope.trim());
  const refusal = refusalOfKey({ tenant: options.tenant ?? SANDBOX_TENANT, name, scopes }, systemClock.now());
  if (refusal !== undefined) failToUnderstand(refusal.detail);
  await onInstallation(
    options,
    ({ pool, tenant }) => makeAndShow(accessOf(pool), { tenant, name, scopes }),
    openOrMake,
  );
}

async function makeAndShow(access: Access, wanted: NewKey): Promise<void> {
  const { tenant } = wanted;
  const made = await access.createTenant(tenant);
  if (!made.ok && made.problem.code !== 'access.tenant_exists') throw new Error(made.problem.detail);
  const created = await access.createKey(wanted);
  if (!created.ok) throw new Error(created.problem.detail);
  const { id, key } = created.value;
  say(`key ${id} of tenant ${tenant}; it is shown this once:`);
  try {
    writeWhole(STDOUT, `${key}\n`);
  } catch (error) {
    const revoked = await access.revokeKey({ tenant, id }).catch(() => undefined);
    const outcome = revoked?.ok === true ? 'it is revoked' : `revoke ${id}`;
    const reason = (error as Error).message;
    throw new Error(`the key could not be written (${reason}): ${outcome}`, { cause: error });
  }
}

const STDOUT = 1;

/** Node puts the null device in the place of an output that is closed. */
function isNullDevice(fd: number): boolean {
  const output = fstatSync(fd);
  return output.isCharacterDevice() && output.rdev === statSync(devNull).rdev;
}

/** Past the stream, which tells of a failure when the command has gone on. */
function writeWhole(fd: number, text: string): void {
  for (let rest = Buffer.from(text); rest.length > 0; ) rest = rest.subarray(writeSync(fd, rest));
}

export function listKeys(options: TenantOption): Promise<void> {
  return onInstallation(options, async ({ pool, tenant }) => {
    if (options.tenant !== undefined) await requireTenant(pool, tenant);
    const keys = await accessOf(pool).listKeys(tenant);
    if (keys.length === 0) say('none');
    for (const key of keys) {
      const state =
        key.revokedAt === undefined ? 'usable' : `revoked ${new Date(key.revokedAt).toISOString()}`;
      console.log(
        [key.id, key.name, key.scopes.join(','), new Date(key.createdAt).toISOString(), state].join('\t'),
      );
    }
  });
}

export function revokeKey(id: string, options: TenantOption): Promise<void> {
  const keyId =
    keyIdIn(id) ?? failToUnderstand(`${id} is not the id of a key; ./lastro keys list shows them`);
  return onInstallation(options, async ({ pool, tenant }) => {
    const revoked = await accessOf(pool).revokeKey({ tenant, id: keyId });
    if (!revoked.ok) throw new Error(revoked.problem.detail);
    say(`key ${keyId} is revoked`);
  });
}

function accessOf(pool: ReadPool): Access {
  return createAccess({ db: pool, clock: systemClock });
}

/** From the id, or from what is seen of a key that leaked: `lk_<id>_…`, whole or cut off. */
function keyIdIn(text: string): ApiKeyId | undefined {
  const id = text.replace(/^lk_([0-9a-z]{26})(?:_.*)?$/, 'key_$1');
  return isId('key', id) ? id : undefined;
}
