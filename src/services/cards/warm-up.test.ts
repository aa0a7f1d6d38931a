/** The card transaction of nobody goes the whole way that the first one of somebody goes. */
import { expect, test } from 'vitest';
import { authorizeCardTransaction } from './authorize-card-transaction.ts';
import { askedOfNobody, batchOfNobody } from './warm-up.ts';

test('K5: what a process warms up by is read, approved and posted', () => {
  const [asked, batch] = [askedOfNobody(), batchOfNobody(0)];
  const outcome = authorizeCardTransaction(batch, asked, { now: 0, latencyMs: 0, isLate: false });
  expect(outcome).toMatchObject({
    kind: 'decided',
    cardTransaction: { code: '00', category: 'FOOD', claimed: true },
    entry: { postings: [{ amountMinor: -100n }, { amountMinor: 100n }] },
  });
});
