/** The event log is the truth: read models that were wiped or falsified are made anew from it, row by row (U15). */
import pg from 'pg';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { cloneTestDatabase, type TestDatabase } from '../../tests/database.ts';
import { type Engine, startEngine } from '../../tests/engine.ts';
import { type PaidInstallation, payEveryEnding } from '../../tests/paid-installation.ts';
import { rebuild } from './rebuild.ts';
import { verify } from './verify.ts';

let sound: PaidInstallation;
let database: TestDatabase;

beforeAll(async () => {
  sound = await payEveryEnding();
});

afterAll(() => sound.database.drop());

async function withClone(work: () => Promise<void>): Promise<void> {
  database = await cloneTestDatabase(sound.database);
  try {
    await work();
  } finally {
    await database.drop();
  }
}

async function asOwner<Row extends pg.QueryResultRow>(sql: string): Promise<Row[]> {
  const owner = new pg.Client({ connectionString: database.url });
  await owner.connect();
  try {
    return (await owner.query<Row>(sql)).rows;
  } finally {
    await owner.end();
  }
}

/** Locked in the order in which consumers, who may be at work, lock them. */
const WIPE = `truncate payments.payments, integrity.verdicts, integrity.followed, notification.notifications,
  consolidation.standings, consolidation.days`;

/** Every row of the read models; of a verdict not when it was reached, and of a day not which version it is, which no log tells. */
async function readModels(): Promise<unknown> {
  const payments = await asOwner('select * from payments.payments order by tenant, id');
  const verdicts = await asOwner(
    'select subject, tenant, verdict, stages, findings from integrity.verdicts order by 1',
  );
  const followed = await asOwner('select * from integrity.followed order by 1');
  const notifications = await asOwner('select * from notification.notifications order by 1, 2');
  const days = await asOwner(
    `select account_key, day, opening, credits, debits, count, closing, hash, sealed_at from consolidation.days order by 1, 2`,
  );
  return { payments, verdicts, followed, notifications, days };
}

test('wiped read models are rebuilt equal, row by row', () =>
  withClone(async () => {
    const before = await readModels();
    await asOwner(WIPE);
    const rebuilt = await rebuild({ url: database.url });
    expect(
      rebuilt
        .filter(({ model }) => model !== 'days')
        .map(({ model, payments, written, removed }) => ({ model, payments, written, removed })),
    ).toEqual([
      { model: 'payments', payments: 25, written: 25, removed: 0 },
      { model: 'refunds', payments: 0, written: 0, removed: 0 },
      { model: 'verdicts', payments: 25, written: 25, removed: 0 },
      { model: 'notifications', payments: 25, written: 25, removed: 0 },
    ]);
    expect(await readModels()).toEqual(before);
  }));

test('what is right already is not written again', () =>
  withClone(async () => {
    const rebuilt = await rebuild({ url: database.url });
    expect(rebuilt.every(({ written, removed }) => written === 0 && removed === 0)).toBe(true);
  }));

test('falsified rows are put right, forged ones removed', () =>
  withClone(async () => {
    const before = await readModels();
    await asOwner(`
      update payments.payments set status = 'completed', failure_code = null where status = 'declined';
      update payments.payments set amount = amount + 1 where status = 'completed';
      insert into payments.payments
        select tenant, gen_random_uuid(), wallet_id, service_id, amount, currency, method, reference, description,
               metadata, status, failure_code, failure_detail, correlation_id, created_at, updated_at
        from payments.payments limit 3;
      update integrity.verdicts set verdict = 'broken' where subject = (select min(subject) from integrity.verdicts);
      insert into integrity.verdicts select 'pay_nothing', tenant, verdict, stages, findings, now()
        from integrity.verdicts limit 1;
      insert into integrity.verdicts select 'aaa', tenant, verdict, stages, findings, now()
        from integrity.verdicts limit 1;
      insert into integrity.followed select subject, tenant, '[]', now() from integrity.verdicts limit 1;
      delete from notification.notifications where type = 'payment.failed';
      insert into notification.notifications select subject, 'payment.lost', id, tenant, payload, created_at
        from notification.notifications limit 1;
      update notification.notifications set payload = '{}' where type = 'payment.rejected'`);
    await rebuild({ url: database.url });
    expect(await readModels()).toEqual(before);
    expect(await verify({ url: database.url })).toMatchObject({ ok: true });
  }));

test('one model is rebuilt without the others', () =>
  withClone(async () => {
    await asOwner(WIPE);
    await rebuild({ url: database.url, models: ['notifications'] });
    const [counts] = await asOwner<{ notifications: string; payments: string }>(
      `select (select count(*) from notification.notifications) as notifications,
              (select count(*) from payments.payments) as payments`,
    );
    expect(counts).toEqual({ notifications: '25', payments: '0' });
  }));

async function withEngine(work: (engine: Engine) => Promise<void>): Promise<void> {
  await withClone(async () => {
    const engine = await startEngine(database.url);
    try {
      await work(engine);
    } finally {
      await engine.close();
    }
  });
}

test('payments under way are rebuilt as far as they are, and go on', () =>
  withEngine(async (engine) => {
    engine.pause('notification');
    await Promise.all(Array.from({ length: 5 }, () => engine.submit({ amount: 1 })));
    engine.pause('ledger');
    await Promise.all(Array.from({ length: 5 }, () => engine.submit({ amount: 1 })));
    await engine.settled(['validation', 'authorization', 'payments']);
    await asOwner(WIPE);
    await rebuild({ url: database.url });
    engine.resume('ledger');
    engine.resume('notification');
    await engine.settled();
    expect(await verify({ url: database.url })).toMatchObject({ ok: true, payments: 35, running: 0 });
  }));

/** Every page waits for its turn among the payments; on a busy machine each of five models takes its time. */
const BESIDE_CALLERS_MS = 180_000;

test(
  'read models that are wiped while payments come in are whole again after one rebuild',
  { timeout: BESIDE_CALLERS_MS },
  () =>
    withEngine(async (engine) => {
      const end = new AbortController();
      // One, who asks for the next one when one is accepted: many are under way, and the rebuild has no race to win.
      const client = (async () => {
        while (!end.signal.aborted) await engine.submit({ amount: 1 });
      })();
      try {
        // What is under way at any time has been followed by each group to another point.
        await Promise.all(Array.from({ length: 300 }, () => engine.submit({ amount: 1 })));
        await asOwner(WIPE);
        await rebuild({ url: database.url });
      } finally {
        end.abort();
        await client;
      }
      await engine.settled();
      expect(await verify({ url: database.url })).toMatchObject({ ok: true, running: 0 });
      const again = await rebuild({ url: database.url });
      expect(again.every(({ written, removed }) => written === 0 && removed === 0)).toBe(true);
    }),
);
