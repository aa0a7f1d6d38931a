/** A card transaction rendered once per connection, as payment-request.ts does; overwritten are id, card, code and amount. */
import { BLANK_UUID, endOf, writeDigits, writeUuid } from './fixed-width.ts';
import type { Random } from './random.ts';
import { renderPost } from './render-post.ts';

const CARD_DIGITS = 6;
/** FOOD, MEAL, and one that belongs to no benefit. */
const MCCS = [5411, 5811, 5999] as const;
/** As networks send it: 40 characters of fixed width. */
const MERCHANT = 'PADARIA DO ZE               SAO PAULO BR';
const AMOUNT = '10.00';
/** Of whole units, the first two digits. */
const MIN_UNITS = 10;
const MAX_UNITS = 99;

export function cardAccount(index: number): string {
  return `bench-c-${String(index).padStart(CARD_DIGITS, '0')}`;
}

export interface CardRequestOptions {
  /** `127.0.0.1:8080` */
  readonly host: string;
  readonly apiKey: string;
  readonly cards: number;
  readonly random: Random;
}

export class CardRequest {
  readonly bytes: Buffer;
  readonly #options: CardRequestOptions;
  readonly #idAt: number;
  readonly #cardAt: number;
  readonly #mccAt: number;
  readonly #amountAt: number;

  constructor(options: CardRequestOptions) {
    this.#options = options;
    this.bytes = renderRequest(options);
    this.#idAt = this.bytes.indexOf(BLANK_UUID);
    this.#cardAt = endOf(this.bytes, cardAccount(0)) - CARD_DIGITS;
    this.#mccAt = endOf(this.bytes, '"mcc":"');
    this.#amountAt = endOf(this.bytes, '"totalAmount":');
  }

  /** Makes the bytes the next request. */
  next(): Buffer {
    const { random, cards } = this.#options;
    writeUuid(this.bytes, this.#idAt, random);
    writeDigits(this.bytes, this.#cardAt, { value: random.below(cards), width: CARD_DIGITS });
    writeDigits(this.bytes, this.#mccAt, { value: MCCS[random.below(MCCS.length)] ?? MCCS[0], width: 4 });
    const units = MIN_UNITS + random.below(MAX_UNITS - MIN_UNITS + 1);
    writeDigits(this.bytes, this.#amountAt, { value: units, width: 2 });
    return this.bytes;
  }
}

function renderRequest({ host, apiKey }: CardRequestOptions): Buffer {
  const body = `{"id":"${BLANK_UUID}","account":"${cardAccount(0)}","totalAmount":${AMOUNT},"mcc":"${MCCS[0]}","merchant":"${MERCHANT}"}`;
  return renderPost({ path: '/v1/card-transactions', host, apiKey, body, isKeyed: false });
}
