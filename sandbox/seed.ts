/**
 * What a new sandbox has: the wallet and the service of requirement D1's own curl, funded by a posting from outside.
 * Plain requests of the public API, each with its key, so that seeding again changes nothing.
 */

export interface SeedRequest {
  readonly url: string;
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

function account(id: string, kind: string, name: string): SeedRequest {
  return {
    url: '/v1/accounts',
    idempotencyKey: `sandbox-seed-${id}`,
    body: { id, kind, currency: 'USD', name },
  };
}
