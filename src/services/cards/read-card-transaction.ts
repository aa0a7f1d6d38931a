/**
 * From the bytes that came in to a card transaction that can be decided, or the reason why it cannot (K1, K7). Everything
 * that is wrong is a `07`, so nothing here throws and nothing answers with a problem.
 */
import { hash } from 'node:crypto';
import { canonicalJson } from '#kernel/canonical-json.ts';
import { hasAtMost, isStorableText } from '#kernel/text.ts';
import { type Reach, refusalOfUrl } from '#platform/egress/reachable.ts';
import { parseJsonBody } from '#platform/http/json-body.ts';
import { isCardAccount } from './card.ts';
import { isMcc } from './categories.ts';
import { isMerchant } from './merchant-name.ts';
import { type AmountFault, parseAmount } from './parse-amount.ts';
import { rawScalars } from './raw-scalars.ts';

/** What can be wrong with what came in. */
export type ReadFault = 'unreadable' | 'missing_field' | 'malformed_field' | AmountFault;

export interface CardRequest {
  readonly account: string;
  readonly hundredths: bigint;
  readonly mcc: string;
  readonly merchant: string;
  /** False: the amount is held until it is captured. */
  readonly capture: boolean;
}

/** What is kept of a request, also of one that cannot be decided. */
export interface Received {
  readonly account: string | null;
  /** The caller's own id of it, from the body or the idempotency header. */
  readonly externalId: string | null;
  readonly mcc: string | null;
  readonly merchant: string | null;
  /** Of what it says, to tell a repeat from another transaction under the same id; null without an id. */
  readonly digest: string | null;
}

export interface Reading {
  readonly received: Received;
  readonly request: CardRequest | Refusal;
  /** Where the answer is to be sent; null if it is waited for. */
  readonly callbackUrl: string | null;
  /** Whether it is sent where the card has it sent: nothing is said about it here (K10). */
  readonly isSentAsCardSays: boolean;
}

export interface Refusal {
  readonly reason: ReadFault;
  /** Which member, or what of it. */
  readonly detail: string | null;
}

export function isRefusal(request: CardRequest | Refusal): request is Refusal {
  return 'reason' in request;
}

/** As of an idempotency key, which may be one. */
const EXTERNAL_ID_MAX = 255;
export const CALLBACK_URL_MAX = 2048;
/** Characters of a number that is refused. */
const LITERAL_SHOWN = 64;
const NOTHING: Received = { account: null, externalId: null, mcc: null, merchant: null, digest: null };

export function unreadable(detail: string): Reading {
  const request: Refusal = { reason: 'unreadable', detail };
  return { received: NOTHING, request, callbackUrl: null, isSentAsCardSays: false };
}

/** What else there is to read by. */
export interface ReadBy {
  /** The idempotency header's; an id in the body comes before it. */
  readonly key?: string | undefined;
  /** Where a callback may lead; undefined where every answer is waited for. */
  readonly reach?: Reach | undefined;
}

export function readCardTransaction(bytes: Buffer, by: ReadBy = {}): Reading {
  const parsed = parseJsonBody(bytes, { roundsNumbers: true }); // K8: the amount is read from the text
  if (!parsed.ok) return unreadable(parsed.problem.code);
  const body = parsed.value;
  if (typeof body !== 'object' || body === null || Array.isArray(body)) return unreadable('not an object');
  return readMembers(body as Members, bytes.toString('utf8'), by);
}

type Members = Readonly<Record<string, unknown>>;

function readMembers(body: Members, text: string, { key, reach }: ReadBy): Reading {
  const account = either(body, 'account', 'accountId');
  const mcc = body['mcc'];
  const merchant = body['merchant'];
  const id = body['id'] ?? key;
  const externalId = isExternalId(id) ? id : null;
  const raw = rawScalars(text);
  const amount = either(body, 'totalAmount', 'amount');
  const literal = amount === DISAGREEING ? undefined : amountLiteral(raw);
  const callbackUrl = reach === undefined ? null : callbackOf(body['callback_url'], reach);
  const request =
    (callbackUrl === undefined ? malformed('callback_url') : undefined) ??
    missing({ account, mcc, merchant, amount }) ??
    requestOf({ account, mcc, merchant, literal, capture: body['capture'], id });
  const received = {
    account: isText(account, isCardAccount) ? account : null,
    externalId,
    mcc: isText(mcc, isMcc) ? mcc : null,
    merchant: isText(merchant, isMerchant) ? merchant : null,
    digest: externalId === null ? null : digestOf(request, body),
  };
  const isSentAsCardSays = reach !== undefined && body['callback_url'] === undefined;
  return { received, request, callbackUrl: callbackUrl ?? null, isSentAsCardSays };
}

/** Undefined for what cannot be one; what its name leads to is judged when it is called. */
function callbackOf(url: unknown, reach: Reach): string | null | undefined {
  if (url === undefined || url === null) return null;
  if (typeof url !== 'string' || !hasAtMost(CALLBACK_URL_MAX, url) || !isStorableText(url)) return undefined;
  return refusalOfUrl(url, reach) === undefined ? url : undefined;
}

/** A member by either of its names; both must not say different things. */
function either(body: Members, name: string, alias: string): unknown {
  const [value, other] = [body[name], body[alias]];
  if (value !== undefined && other !== undefined && value !== other) return DISAGREEING;
  return value ?? other;
}

/** Of no type that a member may have. */
const DISAGREEING = Symbol('two names that say different things');

/** Undefined if its two names say different amounts, be it in digits that no number holds. */
function amountLiteral(raw: ReadonlyMap<string, string>): string | undefined {
  const [literal, other] = [raw.get('totalAmount'), raw.get('amount')];
  if (literal === undefined || other === undefined) return literal ?? other;
  return parseAmount(literal) === parseAmount(other) ? literal : undefined;
}

function missing(members: Members): Refusal | undefined {
  const name = Object.keys(members).find((each) => members[each] === undefined || members[each] === null);
  return name === undefined ? undefined : { reason: 'missing_field', detail: name };
}

function requestOf(given: {
  readonly account: unknown;
  readonly mcc: unknown;
  readonly merchant: unknown;
  readonly literal: string | undefined;
  readonly capture: unknown;
  readonly id: unknown;
}): CardRequest | Refusal {
  const { account, mcc, merchant, literal, capture = true, id } = given;
  if (!isText(account, isCardAccount)) return malformed('account');
  if (!isText(mcc, isMcc)) return malformed('mcc');
  if (!isText(merchant, isMerchant)) return malformed('merchant');
  if (typeof capture !== 'boolean') return malformed('capture');
  if (id !== undefined && id !== null && !isExternalId(id)) return malformed('id');
  const hundredths = literal === undefined ? 'malformed_amount' : parseAmount(literal);
  if (typeof hundredths === 'string')
    return { reason: hundredths, detail: literal?.slice(0, LITERAL_SHOWN) ?? null };
  return { account, hundredths, mcc, merchant, capture };
}

function malformed(member: string): Refusal {
  return { reason: 'malformed_field', detail: member };
}

function isText(value: unknown, isRight: (text: string) => boolean): value is string {
  return typeof value === 'string' && isRight(value);
}

function isExternalId(value: unknown): value is string {
  return (
    typeof value === 'string' && value !== '' && hasAtMost(EXTERNAL_ID_MAX, value) && isStorableText(value)
  );
}

/**
 * As a uuid: 16 bytes of SHA-256. What is decided by its meaning, so that names and `100.0` for `100` do not matter; what is
 * not as JSON, in which a number beyond all doubles is null.
 */
function digestOf(request: CardRequest | Refusal, body: Members): string {
  const meaning = isRefusal(request)
    ? canonicalJson(JSON.parse(JSON.stringify(body)))
    : `${request.account}\n${request.hundredths}\n${request.mcc}\n${request.capture}\n${request.merchant}`;
  const hex = hash('sha256', meaning, 'hex');
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20, 32)}`;
}
