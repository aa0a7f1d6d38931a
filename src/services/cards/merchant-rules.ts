/**
 * Rules by which a merchant's name decides before the category code does (K4): data of a tenant, replaced as a whole. On
 * the normalised name (merchant-name.ts), which ends with the city; so a rule for a merchant anywhere is a prefix.
 *
 * Of several that match, an exact one comes before a prefix, and of prefixes the longest; two alike are refused when the
 * rules are given. A prefix matches whole words or not: `UBER` matches `UBERABA` too, `UBER ` does not;
 * it matches `UBER` alone.
 */
import type { Category } from './card.ts';

export interface MerchantRule {
  readonly pattern: string;
  readonly match: 'exact' | 'prefix';
  readonly category: Category;
}

/** The rules of a tenant as of one version; 0 is what there is before the first. */
export class MerchantRules {
  readonly version: number;
  readonly rules: readonly MerchantRule[];
  readonly #exact = new Map<string, Category>();
  readonly #prefixes: readonly (readonly [prefix: string, category: Category])[];

  constructor(version: number, rules: readonly MerchantRule[]) {
    this.version = version;
    this.rules = rules;
    for (const { match, pattern, category } of rules)
      if (match === 'exact') this.#exact.set(normalizePattern(pattern).trimEnd(), category);
    this.#prefixes = rules
      .filter(({ match }) => match === 'prefix')
      .map(({ pattern, category }) => [normalizePattern(pattern), category] as const)
      .toSorted(([a], [b]) => b.length - a.length);
  }

  /** What the rules say of a normalised name. */
  find(name: string): Category | undefined {
    // Where a name ends, a word does.
    const words = `${name} `;
    return this.#exact.get(name) ?? this.#prefixes.find(([prefix]) => words.startsWith(prefix))?.[1];
  }
}

export const NO_RULES = new MerchantRules(0, []);

/** Like a name, but that a space at the end of a prefix says where a word ends. */
function normalizePattern(pattern: string): string {
  return pattern.trimStart().replaceAll(/\s+/g, ' ').toUpperCase();
}

/** The index of a rule that an earlier one makes ambiguous, if any. */
export function findRepeatedRule(rules: readonly MerchantRule[]): number | undefined {
  const seen = new Set<string>();
  for (const [index, { match, pattern }] of rules.entries()) {
    const name = `${match} ${match === 'exact' ? normalizePattern(pattern).trimEnd() : normalizePattern(pattern)}`;
    if (seen.has(name)) return index;
    seen.add(name);
  }
  return undefined;
}
