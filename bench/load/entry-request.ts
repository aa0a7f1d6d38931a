/** A journal entry from a wallet to a service, rendered once per connection; overwritten are key, accounts and amounts. */
import { BLANK_UUID, endOf, writeDigits, writeUuid } from './fixed-width.ts';
import { ACCOUNT_DIGITS, MAX_AMOUNT, MIN_AMOUNT, serviceId, walletId } from './payment-request.ts';
import type { Random } from './random.ts';
import { renderPost } from './render-post.ts';

export interface EntryRequestOptions {
  /** `127.0.0.1:8080` */
  readonly host: string;
  readonly apiKey: string;
  readonly wallets: number;
  readonly services: number;
  readonly random: Random;
}

export class EntryRequest {
  readonly bytes: Buffer;
  readonly #options: EntryRequestOptions;
  readonly #keyAt: number;
  readonly #walletAt: number;
  readonly #serviceAt: number;
  readonly #amountsAt: readonly number[];

  constructor(options: EntryRequestOptions) {
    this.#options = options;
    this.bytes = renderRequest(options);
    this.#keyAt = this.bytes.indexOf(BLANK_UUID);
    this.#walletAt = endOf(this.bytes, walletId(0)) - ACCOUNT_DIGITS;
    this.#serviceAt = endOf(this.bytes, serviceId(0)) - ACCOUNT_DIGITS;
    const first = this.bytes.indexOf(AMOUNT);
    this.#amountsAt = [first, this.bytes.indexOf(AMOUNT, first + 1)].map((at) => at + AMOUNT.length);
  }

  /** Makes the bytes the next request. */
  next(): Buffer {
    const { random, wallets, services } = this.#options;
    writeUuid(this.bytes, this.#keyAt, random);
    writeDigits(this.bytes, this.#walletAt, { value: random.below(wallets), width: ACCOUNT_DIGITS });
    writeDigits(this.bytes, this.#serviceAt, { value: random.below(services), width: ACCOUNT_DIGITS });
    const value = MIN_AMOUNT + random.below(MAX_AMOUNT - MIN_AMOUNT + 1);
    for (const at of this.#amountsAt) writeDigits(this.bytes, at, { value, width: 4 });
    return this.bytes;
  }
}

const AMOUNT = '"amount":';

function renderRequest({ host, apiKey }: EntryRequestOptions): Buffer {
  const body = JSON.stringify({
    postings: [
      { account_id: walletId(0), direction: 'debit', amount: MIN_AMOUNT },
      { account_id: serviceId(0), direction: 'credit', amount: MIN_AMOUNT },
    ],
  });
  return renderPost({ path: '/v1/journal-entries', host, apiKey, body });
}
