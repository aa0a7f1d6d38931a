import { type Problem, problem } from '#kernel/problem.ts';

/** Who makes a request: one API key of one tenant, and what it may do. */
export interface Principal {
  readonly tenant: string;
  /** The id of the API key, never the key. `sandbox` for a request that is let in without one (DESIGN §7). */
  readonly keyId: string;
  readonly scopes: ReadonlySet<string>;
}

/** A scope that stands for every other. */
export const EVERY_SCOPE = '*';

/**
 * The key's principal, or undefined for a key that is unknown, wrong, expired or revoked. Answers at once, without a
 * promise, when it knows: a promise costs a turn of the event loop on every request.
 */
export type VerifyKey = (key: string) => Principal | undefined | Promise<Principal | undefined>;

export function permits(principal: Principal, scope: string): boolean {
  return principal.scopes.has(scope) || principal.scopes.has(EVERY_SCOPE);
}

export function lacksScope(scope: string): Problem<'access.forbidden'> {
  return problem('access.forbidden', `This operation needs the scope ${scope}.`, { members: { scope } });
}
