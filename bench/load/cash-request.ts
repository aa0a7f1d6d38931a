/** A cash entry rendered once per connection, as payment-request.ts does; overwritten are key, book, direction, amount and category. */
import { BLANK_UUID, endOf, writeDigits, writeUuid } from './fixed-width.ts';
import type { Random } from './random.ts';
import { renderPost } from './render-post.ts';

const BOOK_DIGITS = 6;
const CATEGORY_DIGITS = 2;
/** Of a merchant who tells his costs apart. */
const CATEGORIES = 20;
const MIN_AMOUNT = 100_000;
const MAX_AMOUNT = 999_999;
const AMOUNT_DIGITS = 6;
/** Of one length. */
const DIRECTIONS = ['"debit" ', '"credit"'] as const;
/** Today, as books of which nothing else is said have it. */
const DATES = new Intl.DateTimeFormat('en-CA', { timeZone: 'America/Sao_Paulo' });

export function cashBook(index: number): string {
  return `bench-b-${String(index).padStart(BOOK_DIGITS, '0')}`;
}

export interface CashRequestOptions {
  /** `127.0.0.1:8080` */
  readonly host: string;
  readonly apiKey: string;
  readonly books: number;
  readonly random: Random;
}

export class CashRequest {
  readonly bytes: Buffer;
  readonly #options: CashRequestOptions;
  readonly #keyAt: number;
  readonly #bookAt: number;
  readonly #directionAt: number;
  readonly #amountAt: number;
  readonly #categoryAt: number;

  constructor(options: CashRequestOptions) {
    this.#options = options;
    this.bytes = renderRequest(options);
    this.#keyAt = this.bytes.indexOf(BLANK_UUID);
    this.#bookAt = endOf(this.bytes, cashBook(0)) - BOOK_DIGITS;
    this.#directionAt = endOf(this.bytes, '"direction":');
    this.#amountAt = endOf(this.bytes, '"amount":');
    this.#categoryAt = endOf(this.bytes, '"category":"costs-');
  }

  /** Makes the bytes the next request. */
  next(): Buffer {
    const { random, books } = this.#options;
    writeUuid(this.bytes, this.#keyAt, random);
    writeDigits(this.bytes, this.#bookAt, { value: random.below(books), width: BOOK_DIGITS });
    this.bytes.write(DIRECTIONS[random.below(2)] ?? DIRECTIONS[0], this.#directionAt, 'latin1');
    const amount = MIN_AMOUNT + random.below(MAX_AMOUNT - MIN_AMOUNT + 1);
    writeDigits(this.bytes, this.#amountAt, { value: amount, width: AMOUNT_DIGITS });
    writeDigits(this.bytes, this.#categoryAt, { value: random.below(CATEGORIES), width: CATEGORY_DIGITS });
    return this.bytes;
  }
}

function renderRequest({ host, apiKey }: CashRequestOptions): Buffer {
  const body = `{"account_id":"${cashBook(0)}","direction":${DIRECTIONS[0]},"amount":${MIN_AMOUNT},"occurred_on":"${DATES.format()}","description":"What it was for","category":"costs-00"}`;
  return renderPost({ path: '/v1/cash-entries', host, apiKey, body });
}
