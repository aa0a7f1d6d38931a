/**
 * A payment request rendered once per connection; for each request only the idempotency key, the two accounts and the
 * amount are overwritten, all of fixed width, so that neither a string nor a length is made anew. A connection has
 * one request in flight, so its bytes are not needed any more when they are overwritten.
 */
import type { Random } from './random.ts';

const HEX_PAIRS = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, '0'));
const HEX_HIGH = Uint8Array.from(HEX_PAIRS, (pair) => pair.charCodeAt(0));
const HEX_LOW = Uint8Array.from(HEX_PAIRS, (pair) => pair.charCodeAt(1));
const DIGIT_ZERO = 0x30;
const ACCOUNT_DIGITS = 6;
const BLANK_KEY = '00000000-0000-4000-8000-000000000000';
/** Where the hex digits of each byte stand in a UUID's text. */
const UUID_OFFSETS = [0, 2, 4, 6, 9, 11, 14, 16, 19, 21, 24, 26, 28, 30, 32, 34] as const;
const VERSION_BYTE = 6;
const VARIANT_BYTE = 8;

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
    this.bytes = Buffer.from(renderRequest(options), 'latin1');
    this.#keyAt = this.bytes.indexOf(BLANK_KEY);
    this.#walletAt = endOf(this.bytes, walletId(0)) - ACCOUNT_DIGITS;
    this.#serviceAt = endOf(this.bytes, serviceId(0)) - ACCOUNT_DIGITS;
    this.#amountAt = endOf(this.bytes, '"amount":');
  }

  /** Makes the bytes the next request: a new key, accounts and amount. */
  next(): Buffer {
    const { random, wallets, services } = this.#options;
    this.#writeKey(random);
    this.#writeDigits(this.#walletAt, random.below(wallets), ACCOUNT_DIGITS);
    this.#writeDigits(this.#serviceAt, random.below(services), ACCOUNT_DIGITS);
    this.#writeDigits(this.#amountAt, MIN_AMOUNT + random.below(MAX_AMOUNT - MIN_AMOUNT + 1), 4);
    return this.bytes;
  }

  /** A UUID of version 4 in form, from the seeded source (RFC 9562 §5.4). */
  #writeKey(random: Random): void {
    for (let byte = 0; byte < UUID_OFFSETS.length; byte += 4) {
      const word = random.uint32();
      for (let part = 0; part < 4; part += 1) this.#writeKeyByte(byte + part, (word >>> (8 * part)) & 0xff);
    }
  }

  #writeKeyByte(index: number, random: number): void {
    const byte =
      index === VERSION_BYTE
        ? (random & 0x0f) | 0x40
        : index === VARIANT_BYTE
          ? (random & 0x3f) | 0x80
          : random;
    const at = this.#keyAt + (UUID_OFFSETS[index] ?? 0);
    this.bytes[at] = HEX_HIGH[byte] ?? 0;
    this.bytes[at + 1] = HEX_LOW[byte] ?? 0;
  }

  #writeDigits(at: number, value: number, width: number): void {
    let rest = value;
    for (let place = at + width - 1; place >= at; place -= 1) {
      this.bytes[place] = DIGIT_ZERO + (rest % 10);
      rest = Math.trunc(rest / 10);
    }
  }
}

function renderRequest({ host, apiKey, method, waitSeconds }: PaymentRequestOptions): string {
  const body = JSON.stringify({
    wallet_id: walletId(0),
    service_id: serviceId(0),
    amount: MIN_AMOUNT,
    currency: CURRENCY,
    method,
  });
  const prefer = waitSeconds > 0 ? [`prefer: wait=${waitSeconds}`] : [];
  return [
    'POST /v1/payments HTTP/1.1',
    `host: ${host}`,
    `authorization: Bearer ${apiKey}`,
    `idempotency-key: ${BLANK_KEY}`,
    'content-type: application/json',
    `content-length: ${body.length}`,
    ...prefer,
    '',
    body,
  ].join('\r\n');
}

function endOf(bytes: Buffer, text: string): number {
  return bytes.indexOf(text) + text.length;
}
