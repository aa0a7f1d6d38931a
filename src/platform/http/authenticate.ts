/**
 * Who makes a request (U19, DESIGN §7).
 *
 * A1: credentials that are given decide, also in the sandbox: a wrong key is refused, never replaced by the sandbox.
 * A2: without credentials, only a request that certainly comes from a program on this machine acts as the sandbox: its
 *     peer is loopback, it names us by a loopback Host (a re-bound DNS name does not) and by nothing else (a target of a
 *     proxy names its own host), nothing forwarded it, and no page of another origin made a browser send it. A second
 *     Host is refused before (every-request.ts).
 * A3: a refusal does not tell an unknown key from a revoked one.
 */
import type { IncomingHttpHeaders, IncomingMessage } from 'node:http';
import type { Decision } from '#kernel/decision.ts';
import { accepted, refused } from '#kernel/decision.ts';
import type { Problem } from '#kernel/problem.ts';
import { problem } from '#kernel/problem.ts';
import { SANDBOX_ACTOR } from '../batch/command.ts';
import { isLoopbackAddress, isLoopbackHost } from './loopback.ts';
import { EVERY_SCOPE, type Principal, type VerifyKey } from './principal.ts';
import { authorityOf } from './request-target.ts';

/** Ours have 73 characters; a longer text is not looked at. */
const MAX_KEY_LENGTH = 256;

/** Headers that a proxy adds: the request then comes from wherever the proxy got it. */
const FORWARDING_HEADERS = ['forwarded', 'x-forwarded-for', 'x-forwarded-host', 'x-real-ip', 'via'] as const;

export type Authentication = Decision<Principal, Problem<'access.unauthenticated'>>;

/** At once if the key is known already (see VerifyKey). */
export type Authenticate = (request: IncomingMessage) => Authentication | Promise<Authentication>;

export function createAuthenticate(options: {
  verifyKey: VerifyKey;
  /** The tenant that requests without credentials act as, in the sandbox. */
  sandboxTenant: string | undefined;
}): Authenticate {
  const { verifyKey } = options;
  const sandbox = options.sandboxTenant === undefined ? undefined : sandboxPrincipal(options.sandboxTenant);
  return (request) => {
    const header = request.headers.authorization;
    if (header === undefined) return withoutCredentials(request, sandbox);
    const key = bearerKey(header); // A1
    if (key === undefined) return WRONG_CREDENTIALS;
    const principal = verifyKey(key);
    return principal instanceof Promise ? principal.then(knownOrRefused) : knownOrRefused(principal);
  };
}

const NO_CREDENTIALS = refused(problem('access.unauthenticated', 'The request has no Authorization header.'));
/** A3 */
const WRONG_CREDENTIALS = refused(
  problem('access.unauthenticated', 'The Authorization header does not hold a usable API key.'),
);

function knownOrRefused(principal: Principal | undefined): Authentication {
  return principal === undefined ? WRONG_CREDENTIALS : accepted(principal);
}

function sandboxPrincipal(tenant: string): Authentication {
  return accepted({ tenant, keyId: SANDBOX_ACTOR, scopes: new Set([EVERY_SCOPE]) });
}

/** The scheme's name is case-insensitive (RFC 9110 §11.1). */
function bearerKey(header: string): string | undefined {
  if (header.length > MAX_KEY_LENGTH) return undefined;
  if (header.startsWith('Bearer lk_')) return header.slice('Bearer '.length);
  return /^bearer +(\S+)$/i.exec(header)?.[1];
}

// A2
function withoutCredentials(request: IncomingMessage, sandbox: Authentication | undefined): Authentication {
  if (sandbox === undefined) return NO_CREDENTIALS;
  const reason = whyNotFromHere(request);
  if (reason === undefined) return sandbox;
  return refused(
    problem('access.unauthenticated', `The request has no Authorization header, and ${reason}.`),
  );
}

function whyNotFromHere(request: IncomingMessage): string | undefined {
  const { headers } = request;
  if (!isLoopbackAddress(request.socket.remoteAddress ?? '')) return 'comes from another machine';
  if (!isLoopbackHost(headers.host ?? '')) return 'its Host is not a name of this machine';
  if (namesAnotherHost(request.url ?? '', headers.host ?? ''))
    return 'its target names another host than its Host';
  if (FORWARDING_HEADERS.some((name) => headers[name] !== undefined)) return 'a proxy forwarded it';
  return isFromAnotherSite(headers) ? 'a page of another origin sent it' : undefined;
}

/** RFC 9112 §3.2.2: of a target in absolute form and a Host that differ, the target is what was meant. */
function namesAnotherHost(target: string, host: string): boolean {
  const authority = authorityOf(target);
  return authority !== undefined && authority.toLowerCase() !== host.toLowerCase();
}

/** Fetch §3.1: browsers send Origin with whatever can change something; Sec-Fetch-Site with everything. */
function isFromAnotherSite(headers: IncomingHttpHeaders): boolean {
  const { origin, host } = headers;
  if (origin !== undefined && origin !== `http://${host}`) return true;
  const site = headers['sec-fetch-site'];
  return site !== undefined && site !== 'same-origin' && site !== 'none';
}
