/**
 * Secrets of a tenant by name: what others have given us to prove ourselves to them, or to prove them to us. A port: what
 * it is kept in can be changed without its users.
 *
 * V1: a value is in the database sealed only, and is given to nobody but the code that uses it: in no answer, event,
 *     log line or failure.
 * V2: names with a colon are those of parts of the product (`webhook-endpoints:…`); the API neither shows nor takes them.
 */
import type { Clock, EpochMs } from '#kernel/clock.ts';
import { byteaArray, textArray } from '../postgres/arrays.ts';
import { batchRows } from '../postgres/batch-rows.ts';
import type { Reader } from '../postgres/read-pool.ts';
import { statement, type Transaction } from '../postgres/session.ts';
import { open, type SecretName, seal } from './seal.ts';
import type { SecretKeys } from './secret-key.ts';

export interface Secret extends SecretName {
  readonly value: string;
}

/** One that the API shows. */
export interface ListedSecret {
  readonly name: string;
  readonly createdAt: EpochMs;
  readonly updatedAt: EpochMs;
}

export interface MissingKey {
  readonly keyId: string;
  /** How many it has sealed. */
  readonly secrets: number;
}

export interface VaultOptions {
  readonly db: Reader;
  readonly clock: Clock;
  readonly keys: SecretKeys;
}

interface SecretRow {
  tenant: string;
  name: string;
  key_id: string;
  nonce: Buffer;
  sealed: Buffer;
}

/** What one tenant may have: a list of them is one page. */
export const SECRETS_MAX = 500;

/** Neither a key's id nor base64 has it. */
const SEALED_SEPARATOR = ':';

const INSERT = `insert into vault.secrets (tenant, name, key_id, nonce, sealed, created_at, updated_at)
   select tenant, name, key_id, nonce, sealed, $6::timestamptz, $6::timestamptz
   from ${batchRows('v', { tenant: 'text', name: 'text', key_id: 'text', nonce: 'bytea', sealed: 'bytea' })}`;

/** One row, by primary key; who comes second waits for the first and then holds. */
const SAVE = statement(
  'vault.save_secrets',
  `${INSERT}
   on conflict (tenant, name) do update
   set key_id = excluded.key_id, nonce = excluded.nonce, sealed = excluded.sealed, updated_at = excluded.updated_at`,
);

/** By primary key; who comes second waits for the first and then leaves it be. */
const SAVE_FIRST = statement(
  'vault.save_first_secret',
  `${INSERT}
   on conflict (tenant, name) do nothing
   returning 1 as saved`,
);

/** One row, by primary key: what it is once it is locked. */
const LOCK = statement(
  'vault.lock_secret',
  `select tenant, name, key_id, nonce, sealed from vault.secrets where tenant = $1 and name = $2 for no key update`,
);

export class Vault {
  readonly #options: VaultOptions;

  constructor(options: VaultOptions) {
    this.#options = options;
  }

  /** Makes it, or replaces its value. */
  async put(secret: Secret): Promise<void> {
    await this.#options.db.query(SAVE.text, this.#rowsOf([secret], this.#options.clock.now()));
  }

  /** The same in the caller's transaction; each name once. */
  save(tx: Transaction, secrets: readonly Secret[], now: EpochMs): void {
    if (secrets.length > 0) tx.run(SAVE, this.#rowsOf(secrets, now));
  }

  /** Makes it, unless there is one of the name: that is left as it is. */
  async putFirst(secret: Secret): Promise<void> {
    await this.#options.db.query(SAVE_FIRST.text, this.#rowsOf([secret], this.#options.clock.now()));
  }

  /** The same in the caller's transaction; whether it was made. */
  async saveFirst(tx: Transaction, secret: Secret, now: EpochMs): Promise<boolean> {
    return (await tx.query(SAVE_FIRST, this.#rowsOf([secret], now))).length > 0;
  }

  /** Its value, which nobody replaces until the caller's transaction ends. */
  async lock(tx: Transaction, { tenant, name }: SecretName): Promise<string | undefined> {
    const [row] = await tx.query<SecretRow>(LOCK, [tenant, name]);
    return row && this.#open(row);
  }

  async find(of: SecretName): Promise<string | undefined> {
    const found = await this.findAll(of.tenant, [of.name]);
    return found.get(of.name);
  }

  /** Those of the names that there are, by name; by primary key. */
  async findAll(tenant: string, names: readonly string[]): Promise<ReadonlyMap<string, string>> {
    if (names.length === 0) return new Map();
    const rows = await this.#options.db.query<SecretRow>(
      'select tenant, name, key_id, nonce, sealed from vault.secrets where tenant = $1 and name = any($2)',
      [tenant, names],
    );
    return new Map(rows.map((row) => [row.name, this.#open(row)]));
  }

  /** Those that there are, of several tenants; by primary key. */
  async findEach(wanted: readonly SecretName[]): Promise<readonly Secret[]> {
    const rows = await this.#options.db.query<SecretRow>(
      `select s.tenant, s.name, s.key_id, s.nonce, s.sealed from unnest($1::text[], $2::text[]) as wanted(tenant, name)
       join vault.secrets s using (tenant, name)`,
      [wanted.map(({ tenant }) => tenant), wanted.map(({ name }) => name)],
    );
    return rows.map((row) => ({ tenant: row.tenant, name: row.name, value: this.#open(row) }));
  }

  /**
   * The keys that secrets were sealed with and that are not here: nobody can read those secrets in this process. Reads the whole
   * table, once, at a start.
   */
  async listMissingKeys(): Promise<MissingKey[]> {
    return this.#options.db.query<MissingKey>(
      `select key_id as "keyId", count(*)::integer as secrets from vault.secrets
       where key_id <> all ($1::text[]) group by key_id order by key_id`,
      [[...this.#options.keys.byId.keys()]],
    );
  }

  /** By name; those of parts of the product left out (V2). By primary key. */
  async list(tenant: string): Promise<ListedSecret[]> {
    const rows = await this.#options.db.query<{ name: string; created_at: EpochMs; updated_at: EpochMs }>(
      `select name, created_at, updated_at from vault.secrets
       where tenant = $1 and position(':' in name) = 0 order by name limit ${SECRETS_MAX}`,
      [tenant],
    );
    return rows.map((row) => ({ name: row.name, createdAt: row.created_at, updatedAt: row.updated_at }));
  }

  /** Whether there was one. */
  async delete({ tenant, name }: SecretName): Promise<boolean> {
    const rows = await this.#options.db.query(
      'delete from vault.secrets where tenant = $1 and name = $2 returning name',
      [tenant, name],
    );
    return rows.length > 0;
  }

  /** A text with a secret in it, to be kept elsewhere: sealed under a name, by which alone it is opened again. */
  sealText(of: SecretName, text: string): string {
    const { keyId, nonce, bytes } = seal(this.#options.keys, of, text);
    return [keyId, nonce.toString('base64'), bytes.toString('base64')].join(SEALED_SEPARATOR);
  }

  openText(of: SecretName, sealed: string): string {
    const [keyId = '', nonce = '', bytes = ''] = sealed.split(SEALED_SEPARATOR);
    const parts = { keyId, nonce: Buffer.from(nonce, 'base64'), bytes: Buffer.from(bytes, 'base64') };
    return open(this.#options.keys, of, parts);
  }

  #rowsOf(secrets: readonly Secret[], now: EpochMs): unknown[] {
    const sealed = secrets.map((secret) => seal(this.#options.keys, secret, secret.value));
    return [
      textArray(secrets.map(({ tenant }) => tenant)),
      textArray(secrets.map(({ name }) => name)),
      textArray(sealed.map(({ keyId }) => keyId)),
      byteaArray(sealed.map(({ nonce }) => nonce)),
      byteaArray(sealed.map(({ bytes }) => bytes)),
      new Date(now),
    ];
  }

  #open({ tenant, name, key_id: keyId, nonce, sealed }: SecretRow): string {
    return open(this.#options.keys, { tenant, name }, { keyId, nonce, bytes: sealed });
  }
}
