/** A year's daily balances of one of the wallets, rendered once per connection; overwritten is the account. */
import { endOf, writeDigits } from './fixed-width.ts';
import { ACCOUNT_DIGITS, walletId } from './payment-request.ts';
import type { Random } from './random.ts';

const YEAR_MS = 365 * 86_400_000;

export interface ReportRequestOptions {
  /** `127.0.0.1:8080` */
  readonly host: string;
  readonly apiKey: string;
  readonly wallets: number;
  readonly random: Random;
}

export class ReportRequest {
  readonly bytes: Buffer;
  readonly #options: ReportRequestOptions;
  readonly #walletAt: number;

  constructor(options: ReportRequestOptions) {
    this.#options = options;
    this.bytes = Buffer.from(renderRequest(options), 'latin1');
    this.#walletAt = endOf(this.bytes, walletId(0)) - ACCOUNT_DIGITS;
  }

  /** Makes the bytes the next request. */
  next(): Buffer {
    const { random, wallets } = this.#options;
    writeDigits(this.bytes, this.#walletAt, { value: random.below(wallets), width: ACCOUNT_DIGITS });
    return this.bytes;
  }
}

function renderRequest({ host, apiKey }: ReportRequestOptions): string {
  const day = (at: number): string => new Date(at).toISOString().slice(0, 10);
  const range = `from=${day(Date.now() - YEAR_MS)}&to=${day(Date.now())}`;
  return [
    `GET /v1/accounts/${walletId(0)}/daily-balances?${range} HTTP/1.1`,
    `host: ${host}`,
    `authorization: Bearer ${apiKey}`,
    '',
    '',
  ].join('\r\n');
}
