/** The values of secrets at the moment of a call; nowhere else are they in clear, and never longer than a moment. */
import { Fault } from '#kernel/fault.ts';
import type { JsonValue } from '#platform/log/event.ts';
import type { Vault } from '#platform/vault/vault.ts';

/** So a secret that was replaced is used within a second, and a thousand calls ask the vault once. */
const KEPT_FOR_MS = 1000;
const KEPT_MAX = 1000;

export class Secrets {
  readonly #vault: Pick<Vault, 'find'>;
  readonly #kept = new Map<string, { readonly until: number; readonly value: Promise<string | undefined> }>();

  constructor(vault: Pick<Vault, 'find'>) {
    this.#vault = vault;
  }

  find(tenant: string, name: string): Promise<string | undefined> {
    const key = `${tenant}/${name}`;
    const known = this.#kept.get(key);
    if (known !== undefined && known.until > performance.now()) return known.value;
    if (this.#kept.size >= KEPT_MAX) this.#kept.clear();
    const value = this.#vault.find({ tenant, name });
    this.#kept.set(key, { until: performance.now() + KEPT_FOR_MS, value });
    value.catch(() => this.#kept.delete(key)); // whoever waits for it hears of it
    return value;
  }

  /** Throws a Fault that may pass: who named it can still give it. */
  async load(tenant: string, name: string): Promise<string> {
    const value = await this.find(tenant, name);
    if (value === undefined) throw new Fault(`There is no secret ${name}.`, { transient: true });
    return value;
  }
}

/** A text in which a secret has come back, without it: as it is, and as JSON or a URL writes it. */
export function withoutSecrets(text: string, secrets: readonly string[]): string {
  return secrets
    .filter(({ length }) => length >= SHORTEST)
    .flatMap((secret) => [secret, JSON.stringify(secret).slice(1, -1), encodeURIComponent(secret)])
    .reduce((left, written) => left.replaceAll(written, '[secret]'), text);
}

/** What is shorter is in every text. */
const SHORTEST = 4;

/** A document in which a secret has come back, without it in texts and names. What looks alike but is no text stays, so that it is JSON. */
export function documentWithoutSecrets(value: JsonValue, secrets: readonly string[]): JsonValue {
  if (typeof value === 'string') return withoutSecrets(value, secrets);
  if (typeof value !== 'object' || value === null) return value;
  if (isList(value)) return value.map((each) => documentWithoutSecrets(each, secrets));
  return Object.fromEntries(
    Object.entries(value).map(([name, member]) => [
      withoutSecrets(name, secrets),
      documentWithoutSecrets(member, secrets),
    ]),
  );
}

function isList(value: JsonValue): value is readonly JsonValue[] {
  return Array.isArray(value);
}
