/**
 * The secrets that deliveries are signed by. They are in the vault; a process remembers them for a while, so that a batch of
 * deliveries does not read them again. What was replaced signs beside its successor for a day: who remembers too long still
 * signs by something that counts.
 */
import type { Clock, EpochMs } from '#kernel/clock.ts';
import { InvariantViolation } from '#kernel/fault.ts';
import { idOf } from '#kernel/ids.ts';
import { isTransient } from '#platform/postgres/faults.ts';
import type { Transaction } from '#platform/postgres/session.ts';
import type { SecretName } from '#platform/vault/seal.ts';
import type { Vault } from '#platform/vault/vault.ts';
import { CALLBACKS, type Endpoint } from './endpoint.ts';
import { newSecret, type Scheme, type SigningKey, type SigningSecret, signingKeyOf } from './signature.ts';

/** Time to give a receiver its new secret. */
const OVERLAP_MS = 24 * 3_600_000;
const REMEMBERED_MAX = 5000;
const REMEMBERED_FOR_MS = 60_000;
/** Those of callbacks, which no version tells apart: their endpoints are made when an answer is owed, before or after a rotation. */
const CALLBACKS_REMEMBERED_FOR_MS = 1000;
/** Read by one statement. */
const READ_MAX = 200;

type Owner = Pick<Endpoint, 'tenant' | 'kind' | 'uuid' | 'secretVersion'>;

interface Rotated {
  readonly tenant: string;
  readonly uuid: string | undefined;
  readonly scheme: Scheme;
}

interface Wanted {
  readonly of: SecretName;
  readonly resolve: (value: string | undefined) => void;
  readonly reject: (error: unknown) => void;
}

interface Remembered {
  readonly keys: Promise<readonly SigningKey[]>;
  readonly until: EpochMs;
}

export class WebhookSecrets {
  readonly #vault: Vault;
  readonly #clock: Clock;
  readonly #remembered = new Map<string, Remembered>();
  #wanted: Wanted[] = [];
  #isReading = false;

  constructor(options: { readonly vault: Vault; readonly clock: Clock }) {
    this.#vault = options.vault;
    this.#clock = options.clock;
  }

  /** The secret itself, given once. Of this commit, so that no endpoint is without. */
  create(
    tx: Transaction,
    { tenant, uuid, scheme }: Rotated & { readonly uuid: string },
    now: EpochMs,
  ): string {
    const secret = newSecret(scheme);
    this.#save(tx, { tenant, name: nameOf(uuid) }, [{ secret, until: null }], now);
    return secret;
  }

  /**
   * The new secret; the one before signs beside it for a day. Without an id that of the tenant's callbacks, which may be its
   * first. Of two at once the second reads, behind the lock, what the first has made: none is lost that was given away.
   */
  async rotate(tx: Transaction, { tenant, uuid, scheme }: Rotated, now: EpochMs): Promise<string> {
    const of = { tenant, name: nameOf(uuid ?? CALLBACKS) };
    const secret = newSecret(scheme);
    const signing = { secret, until: null };
    if (await this.#vault.saveFirst(tx, { ...of, value: JSON.stringify([signing]) }, now)) return secret;
    const before = secretsIn(await this.#vault.lock(tx, of))
      .filter(({ until }) => until === null || now < until)
      .map((old) => ({ ...old, until: old.until ?? now + OVERLAP_MS }));
    this.#save(tx, of, [signing, ...before.slice(0, OVERLAPPING_MAX)], now);
    return secret;
  }

  /** Once a rotation of callbacks is committed: other processes learn of it within a second. */
  forgetCallbacks(tenant: string): void {
    this.#remembered.delete(refOf({ tenant, name: nameOf(CALLBACKS) }));
  }

  remove(tenant: string, uuid: string): Promise<boolean> {
    return this.#vault.delete({ tenant, name: nameOf(uuid) });
  }

  find(owner: Owner): Promise<readonly SigningKey[]> {
    const { tenant, kind, secretVersion } = owner;
    const isCallback = kind === 'callback';
    const name = nameOf(isCallback ? CALLBACKS : owner.uuid);
    const key = isCallback ? refOf({ tenant, name }) : `${refOf({ tenant, name })}/${secretVersion}`;
    const now = this.#clock.now();
    const known = this.#remembered.get(key);
    if (known !== undefined && now < known.until) return known.keys;
    const keys = this.#require(tenant, name, kind);
    const forMs = isCallback ? CALLBACKS_REMEMBERED_FOR_MS : REMEMBERED_FOR_MS;
    this.#remember(key, { keys, until: now + forMs });
    keys.catch(() => this.#remembered.delete(key));
    return keys;
  }

  /** A tenant's callbacks have one from the first on; whoever wants to know it has it rotated. */
  async #require(tenant: string, name: string, kind: Endpoint['kind']): Promise<readonly SigningKey[]> {
    const value = await this.#readTogether({ tenant, name });
    if (value !== undefined) return secretsIn(value).map(signingKeyOf);
    if (kind === 'endpoint') throw new InvariantViolation(`${name} of ${tenant} has no secret`);
    const made = [{ secret: newSecret('v1'), until: null }];
    await this.#vault.putFirst({ tenant, name, value: JSON.stringify(made) });
    // Somebody else may have made it meanwhile, or have had it rotated.
    return secretsIn(await this.#vault.find({ tenant, name })).map(signingKeyOf);
  }

  /** A thousand endpoints may be told of one thing: what is asked for meanwhile is read together, by one connection. */
  #readTogether(of: SecretName): Promise<string | undefined> {
    return new Promise((resolve, reject) => {
      this.#wanted.push({ of, resolve, reject });
      if (!this.#isReading) void this.#readWanted();
    });
  }

  async #readWanted(): Promise<void> {
    this.#isReading = true;
    await Promise.resolve(); // whoever asks in this turn is there
    // oxlint-disable-next-line no-await-in-loop -- one read at a time
    while (this.#wanted.length > 0) await this.#readEach(this.#wanted.splice(0, READ_MAX));
    this.#isReading = false;
  }

  async #readEach(wanted: readonly Wanted[]): Promise<void> {
    try {
      const found = await this.#vault.findEach(wanted.map(({ of }) => of));
      const values = new Map(found.map((secret) => [refOf(secret), secret.value]));
      for (const { of, resolve } of wanted) resolve(values.get(refOf(of)));
    } catch (error) {
      // One that does not open is no other's fault.
      if (wanted.length > 1 && !isTransient(error))
        await Promise.all(wanted.map((each) => this.#readEach([each])));
      else for (const { reject } of wanted) reject(error);
    }
  }

  #save(tx: Transaction, of: SecretName, secrets: readonly SigningSecret[], now: EpochMs): void {
    this.#vault.save(tx, [{ ...of, value: JSON.stringify(secrets) }], now);
  }

  #remember(key: string, remembered: Remembered): void {
    if (this.#remembered.size >= REMEMBERED_MAX) {
      const oldest = this.#remembered.keys().next();
      if (!oldest.done) this.#remembered.delete(oldest.value);
    }
    this.#remembered.delete(key);
    this.#remembered.set(key, remembered);
  }
}

/** Old ones that still sign: rotated again and again within a day, the header must not grow without end. */
const OVERLAPPING_MAX = 3;

function secretsIn(value: string | undefined): readonly SigningSecret[] {
  return value === undefined ? [] : (JSON.parse(value) as SigningSecret[]);
}

/** A tenant's name has no slash. */
function refOf({ tenant, name }: SecretName): string {
  return `${tenant}/${name}`;
}

/** The vault shows names with a colon to nobody. */
function nameOf(uuid: string): string {
  return `webhook-endpoints:${uuid === CALLBACKS ? CALLBACKS : idOf('whe', uuid)}`;
}
