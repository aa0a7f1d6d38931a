/**
 * What a proof needs of an event's data, read with distrust: whoever edited an event may have left anything there.
 * Undefined means that the data is not what its type promises.
 */
import type { EpochMs } from '#kernel/clock.ts';
import { parseExactly } from '#kernel/exact-integer.ts';
import { type Id, type IdPrefix, isId, type PaymentId, uuidOf } from '#kernel/ids.ts';
import { MAX_JSON_DEPTH } from '#kernel/text.ts';
import type { JsonObject, JsonValue } from '#platform/log/event.ts';

export interface Terms {
  readonly walletId: string;
  readonly serviceId: string;
  readonly amountMinor: number;
  readonly currency: string;
  readonly method: string;
}

/** What an event says of the terms; undefined members it does not speak of. */
export interface ToldTerms {
  readonly walletId?: string | undefined;
  readonly serviceId?: string | undefined;
  readonly amountMinor: number;
  readonly currency: string;
  readonly method?: string | undefined;
  /** Of a refund. */
  readonly paymentId?: string | undefined;
}

export interface OpenedAccount {
  readonly kind: string;
  readonly currency: string;
  readonly floorMinor: number | null;
  readonly name: string | null;
  readonly timeZone: string;
  /** JSON. */
  readonly metadata: string | null;
}

export interface TracedPosting {
  readonly accountId: string;
  /** Credits positive, debits negative. */
  readonly amountMinor: number;
  readonly currency: string;
  readonly sequence: number;
  readonly postedAfterMinor: number;
  readonly postedAt: EpochMs;
}

export interface TracedEntry {
  readonly tenant: string;
  readonly id: string;
  readonly uuid: string;
  readonly causeUuid: string;
  readonly purpose: string;
  readonly description: string | null;
  readonly reference: string | null;
  readonly effectiveOn: string | null;
  readonly postings: readonly TracedPosting[];
}

/** Of the longest that nothing can fall over: `JSON.parse` reads what nests any number deep, and `JSON.stringify` does not write it. */
const FLAT_CHARACTERS = 2_000;
/** Three times as deep as what is taken from anybody. */
const DEPTH_MAX = 3 * MAX_JSON_DEPTH;

function nestsTooDeep(value: JsonValue): boolean {
  let level: readonly unknown[] = [value];
  for (let depth = 0; level.length > 0; depth++) {
    if (depth > DEPTH_MAX) return true;
    level = level.flatMap((each) =>
      typeof each === 'object' && each !== null ? (Object.values(each) as unknown[]) : [],
    );
  }
  return false;
}

export function parseData(text: string): JsonObject | undefined {
  try {
    const value = parseExactly(text) as JsonValue;
    if (text.length > FLAT_CHARACTERS && nestsTooDeep(value)) return undefined;
    return isObject(value) ? value : undefined;
  } catch (error) {
    // Out of range is what nests too deep to be gone through.
    if (error instanceof SyntaxError || error instanceof RangeError) return undefined;
    throw error;
  }
}

export function termsOf({ wallet_id, service_id, amount, currency, method }: JsonObject): Terms | undefined {
  if (typeof wallet_id !== 'string' || typeof service_id !== 'string' || !isAmount(amount)) return undefined;
  if (typeof currency !== 'string' || typeof method !== 'string') return undefined;
  return { walletId: wallet_id, serviceId: service_id, amountMinor: amount, currency, method };
}

/** The payment that a refund gives back. */
export function refundedPaymentOf({ payment_id }: JsonObject): PaymentId | undefined {
  return typeof payment_id === 'string' && isId('pay', payment_id) ? payment_id : undefined;
}

/** Of an event other than an entry; 'none' if it carries no terms at all. */
export function toldTermsOf(data: JsonObject): ToldTerms | 'none' | undefined {
  const { wallet_id, amount, currency, payment_id } = data;
  if (wallet_id !== undefined) {
    const terms = termsOf(data);
    return terms && { ...terms, paymentId: textOf(payment_id) ?? undefined };
  }
  if (amount === undefined) return 'none';
  return isAmount(amount) && typeof currency === 'string' ? { amountMinor: amount, currency } : undefined;
}

/** An entry with two postings moves money from the wallet to the service; refunds and reversals move it back. */
export function movedTermsOf({ purpose, postings }: TracedEntry): ToldTerms | undefined {
  const debit = postings.find(({ amountMinor }) => amountMinor < 0);
  const credit = postings.find(({ amountMinor }) => amountMinor > 0);
  if (postings.length !== 2 || debit === undefined || credit === undefined) return undefined;
  if (debit.amountMinor !== -credit.amountMinor || debit.currency !== credit.currency) return undefined;
  const isBack = purpose === 'refund' || purpose === 'reversal';
  return {
    walletId: isBack ? credit.accountId : debit.accountId,
    serviceId: isBack ? debit.accountId : credit.accountId,
    amountMinor: credit.amountMinor,
    currency: credit.currency,
  };
}

export function openedAccountOf({
  kind,
  currency,
  floor,
  name,
  time_zone,
  metadata,
}: JsonObject): OpenedAccount | undefined {
  if (typeof kind !== 'string' || typeof currency !== 'string' || typeof time_zone !== 'string')
    return undefined;
  if (floor !== null && !Number.isSafeInteger(floor)) return undefined;
  return {
    kind,
    currency,
    floorMinor: floor as number | null,
    name: textOf(name),
    timeZone: time_zone,
    metadata: metadata === undefined || metadata === null ? null : JSON.stringify(metadata),
  };
}

/** What an entry can be posted for: a payment, a refund, a card transaction, a top-up, a cash entry, or for itself. */
const CAUSES = ['pay', 'ref', 'ctx', 'ctu', 'cen', 'jen'] as const;

export function entryOf(tenant: string, data: JsonObject): TracedEntry | undefined {
  const { entry_id, cause, purpose, description, reference, effective_on, postings } = data;
  if (typeof entry_id !== 'string' || !isId('jen', entry_id)) return undefined;
  if (typeof cause !== 'string' || !CAUSES.some((prefix) => isId(prefix, cause))) return undefined;
  if (typeof purpose !== 'string' || !Array.isArray(postings)) return undefined;
  const traced = (postings as readonly JsonValue[]).map(postingOf);
  if (traced.includes(undefined)) return undefined;
  return {
    tenant,
    id: entry_id,
    uuid: uuidOf(entry_id),
    causeUuid: uuidOf(cause as Id<IdPrefix>),
    purpose,
    description: textOf(description),
    reference: textOf(reference),
    effectiveOn: textOf(effective_on),
    postings: traced as TracedPosting[],
  };
}

function postingOf(value: JsonValue): TracedPosting | undefined {
  if (!isObject(value)) return undefined;
  const { account_id, direction, amount, currency, sequence, posted_after, posted_at } = value;
  if (typeof account_id !== 'string' || typeof currency !== 'string' || typeof posted_at !== 'string')
    return undefined;
  if (!isAmount(amount) || !isInteger(sequence) || !isInteger(posted_after)) return undefined;
  if (direction !== 'debit' && direction !== 'credit') return undefined;
  const postedAt = Date.parse(posted_at);
  if (Number.isNaN(postedAt)) return undefined;
  return {
    accountId: account_id,
    amountMinor: direction === 'debit' ? -amount : amount,
    currency,
    sequence,
    postedAfterMinor: posted_after,
    postedAt,
  };
}

export function textOf(value: JsonValue | undefined): string | null {
  return typeof value === 'string' ? value : null;
}

function isAmount(value: JsonValue | undefined): value is number {
  return Number.isSafeInteger(value) && (value as number) > 0;
}

function isInteger(value: JsonValue | undefined): value is number {
  return Number.isSafeInteger(value);
}

function isObject(value: JsonValue): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
