/**
 * What a key can be allowed, a verb per kind of resource. A route names one; a key has some, or `*` for all there are
 * and will be. A route with a scope that is not listed here could be reached by `*` alone: tests compare the two.
 */
export const SCOPES = [
  '*',
  'accounts:read',
  'accounts:write',
  'card_transactions:write',
  'cards:read',
  'cards:write',
  'connectors:read',
  'connectors:write',
  'cash_entries:read',
  'cash_entries:write',
  'dead_letters:read',
  'dead_letters:write',
  'events:read',
  'integrations:read',
  'integrations:write',
  'integrity:read',
  'integrity:write',
  'ledger:read',
  'ledger:write',
  'notifications:read',
  'payments:read',
  'payments:write',
  'providers:read',
  'secrets:read',
  'secrets:write',
  'webhooks:read',
  'webhooks:write',
] as const;

export type Scope = (typeof SCOPES)[number];

export function isScope(text: string): text is Scope {
  return SCOPES.some((scope) => scope === text);
}
