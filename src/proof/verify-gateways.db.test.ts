/** Gateway payments, cancels, compensations and refunds verify clean, are rebuilt equal, and damages to them are found (U14, U15). */
import pg from 'pg';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { DAMAGES_TO_GATEWAYS } from '../../tests/damages-to-gateways.ts';
import { cloneTestDatabase, type TestDatabase } from '../../tests/database.ts';
import { payThroughGateways } from '../../tests/paid-through-gateways.ts';
import { rebuild } from './rebuild.ts';
import { verify } from './verify.ts';

let sound: TestDatabase;

beforeAll(async () => {
  sound = await payThroughGateways();
}, 90_000);

afterAll(() => sound.drop());

async function withClone(work: (database: TestDatabase, owner: pg.Client) => Promise<void>): Promise<void> {
  const database = await cloneTestDatabase(sound);
  const owner = new pg.Client({ connectionString: database.url });
  await owner.connect();
  try {
    await work(database, owner);
  } finally {
    await owner.end();
    await database.drop();
  }
}

test('an installation at rest verifies clean, and what waits for the outside runs', async () => {
  const report = await verify({ url: sound.url });
  expect(report.checks.flatMap(({ findings }) => findings)).toEqual([]);
  // Two waiting for a provider, one for a person, parked; two refunds wait for their provider.
  expect(report).toMatchObject({ ok: true, payments: 19, refunds: 7, running: 6 });
});

test('the payments ended as they should', () =>
  withClone(async (_, owner) => {
    const { rows } = await owner.query<{ id: string; status: string }>(
      `select 'pay_' as kind, id, status from payments.payments union all select 'ref_', id, status from payments.refunds`,
    );
    const statuses = Object.groupBy(rows, ({ status }) => status);
    expect(Object.fromEntries(Object.entries(statuses).map(([status, of]) => [status, of?.length]))).toEqual({
      authorized: 3,
      reconciliation_required: 3,
      completed: 10,
      declined: 2,
      failed: 3,
      cancelled: 2,
      compensated: 3,
    });
  }));

/** Totals are never wiped: a person's wish to have a payment undone stands there too. */
const WIPED = [
  'payments.payments',
  'payments.refunds',
  'payments.reconciliations',
  'integrity.verdicts',
  'integrity.followed',
  'notification.notifications',
];
/** Columns that no log tells. */
const UNTOLD: Readonly<Record<string, string>> = {
  'integrity.verdicts': 'verified_at',
  'integrity.followed': 'updated_at',
};

async function dump(owner: pg.Client): Promise<Record<string, readonly string[]>> {
  const tables: Record<string, readonly string[]> = {};
  for (const table of [...WIPED, 'payments.refund_totals']) {
    const { rows } = await owner.query<Record<string, unknown>>(`select * from ${table}`);
    const told = rows.map((row) => Object.entries(row).filter(([column]) => column !== UNTOLD[table]));
    tables[table] = told.map((row) => JSON.stringify(row)).toSorted();
  }
  return tables;
}

test('read models that were wiped or falsified are rebuilt equal', () =>
  withClone(async (database, owner) => {
    const before = await dump(owner);
    await owner.query(`truncate ${WIPED.join(', ')}`);
    await owner.query('update payments.refund_totals set promised = 0, refunded = 0');
    await rebuild({ url: database.url });
    expect(await dump(owner)).toEqual(before);
    const again = await rebuild({ url: database.url });
    expect(again.every(({ written, removed }) => written === 0 && removed === 0)).toBe(true);
    expect(await verify({ url: database.url })).toMatchObject({ ok: true });
  }));

test('what is right already is not written again', () =>
  withClone(async (database) => {
    const rebuilt = await rebuild({ url: database.url });
    expect(rebuilt.map(({ model, written, removed }) => ({ model, written, removed }))).toEqual(
      rebuilt.map(({ model }) => ({ model, written: 0, removed: 0 })),
    );
  }));

test.concurrent.each(DAMAGES_TO_GATEWAYS)('$title is found', async (damage) =>
  withClone(async (database, owner) => {
    const expected = await damage.inflict(async (sql, ...values) => {
      const { rows } = await owner.query<unknown[], unknown[]>({
        text: sql,
        values: [...values],
        rowMode: 'array',
      });
      if (rows.length === 0) throw new Error(`nothing was damaged by ${sql}`);
      return String(rows[0]?.[0]);
    });
    const report = await verify({ url: database.url });
    const findings = report.checks.flatMap((check) =>
      check.findings.map(({ kind, subject }) => ({ check: check.name, kind, subject })),
    );
    expect(findings).toEqual(expect.arrayContaining([...expected]));
    expect(report.ok).toBe(false);
  }),
);
