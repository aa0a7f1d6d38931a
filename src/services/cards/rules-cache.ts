/** Merchant rules as this process last read them. Which version holds is asked in every batch; only what is new is read. */
import type { Transaction } from '#platform/postgres/session.ts';
import { type MerchantRules, NO_RULES } from './merchant-rules.ts';
import { findRules, findRulesVersions } from './rules-store.ts';

/** Tenants with rules of at most 1000 lines; some 100 KB each. */
const REMEMBERED_MAX = 500;

export class RulesCache {
  readonly #rules = new Map<string, MerchantRules>();

  /** Those that held when last asked; undefined if nothing is remembered of the tenant. */
  lastKnown(tenant: string): MerchantRules | undefined {
    return this.#rules.get(tenant);
  }

  /** The rules that hold for the tenants as of the transaction's present statement. */
  async load(tx: Transaction, tenants: readonly string[]): Promise<Map<string, MerchantRules>> {
    const versions = await findRulesVersions(tx, tenants);
    const known = new Map([...versions].map(([tenant, version]) => [tenant, this.#find(tenant, version)]));
    const fresh = await findRules(
      tx,
      new Map([...versions].filter(([tenant]) => known.get(tenant) === undefined)),
    );
    const held = tenants.map(
      (tenant) => [tenant, known.get(tenant) ?? fresh.get(tenant) ?? NO_RULES] as const,
    );
    for (const [tenant, rules] of held) if (known.get(tenant) === undefined) this.#remember(tenant, rules);
    return new Map(held);
  }

  #find(tenant: string, version: number): MerchantRules | undefined {
    const rules = this.#rules.get(tenant);
    return rules?.version === version ? rules : undefined;
  }

  #remember(tenant: string, rules: MerchantRules): void {
    if (!this.#rules.has(tenant) && this.#rules.size >= REMEMBERED_MAX) {
      const oldest = this.#rules.keys().next();
      if (!oldest.done) this.#rules.delete(oldest.value);
    }
    this.#rules.set(tenant, rules);
  }
}
