/** The accounts that the payments go between, opened and funded through the API as anybody would. */
import { CURRENCY, serviceId, walletId } from '../load/payment-request.ts';
import { type Api, type ApiAnswer, forEachConcurrently } from './api.ts';

export const FUNDING_ACCOUNT = 'bench-funding';
const CONCURRENT_REQUESTS = 64;
/** An entry has at most 500 postings, one of which is the funding account's. */
const WALLETS_PER_ENTRY = 499;
/** Enough for a hundred thousand payments from each wallet. */
const WALLET_FUNDS_MINOR = 1_000_000_000;

export interface AccountCounts {
  readonly wallets: number;
  readonly services: number;
}

/** What exists from an earlier run on the same data is left as it is. */
export async function prepareAccounts(
  api: Api,
  counts: AccountCounts,
  onProgress: (text: string) => void,
): Promise<void> {
  await openAccount(api, { id: FUNDING_ACCOUNT, kind: 'external' });
  const wallets = Array.from({ length: counts.wallets }, (_, index) => walletId(index));
  const services = Array.from({ length: counts.services }, (_, index) => serviceId(index));
  const accounts = [
    ...wallets.map((id) => ({ id, kind: 'wallet' })),
    ...services.map((id) => ({ id, kind: 'service' })),
  ];
  let opened = 0;
  await forEachConcurrently(accounts, CONCURRENT_REQUESTS, async (account) => {
    await openAccount(api, account);
    opened += 1;
    onProgress(`${opened} of ${accounts.length} accounts opened`);
  });
  await fund(api, wallets);
}

async function openAccount(api: Api, account: { id: string; kind: string }): Promise<void> {
  const answer = await api.post(
    '/v1/accounts',
    { ...account, currency: CURRENCY },
    `bench-open-${account.id}`,
  );
  if (answer.status !== 201 && answer.status !== 409) throw unexpected(`account ${account.id}`, answer);
}

async function fund(api: Api, wallets: readonly string[]): Promise<void> {
  const starts = Array.from({ length: Math.ceil(wallets.length / WALLETS_PER_ENTRY) }, (_, index) => index);
  await forEachConcurrently(starts, 4, async (index) => {
    const share = wallets.slice(index * WALLETS_PER_ENTRY, (index + 1) * WALLETS_PER_ENTRY);
    const postings = [
      { account_id: FUNDING_ACCOUNT, direction: 'debit', amount: share.length * WALLET_FUNDS_MINOR },
      ...share.map((id) => ({ account_id: id, direction: 'credit', amount: WALLET_FUNDS_MINOR })),
    ];
    const answer = await api.post('/v1/journal-entries', { postings }, `bench-fund-${index}-${share.length}`);
    if (answer.status !== 201) throw unexpected(`the entry that funds wallets from ${share[0]}`, answer);
  });
}

function unexpected(what: string, { status, body }: ApiAnswer): Error {
  return new Error(`${what} was answered ${status}: ${JSON.stringify(body)}`);
}
