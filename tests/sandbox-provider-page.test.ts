/** docs/sandbox-providers.md against the provider's own tables. */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { parseBehaviour } from '../sandbox/provider/behaviour-rule.ts';
import { BEHAVIOUR_NAMES } from '../sandbox/provider/behaviour-table.ts';

const PAGE = readFileSync(fileURLToPath(new URL('../docs/sandbox-providers.md', import.meta.url)), 'utf8');
const ORDERS = [...PAGE.matchAll(/^order '(.+?)'/gm)].map(
  (match) => JSON.parse(match[1] ?? '') as Record<string, unknown>,
);

function ordersIn(name: string): Record<string, unknown>[] {
  return ORDERS.filter(({ behaviour }) => behaviour === name);
}

test('every behaviour has its section, and no other', () => {
  const sections = [...PAGE.matchAll(/^### `(.+)`$/gm)].map((match) => match[1] ?? '');
  expect(sections.toSorted()).toEqual(BEHAVIOUR_NAMES.toSorted());
});

test.each(ORDERS.map((order) => [JSON.stringify(order), order] as const))('%s is taken', (_text, order) => {
  expect(() => parseBehaviour(order, Date.now())).not.toThrow();
});

test.each(BEHAVIOUR_NAMES)('%s is shown for a payment and for a time', (name) => {
  const orders = ordersIn(name);
  expect(orders.some((order) => 'for_ms' in order)).toBe(true);
  if (name !== 'refuse_connections') expect(orders.some(({ match }) => hasAmount(match))).toBe(true);
});

function hasAmount(match: unknown): boolean {
  return typeof match === 'object' && match !== null && 'amount' in match;
}
