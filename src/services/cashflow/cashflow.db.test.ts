/** Cash entries and imports on a real database, by the real workers of two processes. */
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { systemClock } from '#kernel/clock.ts';
import { uuidOf } from '#kernel/ids.ts';
import { type CashFixture, type CashProcess, openCash, TENANT } from '../../../tests/cash-fixture.ts';
import { PATIENCE } from '../../../tests/patience.ts';
import { CashReads } from './reads.ts';
import { Uploads } from './uploads.ts';

let fixture: CashFixture;
let first: CashProcess;
let second: CashProcess;
let account = '';
let made = 0;

beforeAll(async () => {
  fixture = await openCash();
  [first, second] = await Promise.all([fixture.process(), fixture.process()]);
  first.importer.start();
  second.importer.start();
});
afterAll(() => fixture.close());

/** A cash book that is nobody else's. */
async function givenBook(): Promise<string> {
  made += 1;
  account = `book-${made}`;
  await fixture.openAccounts([{ id: account, kind: 'cashbook', currency: 'BRL' }]);
  return account;
}

describe('F1: an entry', () => {
  test('is one commit: its row, its journal entry, and an event in each log', async () => {
    const account_id = await givenBook();
    const { status, document } = await first.record({ account_id, category: 'Food', amount: 250 });
    expect(status).toBe(201);
    const uuid = uuidOf(document['id'] as Parameters<typeof uuidOf>[0]);
    expect(await fixture.reads.findCashEntry(TENANT, uuid)).toMatchObject({
      amountMinor: 250n,
      reversedBy: null,
    });
    expect(await fixture.ledgerReads.findEntry(TENANT, uuid)).toMatchObject({
      purpose: 'cash_entry',
      effectiveOn: '2026-01-15',
      postings: [
        { account_id, direction: 'credit', amount: 250 },
        { direction: 'debit', amount: 250 },
      ],
    });
    const told = await fixture.rows<{ xmin: string; type: string }>(
      `select xmin::text, type from cashflow.events where subject = $1
       union all select xmin::text, type from ledger.events where subject = $1
       union all select xmin::text, 'row' from cashflow.cash_entries where id = $2`,
      [document['id'], uuid],
    );
    expect(told.map(({ type }) => type)).toEqual(['cash_entry.recorded', 'entry.posted', 'row']);
    expect(new Set(told.map(({ xmin }) => xmin)).size).toBe(1);
  });

  test('U1: of 100 parallel copies over two processes one is recorded, and all are answered alike', async () => {
    const account_id = await givenBook();
    const copies = await Promise.all(
      Array.from({ length: 100 }, (_, index) =>
        (index % 2 === 0 ? first : second).record({ account_id }, { idempotencyKey: `copy-${account_id}` }),
      ),
    );
    expect(new Set(copies.map(({ answer }) => answer.body)).size).toBe(1);
    expect(copies.filter(({ replayed }) => replayed)).toHaveLength(99);
    expect(await fixture.balance(account_id)).toBe(100);
  });

  test('is refused if its account is unknown, and the others of its batch are not', async () => {
    const account_id = await givenBook();
    const answers = await Promise.all([
      first.record({ account_id }),
      first.record({ account_id: 'nobody' }),
      first.record({ account_id, occurred_on: '2999-01-01' }),
      first.record({ account_id }),
    ]);
    expect(answers.map(({ document }) => document['code'] ?? 'recorded')).toEqual([
      'recorded',
      'ledger.account_not_found',
      'cashflow.future_date',
      'recorded',
    ]);
    expect(await fixture.balance(account_id)).toBe(200);
  });

  test('two processes that use a category first at once open its account once', async () => {
    const account_id = await givenBook();
    const category = `first of ${account_id}`;
    const answers = await Promise.all([first, second].map((each) => each.record({ account_id, category })));
    expect(answers.map(({ status }) => status)).toEqual([201, 201]);
    const contra = String(answers[0]?.document['contra_account_id']);
    expect(await fixture.balance(contra)).toBe(-200);
    expect(await fixture.rows('select from ledger.events where subject = $1', [contra])).toHaveLength(1);
  });

  test('F5: nobody who runs the services can change or delete one', async () => {
    for (const change of [
      'update cashflow.cash_entries set amount = 1',
      'delete from cashflow.cash_entries',
    ]) {
      await fixture.owner.query('set role lastro_service');
      await expect(fixture.owner.query(change)).rejects.toThrow(/permission denied/);
      await fixture.owner.query('reset role');
    }
  });
});

describe('F5: a reversal', () => {
  test('of 20 at once over two processes one gives back', async () => {
    const account_id = await givenBook();
    const { document } = await first.record({ account_id });
    const answers = await Promise.all(
      Array.from({ length: 20 }, (_, index) => (index % 2 === 0 ? first : second).reverse(document['id'])),
    );
    const done = answers.filter(({ status }) => status === 201);
    expect(done).toHaveLength(1);
    const [reversal] = done;
    for (const each of answers.filter(({ status }) => status !== 201))
      expect(each.document).toMatchObject({
        code: 'cashflow.already_reversed',
        members: { reversed_by: reversal?.document['id'] },
      });
    expect(await fixture.balance(account_id)).toBe(0);
    expect((await first.reverse(reversal?.document['id'])).document['code']).toBe('cashflow.is_a_reversal');
    expect((await first.reverse('cen_01m7xbck58f2kamhpf5zbx50v7')).document['code']).toBe(
      'cashflow.cash_entry_not_found',
    );
  });
});

describe('F7: entries are listed, the newest day first', () => {
  test('by account, days, direction, category and text, page by page', async () => {
    const account_id = await givenBook();
    const days = ['2026-01-10', '2026-01-12', '2026-01-11', '2026-01-12'];
    const ids: string[] = [];
    for (const [index, occurred_on] of days.entries()) {
      const direction = index % 2 === 0 ? 'debit' : 'credit';
      const terms = {
        account_id,
        occurred_on,
        direction,
        category: `c${index % 2}`,
        description: `Café ${index} 100%`,
      } as const;
      ids.push(String((await first.record(terms)).document['description']));
    }
    const list = async (filter: Parameters<CashReads['listCashEntries']>[1], limit = 10) => {
      const { entries } = await fixture.reads.listCashEntries(
        TENANT,
        { accountId: account_id, ...filter },
        { before: undefined, limit },
      );
      return entries.map(({ description }) => ids.indexOf(description));
    };
    expect(await list({})).toEqual([3, 1, 2, 0]);
    expect(await list({ occurredFrom: '2026-01-11', occurredTo: '2026-01-11' })).toEqual([2]);
    expect(await list({ occurredTo: '2026-01-11' })).toEqual([2, 0]);
    expect(await list({ direction: 'debit' })).toEqual([2, 0]);
    expect(await list({ category: 'c1' })).toEqual([3, 1]);
    expect(await list({ text: 'CAFé 2' })).toEqual([2]);
    expect(await list({ text: '100%' })).toHaveLength(4);
    expect(await list({ text: '_' })).toEqual([]);
  });

  test('and what is looked through for a page is bounded: what is left is the next page’s', async () => {
    const account_id = await givenBook();
    for (let day = 10; day < 20; day++)
      await first.record({
        account_id,
        occurred_on: `2026-01-${day}`,
        description: day === 11 ? 'needle' : 'hay',
      });
    const reads = new CashReads(fixture.pool, 3);
    const pages: string[][] = [];
    for (let before: Parameters<CashReads['listCashEntries']>[2]['before']; ; ) {
      const page = await reads.listCashEntries(
        TENANT,
        { accountId: account_id, text: 'needle' },
        { before, limit: 2 },
      );
      pages.push(page.entries.map(({ occurredOn }) => occurredOn));
      before = page.next;
      if (before === undefined) break;
    }
    expect(pages).toEqual([[], [], ['2026-01-11'], []]);
  });
});

const HEADER = 'account_id,direction,amount,occurred_on,description,category';
function fileOf(lines: readonly string[]): string {
  return `${HEADER}\n${lines.join('\n')}\n`;
}

function manyLines(count: number, account_id: string): string[] {
  return Array.from(
    { length: count },
    (_, index) => `${account_id},credit,${index + 1},2026-01-15,line ${index},Food`,
  );
}

describe('a file', () => {
  test('is recorded line by line, each once, by whichever process is free', async () => {
    const account_id = await givenBook();
    const { status, document } = await first.send(fileOf(manyLines(1000, account_id)));
    expect([status, document['state'], document['lines']]).toEqual([202, 'recording', 1001]);
    expect(await fixture.finished(document['id'])).toMatchObject({
      state: 'completed',
      read: 1000,
      recorded: 1000,
      failed: 0,
    });
    expect(await fixture.balance(account_id)).toBe((1000 * 1001) / 2);
    const chunks = await fixture.rows(
      'select from cashflow.import_chunks union all select from cashflow.uploads',
    );
    expect(chunks).toEqual([]);
  });

  test('is recorded to its last line while others are, of which some end before it', async () => {
    const files = [];
    for (const count of [1000, 100, 600]) files.push({ account_id: await givenBook(), count });
    const imported = files.map(async ({ account_id, count }) => {
      const { document } = await first.send(fileOf(manyLines(count, account_id)));
      expect(await fixture.finished(document['id'])).toMatchObject({ state: 'completed', recorded: count });
      expect(await fixture.balance(account_id)).toBe((count * (count + 1)) / 2);
    });
    await Promise.all(imported);
  });

  test('U3: sent again by both processes at once it records nothing more, and is the same import', async () => {
    const account_id = await givenBook();
    const text = fileOf(manyLines(300, account_id));
    const answers = await Promise.all([first, second, first, second].map((each) => each.send(text)));
    expect(new Set(answers.map(({ document }) => document['id'])).size).toBe(1);
    await fixture.finished(answers[0]?.document['id']);
    const again = await second.send(text);
    expect(again.document).toMatchObject({ state: 'completed', recorded: 300, read: 300 });
    expect(await fixture.balance(account_id)).toBe((300 * 301) / 2);
  });

  test('the lines that fail are told of, the others are kept, and sent again only those are tried', async () => {
    const account_id = await givenBook();
    const text = fileOf([
      `${account_id},credit,1,2026-01-15,one,`,
      'broken "line',
      `later-${account_id},credit,2,2026-01-15,two,`,
      `${account_id},credit,-3,2026-01-15,three,`,
      `${account_id},credit,4,2999-01-15,four,`,
      `${account_id},debit,5,2026-01-15,five,`,
    ]);
    const { document } = await first.send(text);
    expect(await fixture.finished(document['id'])).toMatchObject({
      state: 'completed',
      read: 6,
      recorded: 2,
      failed: 4,
    });
    expect((await fixture.errors(document['id'])).map(({ line, code }) => [line, code])).toEqual([
      [3, 'cashflow.malformed_line'],
      [4, 'ledger.account_not_found'],
      [5, 'request.invalid'],
      [6, 'cashflow.future_date'],
    ]);
    await fixture.openAccounts([{ id: `later-${account_id}`, kind: 'cashbook', currency: 'BRL' }]);
    const again = await second.send(text);
    expect(again.document['id']).toBe(document['id']);
    expect(await fixture.finished(document['id'])).toMatchObject({
      recorded: 1,
      alreadyRecorded: 2,
      failed: 3,
    });
    expect([await fixture.balance(account_id), await fixture.balance(`later-${account_id}`)]).toEqual([
      -4, 2,
    ]);
  });

  test('with on_error=none is recorded as a whole or not at all', async () => {
    const account_id = await givenBook();
    const lines = manyLines(600, account_id);
    const bad = await first.send(fileOf([...lines, 'nobody,credit,1,2026-01-15,x,']), { onError: 'none' });
    expect(bad.document['state']).toBe('validating');
    expect(await fixture.finished(bad.document['id'])).toMatchObject({
      state: 'refused',
      read: 601,
      recorded: 0,
      failed: 1,
    });
    expect(await fixture.balance(account_id)).toBe(0);
    const good = await first.send(fileOf(lines), { onError: 'none' });
    expect(await fixture.finished(good.document['id'])).toMatchObject({ state: 'completed', recorded: 600 });
    expect(await fixture.balance(account_id)).toBe((600 * 601) / 2);
  });

  test('of one chunk is with on_error=none recorded in the commit that looked at it, or not at all', async () => {
    const account_id = await givenBook();
    const lines = manyLines(250, account_id);
    const bad = await first.send(fileOf([...lines.slice(1), 'nobody,credit,1,2026-01-15,x,']), {
      onError: 'none',
    });
    expect(await fixture.finished(bad.document['id'])).toMatchObject({ state: 'refused', failed: 1 });
    expect(await fixture.balance(account_id)).toBe(0);
    const good = await first.send(fileOf(lines), { onError: 'none' });
    await fixture.finished(good.document['id']);
    const commits = await fixture.rows<{ xmin: string }>(
      `select distinct xmin::text from cashflow.cash_entries where account_id = $1`,
      [account_id],
    );
    expect(commits).toHaveLength(1);
    expect(await fixture.balance(account_id)).toBe((250 * 251) / 2);
  });

  test('of several chunks is with on_error=none told of by line where it reaches the floor of its book, and stands up to there', async () => {
    made += 1;
    const account_id = `floored-${made}`;
    await fixture.openAccounts([{ id: account_id, kind: 'cashbook', currency: 'BRL', floor: 0 }]);
    await first.record({ account_id, amount: 300 });
    const lines = Array.from(
      { length: 500 },
      (_, index) => `${account_id},debit,1,2026-01-15,line ${index},`,
    );
    const { document } = await first.send(fileOf(lines), { onError: 'none' });
    expect(await fixture.finished(document['id'])).toMatchObject({
      state: 'completed',
      recorded: 300,
      failed: 200,
    });
    const errors = await fixture.errors(document['id']);
    expect(errors.map(({ line }) => line)).toEqual(Array.from({ length: 200 }, (_, index) => index + 302));
    expect(new Set(errors.map(({ code }) => code))).toEqual(new Set(['ledger.insufficient_funds']));
    expect(await fixture.balance(account_id)).toBe(0);
  });

  test.each([
    ['no lines', HEADER],
    ['only its names', `${HEADER}\n`],
    ['nothing', ''],
    ['an unknown column', `${HEADER},colour\nx`],
    ['a line of 100 KB', `${HEADER}\n${'x'.repeat(100_000)}\n`],
  ])('of %s is refused, and leaves nothing behind', async (_what, text) => {
    const { status, document } = await first.send(text);
    expect([status, document['code']]).toEqual([400, 'cashflow.malformed_csv']);
  });

  test('that is larger than it may be is refused on the way', async () => {
    const uploads = new Uploads({ session: fixture.session('small'), clock: systemClock, bytesMax: 1000 });
    const uuid = '01a1d2b6-4ca8-78a9-8544-cf2fd7d28368';
    expect(await uploads.take(uuid, brokenOff(), 'book')).toMatchObject({
      problem: { code: 'request.too_large' },
    });
    await uploads.discard(uuid);
  });

  test('that was broken off is cleared away after an hour, and what is still coming is not', async () => {
    const ago = await fixture.process({ now: () => Date.now() - 3_600_001 });
    const [stale, coming] = ['01a1d2b6-4ca8-78a9-8544-cf2fd7d28367', '01a1d2b6-4ca8-78a9-8544-cf2fd7d28369'];
    for (const [{ uploads }, uuid] of [
      [ago, stale],
      [first, coming],
    ] as const)
      await uploads.take(uuid, brokenOff(), 'book').catch(() => undefined);
    const chunks = 'select upload from cashflow.import_chunks';
    const left = () => fixture.rows(`${chunks} union select id from cashflow.uploads`);
    await vi.waitUntil(async () => (await fixture.rows(`${chunks} group by 1`)).length === 2, PATIENCE);
    await first.uploads.discardStale();
    expect(await left()).toEqual([{ upload: coming }]);
    await first.uploads.discard(coming);
    expect(await left()).toEqual([]);
  });
});

async function* brokenOff(): AsyncGenerator<Buffer> {
  yield Buffer.from(`direction,amount,occurred_on,description\n${'credit,1,2026-01-15,x\n'.repeat(2500)}`);
  throw new Error('the caller is gone');
}

test('U14: all of it verifies', async () => {
  const { findings, cashEntries } = await fixture.verified();
  expect(findings).toEqual([]);
  expect(cashEntries).toBeGreaterThan(1900);
});
