/** A message for a connector rendered once per connection, as payment-request.ts does; overwritten are key, order and amount. */
import { BLANK_UUID, endOf, writeDigits, writeUuid } from './fixed-width.ts';
import type { Random } from './random.ts';
import { renderPost } from './render-post.ts';

const ORDER_DIGITS = 9;
const ORDERS = 1_000_000_000;
/** Minor units, of a fixed width. */
const MIN_CENTS = 1000;
const MAX_CENTS = 9999;

export interface IntegrationRequestOptions {
  /** `127.0.0.1:8080` */
  readonly host: string;
  readonly apiKey: string;
  readonly connector: string;
  readonly random: Random;
}

export class IntegrationRequest {
  readonly bytes: Buffer;
  readonly #options: IntegrationRequestOptions;
  readonly #keyAt: number;
  readonly #orderAt: number;
  readonly #centsAt: number;

  constructor(options: IntegrationRequestOptions) {
    this.#options = options;
    this.bytes = renderRequest(options);
    this.#keyAt = this.bytes.indexOf(BLANK_UUID);
    this.#orderAt = endOf(this.bytes, '"order":"o-');
    this.#centsAt = endOf(this.bytes, '"cents":');
  }

  /** Makes the bytes the next request. */
  next(): Buffer {
    const { random } = this.#options;
    writeUuid(this.bytes, this.#keyAt, random);
    writeDigits(this.bytes, this.#orderAt, { value: random.below(ORDERS), width: ORDER_DIGITS });
    const cents = MIN_CENTS + random.below(MAX_CENTS - MIN_CENTS + 1);
    writeDigits(this.bytes, this.#centsAt, { value: cents, width: 4 });
    return this.bytes;
  }
}

function renderRequest({ host, apiKey, connector }: IntegrationRequestOptions): Buffer {
  const body = `{"order":"o-${'0'.repeat(ORDER_DIGITS)}","country":"BR","lines":[{"sku":"coffee","cents":${MIN_CENTS}}]}`;
  return renderPost({ path: `/v1/integrations/${connector}`, host, apiKey, body });
}
