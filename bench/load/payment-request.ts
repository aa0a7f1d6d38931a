/**
 * A payment request rendered once per connection; for each request only the idempotency key, the two accounts and the
 * amount are overwritten, all of fixed width, so that neither a string nor a length is made anew. A connection has
 * one request in flight, so its bytes are not needed any more when they are overwritten.
 */
import { BLANK_UUID as BLANK_KEY, endOf, writeDigits, writeUuid } from './fixed-width.ts';
import type { Random } from './random.ts';
import { renderPost } from './render-post.ts';

export const ACCOUNT_DIGITS = 6;

/** Minor units. Four digits: a fixed width without a leading zero. */
export const MIN_AMOUNT = 1000;
export const MAX_AMOUNT = 9999;
export const CURRENCY = 'USD';

export type PaymentMethod = 'balance' | 'gateway';

export function walletId(index: number): string {
  return `bench-w-${String(index).padStart(ACCOUNT_DIGITS, '0')}`;
}

export function serviceId(index: number): string {
  return `bench-s-${String(index).padStart(ACCOUNT_DIGITS, '0')}`;
}

export interface PaymentRequestOptions {
  /** `127.0.0.1:8080` */
  readonly host: string;
  readonly apiKey: string;
  readonly method: PaymentMethod;
  readonly wallets: number;
  readonly services: number;
  readonly random: Random;
  /** Seconds to wait for the final state; 0 to be answered when the request is durable. */
  readonly waitSeconds: number;
}

export class PaymentRequest {
  readonly bytes: Buffer;
  readonly #options: PaymentRequestOptions;
  readonly #keyAt: number;
  readonly #walletAt: number;
  readonly #serviceAt: number;
  readonly #amountAt: number;

  constructor(options: PaymentRequestOptions) {
    this.#options = options;
    this.bytes = renderRequest(options);
    this.#keyAt = this.bytes.indexOf(BLANK_KEY);
    this.#walletAt = endOf(this.bytes, walletId(0)) - ACCOUNT_DIGITS;
    this.#serviceAt = endOf(this.bytes, serviceId(0)) - ACCOUNT_DIGITS;
    this.#amountAt = endOf(this.bytes, '"amount":');
  }

  /** Makes the bytes the next request: a new key, accounts and amount. */
  next(): Buffer {
    const { random, wallets, services } = this.#options;
    writeUuid(this.bytes, this.#keyAt, random);
    writeDigits(this.bytes, this.#walletAt, { value: random.below(wallets), width: ACCOUNT_DIGITS });
    writeDigits(this.bytes, this.#serviceAt, { value: random.below(services), width: ACCOUNT_DIGITS });
    const amount = MIN_AMOUNT + random.below(MAX_AMOUNT - MIN_AMOUNT + 1);
    writeDigits(this.bytes, this.#amountAt, { value: amount, width: 4 });
    return this.bytes;
  }
}

function renderRequest({ host, apiKey, method, waitSeconds }: PaymentRequestOptions): Buffer {
  const body = JSON.stringify({
    wallet_id: walletId(0),
    service_id: serviceId(0),
    amount: MIN_AMOUNT,
    currency: CURRENCY,
    method,
  });
  const prefer = waitSeconds > 0 ? [`prefer: wait=${waitSeconds}`] : [];
  return renderPost({ path: '/v1/payments', host, apiKey, body, headers: prefer });
}
