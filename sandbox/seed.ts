/**
 * What a new sandbox has: the wallet and the service of requirement D1's own curl, funded by a posting from outside; the
 * card of K1's own, and the merchant rules of K4's examples; a cash book. Plain requests of the public API, each with its key, so that
 * seeding again changes nothing.
 */

export interface SeedRequest {
  /** Default POST. */
  readonly method?: 'PUT';
  readonly url: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly idempotencyKey: string;
  readonly body: Readonly<Record<string, unknown>>;
}

/** Minor units: 1,000,000.00 USD. */
const WALLET_FUNDS = 100_000_000;

export const SANDBOX_WALLET = 'wal-1234';
export const SANDBOX_SERVICE = 'abc-1234';

export const SANDBOX_SEED: readonly SeedRequest[] = [
  account('bank-usd', 'external', 'Where the sandbox money comes from'),
  account(SANDBOX_WALLET, 'wallet', 'A wallet with money'),
  account(SANDBOX_SERVICE, 'service', 'A service that is paid'),
  {
    url: '/v1/journal-entries',
    idempotencyKey: 'sandbox-seed-funds',
    body: {
      postings: [
        { account_id: 'bank-usd', direction: 'debit', amount: WALLET_FUNDS },
        { account_id: SANDBOX_WALLET, direction: 'credit', amount: WALLET_FUNDS },
      ],
      description: 'Sandbox funds',
    },
  },
];

/** Minor units: 1,000.00 BRL. */
const CARD_FUNDS = 100_000;

export const SANDBOX_CARD = '123';

export const SANDBOX_CARDS_SEED: readonly SeedRequest[] = [
  {
    url: '/v1/cards',
    idempotencyKey: 'sandbox-seed-card',
    body: {
      account: SANDBOX_CARD,
      currency: 'BRL',
      balances: { FOOD: CARD_FUNDS, MEAL: CARD_FUNDS, CASH: CARD_FUNDS },
    },
  },
  {
    method: 'PUT',
    url: '/v1/merchant-rules',
    headers: { 'if-match': '"0"' },
    idempotencyKey: 'sandbox-seed-merchant-rules',
    body: {
      rules: [
        { pattern: 'UBER EATS', match: 'prefix', category: 'MEAL' },
        { pattern: 'UBER TRIP', match: 'prefix', category: 'CASH' },
        { pattern: 'PAG*JoseDaSilva', match: 'prefix', category: 'CASH' },
        { pattern: 'PICPAY*BILHETEUNICO', match: 'prefix', category: 'CASH' },
      ],
    },
  },
];

export const SANDBOX_BOOK = 'book-1234';

export const SANDBOX_CASH_SEED: readonly SeedRequest[] = [account(SANDBOX_BOOK, 'cashbook', 'A cash book')];

function account(id: string, kind: string, name: string): SeedRequest {
  return {
    url: '/v1/accounts',
    idempotencyKey: `sandbox-seed-${id}`,
    body: { id, kind, currency: 'USD', name },
  };
}
