/** The statements about merchant rules, of which every version is kept. */
import type { EpochMs } from '#kernel/clock.ts';
import { int4Array, textArray } from '#platform/postgres/arrays.ts';
import { batchRows } from '#platform/postgres/batch-rows.ts';
import { statement, type Transaction } from '#platform/postgres/session.ts';
import { type MerchantRule, MerchantRules } from './merchant-rules.ts';

/** The highest version of each tenant's rules: one descent of the primary key, backwards. */
export const FIND_RULES_VERSIONS = statement(
  'cards.find_rules_versions',
  `select r.tenant, r.version
   from ${batchRows('wanted', { tenant: 'text' })}
   cross join lateral (
     select * from cards.merchant_rules r where r.tenant = wanted.tenant order by r.version desc limit 1
   ) r`,
);

/** By primary key. */
export const FIND_RULES = statement(
  'cards.find_rules',
  `select r.tenant, r.version, r.rules
   from ${batchRows('wanted', { tenant: 'text', version: 'integer' })}
   cross join lateral (
     select * from cards.merchant_rules r where r.tenant = wanted.tenant and r.version = wanted.version offset 0
   ) r`,
);

/** A version that another process made meanwhile raises a unique violation; the batch is then decided anew. */
export const INSERT_RULES = statement(
  'cards.insert_rules',
  `insert into cards.merchant_rules (tenant, version, rules, actor, replaced_at)
   select tenant, version, rules, actor, $5::timestamptz
   from ${batchRows('v', { tenant: 'text', version: 'integer', rules: 'text', actor: 'text' })}`,
);

/** By tenant; one without rules is absent. */
export async function findRulesVersions(
  tx: Transaction,
  tenants: readonly string[],
): Promise<Map<string, number>> {
  if (tenants.length === 0) return new Map();
  const rows = await tx.query<{ tenant: string; version: number }>(FIND_RULES_VERSIONS, [textArray(tenants)]);
  return new Map(rows.map(({ tenant, version }) => [tenant, version]));
}

export async function findRules(
  tx: Transaction,
  wanted: ReadonlyMap<string, number>,
): Promise<Map<string, MerchantRules>> {
  if (wanted.size === 0) return new Map();
  const rows = await tx.query<{ tenant: string; version: number; rules: string }>(FIND_RULES, [
    textArray([...wanted.keys()]),
    int4Array([...wanted.values()]),
  ]);
  return new Map(
    rows.map(({ tenant, version, rules }) => [
      tenant,
      new MerchantRules(version, JSON.parse(rules) as MerchantRule[]),
    ]),
  );
}

export interface RulesVersion {
  readonly tenant: string;
  readonly version: number;
  readonly rules: readonly MerchantRule[];
  readonly actor: string | null;
}

export function insertRules(tx: Transaction, versions: readonly RulesVersion[], now: EpochMs): void {
  if (versions.length === 0) return;
  tx.run(INSERT_RULES, [
    textArray(versions.map(({ tenant }) => tenant)),
    int4Array(versions.map(({ version }) => version)),
    textArray(versions.map(({ rules }) => JSON.stringify(rules))),
    textArray(versions.map(({ actor }) => actor)),
    new Date(now),
  ]);
}
