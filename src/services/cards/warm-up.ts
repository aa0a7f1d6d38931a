/**
 * A card transaction of nobody, by which a process that starts has its statements planned, its tables opened and its code
 * compiled: read, approved, posted and told, and never committed.
 */
import type { EpochMs } from '#kernel/clock.ts';
import { type Balance, Books } from '#services/ledger/contract.ts';
import type { Asked, CardBatch } from './authorize-card-transaction.ts';
import { balanceAccountIds, type Card, cardRef, settlementAccountId } from './card.ts';
import { readCardTransaction } from './read-card-transaction.ts';
import type { Origin } from './render-events.ts';

/** Undoes the warm-up. */
export class WarmedUp extends Error {}

const NOBODY = { tenant: '', account: 'nobody', currency: 'BRL' } as const;
const REQUEST =
  '{"id": "warm-up", "account": "nobody", "totalAmount": 1.00, "mcc": "5411", "merchant": "NOBODY"}';

export const ORIGIN_OF_WARM_UP: Origin = { correlationId: '-', causation: '-', traceparent: null };

/** Of no tenant. */
export function askedOfNobody(): Asked {
  const reading = readCardTransaction(Buffer.from(REQUEST));
  return { tenant: NOBODY.tenant, uuid: '00000000-0000-7000-8000-000000000000', reading };
}

/** A card that can pay. Its accounts have keys that no account has. */
export function batchOfNobody(now: EpochMs): CardBatch {
  const settlement = settlementAccountId(NOBODY.currency);
  const accounts = [...balanceAccountIds(NOBODY.account), settlement];
  const balances = accounts.map((id, index): Balance => {
    const floorMinor = id === settlement ? null : 0n;
    const account = { ...NOBODY, id, key: BigInt(-1 - index), kind: 'card', floorMinor } as const;
    return { account, status: 'open', postedMinor: 100n, heldMinor: 0n, sequence: 0n, lastPostedAt: now };
  });
  const card: Card = { ...NOBODY, createdAt: now, status: 'active', callbackUrl: null };
  return {
    books: new Books({ balances, holds: [], entryIds: [] }),
    cards: new Map([[cardRef(card), card]]),
    claims: new Map(),
    certain: new Set(),
    rules: new Map(),
  };
}
