/**
 * Judges a history (T1 … T12). It knows what was asked and answered over HTTP, the product's routes and the providers', and
 * nothing else: no database, no log, no code of the product.
 *
 * T1: a key has one answer for ever, byte for byte; another request under it is refused; nothing that was sent right is
 *     answered by anything but a decision or a 503.
 * T2: every request is decided in the end.
 * T3: the payments that exist are those that were acknowledged, each once; each payment and refund has one end, and a
 *     complete verdict.
 * T4: a status never goes back, in whatever process it is read; an end is for good.
 * T5: a payment's terms are those that were asked for.
 * T6: no more is given back than was paid, and an end has its reason.
 * T7: every account has what the answers promise, nothing is held, a currency sums to zero; no balance was ever below its
 *     floor.
 * T8: the providers' books agree, payment by payment and refund by refund.
 * T9: of the payments with one reference one at most has moved money.
 * T10: a card transaction that was answered `00` stands, once, as it was asked for, and is never answered otherwise again, but for
 *     a `07` while faults go on; one that was never answered `00` is not applied. Asked again patiently, it is answered by what
 *     became of it.
 * T11: of a card transaction that stands so much is captured and given back as the answers say; of others nothing is left. The
 *     verdict on each that has come to its end is complete.
 * T12: of approvals that nobody may have been told none is left once they were asked for again.
 */
import type { HistoryRecord } from '../history/history.ts';
import type { Finding } from './finding.ts';
import { judgeBooks } from './judge-books.ts';
import { judgeCards } from './judge-cards.ts';
import { judgeMoney } from './judge-money.ts';
import { judgePayments } from './judge-payments.ts';
import { judgeRequests } from './judge-requests.ts';
import { Recollection } from './recollection.ts';

export interface Judgement {
  readonly findings: readonly Finding[];
  /** Of payments and of refunds, how many have which status at the end. */
  readonly payments: Readonly<Record<string, number>>;
  readonly refunds: Readonly<Record<string, number>>;
  /** Decisions on card transactions, how many have which code at the end. */
  readonly cardTransactions: Readonly<Record<string, number>>;
  /** Requests under keys of their own that were answered by a 2xx, by operation. */
  readonly acknowledged: Readonly<Record<string, number>>;
}

export async function checkHistory(
  records: AsyncIterable<HistoryRecord> | Iterable<HistoryRecord>,
): Promise<Judgement> {
  const recollection = new Recollection();
  for await (const record of records) recollection.note(record);
  const { findings, payments, refunds, orders } = recollection;
  const accepted = [...orders.values()].filter(({ requests }) =>
    requests.some(({ answer }) => answer !== undefined && answer.status < 300),
  );
  return {
    findings: [
      ...findings,
      ...judgeRequests(recollection),
      ...judgePayments(recollection),
      ...judgeMoney(recollection),
      ...judgeBooks(recollection),
      ...judgeCards(recollection),
    ],
    payments: count([...payments.values()], ({ last }) => last?.status ?? 'unknown'),
    refunds: count([...refunds.values()], ({ last }) => last?.status ?? 'unknown'),
    cardTransactions: count([...(recollection.cards.listed?.values() ?? [])], ({ code }) => code),
    acknowledged: count(accepted, ({ operation }) => operation),
  };
}

function count<T>(items: readonly T[], nameOf: (item: T) => string): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const item of items) counts[nameOf(item)] = (counts[nameOf(item)] ?? 0) + 1;
  return counts;
}
