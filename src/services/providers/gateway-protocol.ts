/**
 * The protocol of payment gateways that we speak (docs/sandbox-providers.md): what is sent for an attempt, and what an
 * answer means. Pure.
 *
 * G1: only a document about this key, this amount and this currency says anything; whatever else comes is unclear.
 * G2: only a provider's own "there is no such charge" means not found, and only a refusal that says why by a code of its
 *     own is the provider's: any other may be of somebody in between, who lost the answer to what was done.
 */
import type { EpochMs } from '#kernel/clock.ts';
import { assertNever } from '#kernel/fault.ts';
import { isStorableText } from '#kernel/text.ts';
import { parseRetryAfter } from '#platform/egress/retry-after.ts';
import { parseJsonBody } from '#platform/http/json-body.ts';
import { type Attempt, type AttemptKind, attemptId, type Operation } from './attempt.ts';
import type { CallResult, Statement } from './report.ts';

/** Where a provider does not say. */
const DEFAULT_RETRY_AFTER_MS = 1000;

export interface GatewayRequest {
  readonly method: 'GET' | 'POST';
  /** Behind the provider's url. */
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string | undefined;
}

export interface GatewayAnswer {
  readonly status: number;
  /** As it was sent; seconds or a date (RFC 9110 §10.2.3). */
  readonly retryAfter: string | undefined;
  readonly body: Buffer;
}

/** What a document has to be about. */
export interface Expected extends Pick<Attempt, 'kind' | 'amount' | 'currency'> {
  /** `att_…` */
  readonly key: string;
  /** Of a refund: the key of the charge. */
  readonly charge: string | null;
}

export function expectedOf(attempt: Attempt): Expected {
  const { kind, amount, currency, chargeUuid } = attempt;
  const charge = chargeUuid === null ? null : attemptId({ uuid: chargeUuid });
  return { kind, amount, currency, key: attemptId(attempt), charge };
}

export function requestFor(operation: Operation, attempt: Attempt): GatewayRequest {
  const key = attemptId(attempt);
  switch (operation) {
    case 'charge':
      return posted('/charges', attempt, termsOf(attempt));
    case 'refund':
      return posted('/refunds', attempt, { charge: expectedOf(attempt).charge, ...termsOf(attempt) });
    case 'inquire':
      return { method: 'GET', path: `/charges/${key}`, headers: headersOf(attempt), body: undefined };
    case 'inquire_refund':
      return { method: 'GET', path: `/refunds/${key}`, headers: headersOf(attempt), body: undefined };
    case 'void':
      return { method: 'POST', path: `/charges/${key}/void`, headers: headersOf(attempt), body: undefined };
    default:
      return assertNever(operation);
  }
}

/** The provider's reference to us is the payment, or the refund. */
function termsOf({ subject, amount, currency }: Attempt) {
  return { reference: subject, amount, currency };
}

function posted(path: string, attempt: Attempt, body: object): GatewayRequest {
  const headers = {
    ...headersOf(attempt),
    'content-type': 'application/json',
    'idempotency-key': attemptId(attempt),
  };
  return { method: 'POST', path, headers, body: JSON.stringify(body) };
}

function headersOf({ correlationId, traceparent }: Attempt): Record<string, string> {
  const correlation = { 'x-correlation-id': correlationId };
  return traceparent === null ? correlation : { ...correlation, traceparent };
}

/** A harmless question that says whether a provider answers: about a charge that there never was. */
export function probeRequest(): GatewayRequest {
  return { method: 'GET', path: `/charges/${PROBED_KEY}`, headers: {}, body: undefined };
}

const PROBED_KEY = attemptId({ uuid: '00000000-0000-8000-8000-000000000000' });

/** Whether the answer to the probe is that of a provider that works. */
export function isProbeAnswered(answer: GatewayAnswer): boolean {
  return answer.status === 404 && refusalOf(answer.body).code === 'charge_not_found';
}

export function readAnswer(
  operation: Operation,
  expected: Expected,
  answer: GatewayAnswer,
  at: { readonly askedAt: EpochMs; readonly now: EpochMs },
): CallResult {
  const { status, body } = answer;
  if (status === 429)
    return {
      kind: 'throttled',
      retryAfterMs: parseRetryAfter(answer.retryAfter, at.now) ?? DEFAULT_RETRY_AFTER_MS,
    };
  if (status >= 500) return { kind: 'error', detail: `It answered ${status}.` };
  if (status >= 200 && status < 300) {
    const statement = readDocument(parse(body), expected);
    return (
      statement ?? { kind: 'unclear', detail: `It answered ${status} with nothing that can be understood.` }
    );
  }
  return readRefusal(operation, expected, answer, at.askedAt);
}

/** What a refusal says: of the charge itself, or of the request. */
function readRefusal(
  operation: Operation,
  expected: Expected,
  { status, body }: GatewayAnswer,
  askedAt: EpochMs,
): CallResult {
  const { code, detail, charge } = refusalOf(body);
  const unclear = { kind: 'unclear', detail: `It answered ${status} (${code}).` } as const;
  switch (operation) {
    case 'charge':
      if (status === 409 && code === 'charge_voided') return { kind: 'voided' };
      return REFUSALS.has(status) && code !== KEY_REUSED && code !== NO_CODE
        ? { kind: 'rejected', code, detail }
        : unclear; // G2
    case 'inquire':
      return status === 404 && code === 'charge_not_found' ? { kind: 'not_found', askedAt } : unclear; // G2
    case 'void':
      return status === 409 && code === 'charge_approved'
        ? (readDocument(charge, expected) ?? unclear)
        : unclear;
    case 'refund':
      return REFUND_REFUSALS.has(code) ? { kind: 'rejected', code, detail } : unclear;
    case 'inquire_refund':
      return status === 404 && code === 'refund_not_found' ? { kind: 'not_found', askedAt } : unclear; // G2
    default:
      return assertNever(operation);
  }
}

/** Statuses by which a request is refused as it is, and nothing was done for it. */
const REFUSALS: ReadonlySet<number> = new Set([400, 401, 403, 404, 405, 413, 415, 422]);
/** The key is known with another body: then whatever is known under it is not ours to draw conclusions from. */
const KEY_REUSED = 'idempotency_key_reused';
/** What says that the money cannot be given back. Any other refusal is of our request, and mended by people. */
const REFUND_REFUSALS: ReadonlySet<string> = new Set([
  'charge_not_found',
  'charge_not_approved',
  'refund_exceeds_charge',
  'currency_mismatch',
]);

/** What a document says of the attempt; undefined if it is none, or about something else (G1). */
export function readDocument(document: unknown, expected: Expected): Statement | undefined {
  if (!isObject(document) || document['key'] !== expected.key) return undefined;
  const { status } = document;
  // A key that was voided before it was seen has neither amount nor currency.
  if (expected.kind === 'charge' && status === 'voided') return { kind: 'voided' };
  const isAsAsked = document['amount'] === expected.amount && document['currency'] === expected.currency;
  if (!isAsAsked) return undefined;
  const reference = textOf(document['id'], REFERENCE_MAX) || null;
  if (expected.kind === 'charge') return readCharge(document, reference);
  return document['charge'] === expected.charge ? readRefund(document, reference) : undefined;
}

function readCharge(document: JsonMembers, reference: string | null): Statement | undefined {
  switch (document['status']) {
    case 'approved':
    case 'pending':
      return { kind: document['status'], reference };
    case 'declined':
      return { kind: 'declined', ...reasonOf(document['decline']) };
    default:
      return undefined;
  }
}

function readRefund(document: JsonMembers, reference: string | null): Statement | undefined {
  switch (document['status']) {
    case 'succeeded':
      return { kind: 'refunded', reference };
    case 'pending':
      return { kind: 'pending', reference };
    case 'failed':
      return { kind: 'failed', ...reasonOf(document['failure']) };
    default:
      return undefined;
  }
}

export interface Callback {
  readonly kind: AttemptKind;
  readonly key: string;
  readonly document: unknown;
}

/** A callback's body: of which attempt it speaks. Undefined if it is none that we know. */
export function readCallback(body: Buffer): Callback | undefined {
  const parsed = parse(body);
  if (!isObject(parsed) || !isObject(parsed['data'])) return undefined;
  const [, kind, said] = /^(charge|refund)\.([a-z_]+)$/.exec(textOf(parsed['type'], CODE_MAX)) ?? [];
  const { key, status } = parsed['data'];
  if (typeof key !== 'string' || (kind !== 'charge' && kind !== 'refund')) return undefined;
  if (said !== status) return undefined; // It says one thing and the other.
  return { kind, key, document: parsed['data'] };
}

const CODE_MAX = 64;
const DETAIL_MAX = 500;
const REFERENCE_MAX = 255;
/** Stands for a code where there is none. */
const NO_CODE = 'unknown';

type JsonMembers = Readonly<Record<string, unknown>>;

function isObject(value: unknown): value is JsonMembers {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function parse(body: Buffer): unknown {
  const parsed = parseJsonBody(body);
  return parsed.ok ? parsed.value : undefined;
}

function refusalOf(body: Buffer): { code: string; detail: string; charge: unknown } {
  const parsed = parse(body);
  const members = isObject(parsed) ? parsed : {};
  return { ...reasonOf(members), charge: members['charge'] };
}

function reasonOf(value: unknown): { code: string; detail: string } {
  const reason = isObject(value) ? value : {};
  return {
    code: textOf(reason['code'], CODE_MAX) || NO_CODE,
    detail: textOf(reason['detail'], DETAIL_MAX),
  };
}

/** A provider's text as far as it can be stored and shown; empty if it is none. No character is cut in two. */
function textOf(value: unknown, length: number): string {
  if (typeof value !== 'string' || !isStorableText(value)) return '';
  const text = value.slice(0, length);
  return text.isWellFormed() ? text : text.slice(0, -1);
}
