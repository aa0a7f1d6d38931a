/** Cash entries that were typed in, given back and imported, at rest. */
import { openCash } from './cash-fixture.ts';
import type { TestDatabase } from './database.ts';

/** Nobody is connected to the database when it resolves. */
export async function recordCash(): Promise<TestDatabase> {
  const fixture = await openCash();
  await fixture.openAccounts([{ id: 'book', kind: 'cashbook', currency: 'BRL' }]);
  const cash = await fixture.process();
  await cash.record({ description: 'one', category: 'Food' });
  await cash.record({ description: 'two', direction: 'debit' });
  const { document } = await cash.record({ description: 'wrong' });
  await cash.reverse(document['id'], { reason: 'Typed twice' });
  cash.importer.start();
  const sent = await cash.send('direction,amount,occurred_on,description\ncredit,7,2026-01-15,line\n', {
    accountId: 'book',
  });
  await fixture.finished(sent.document['id']);
  return fixture.leave();
}
