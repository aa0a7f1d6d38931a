/** Whose imports are worked on, by one process alone. */
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { type CashFixture, openCash } from '../../../tests/cash-fixture.ts';
import { PATIENCE } from '../../../tests/patience.ts';

let fixture: CashFixture;

beforeAll(async () => {
  fixture = await openCash();
});
afterAll(() => fixture.close());

test('IM3: a tenant with many imports holds up nobody else’s', async () => {
  const { send, importer } = await fixture.process();
  // Its line fails, so an import takes two turns: of its chunk, and of its end.
  const file = (n: number) =>
    `account_id,direction,amount,occurred_on,description\nnobody,credit,1,2026-01-15,of ${n}\n`;
  const many = 20;
  await Promise.all(Array.from({ length: many }, (_, n) => send(file(n), { tenant: 'busy' })));
  await send(file(0), { tenant: 'other' });
  importer.start();
  await vi.waitUntil(
    async () => (await fixture.rows('select from cashflow.open_imports')).length === 0,
    PATIENCE,
  );
  const earlier = await fixture.rows(
    `select from cashflow.imports i
     where i.tenant = 'busy' and i.finished_at <= (select finished_at from cashflow.imports where tenant = 'other')`,
  );
  expect(earlier.length).toBeLessThan(many / 2);
});
