/** T7: what every account has is what the answers have promised, and nothing has come from nowhere. */
import { COMPLETED, type EntryBody } from './documents.ts';
import type { Finding } from './finding.ts';
import { cardMovements, heldOnCards } from './judge-cards.ts';
import type { Recollection } from './recollection.ts';

export function judgeMoney(recollection: Recollection): Finding[] {
  const promised = promisedBy(recollection);
  const heldOf = heldOnCards(recollection);
  const sums = new Map<string, number>();
  const findings: Finding[] = [];
  for (const { id, currency, balance } of recollection.accounts.values()) {
    add(sums, currency, balance.posted);
    const posted = promised.get(id) ?? 0;
    const held = heldOf.get(id) ?? 0;
    if (balance.posted !== posted || balance.held !== held)
      findings.push({
        rule: 'T7',
        subject: id,
        what: `has ${JSON.stringify(balance)}, the answers promise ${posted}, and ${held} held`,
      });
  }
  for (const [currency, sum] of sums)
    if (sum !== 0) findings.push({ rule: 'T7', subject: currency, what: `sums to ${sum} over all accounts` });
  for (const id of promised.keys())
    if (!recollection.accounts.has(id))
      findings.push({ rule: 'T7', subject: id, what: 'has money and was not read at the end' });
  return findings;
}

function promisedBy(recollection: Recollection): Map<string, number> {
  const { orders, payments, refunds } = recollection;
  const posted = new Map<string, number>();
  for (const { operation, requests } of orders.values())
    for (const { body, answer } of operation === 'entry' ? requests : [])
      if (answer?.status === 201) post(posted, JSON.parse(body) as EntryBody);
  for (const { last } of payments.values())
    if (last?.status === COMPLETED)
      move(posted, { from: last.wallet_id, to: last.service_id, amount: last.amount });
  for (const { last } of refunds.values()) {
    const payment = payments.get(last?.payment_id ?? '')?.last;
    if (last?.status === COMPLETED && payment !== undefined)
      move(posted, { from: payment.service_id, to: payment.wallet_id, amount: last.amount });
  }
  for (const movement of cardMovements(recollection)) move(posted, movement);
  return posted;
}

function post(posted: Map<string, number>, { postings }: EntryBody): void {
  for (const { account_id, direction, amount } of postings)
    add(posted, account_id, direction === 'credit' ? amount : -amount);
}

function move(
  posted: Map<string, number>,
  { from, to, amount }: { readonly from: string; readonly to: string; readonly amount: number },
): void {
  add(posted, from, -amount);
  add(posted, to, amount);
}

function add(sums: Map<string, number>, id: string, amount: number): void {
  sums.set(id, (sums.get(id) ?? 0) + amount);
}
