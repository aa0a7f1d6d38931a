/** The cash flow as its callers see it: real processes, real HTTP, the real command. */
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { createServer, type IncomingMessage, request } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { verify } from '#proof/verify.ts';
import { LastroHome } from './lastro-home.ts';
import { type HttpAnswer, http, type LastroProcess, runLastro } from './lastro-process.ts';
import { PATIENCE } from './patience.ts';

const BOOK = 'book-1234';

let home: LastroHome;
let lastro: LastroProcess;
let other: LastroProcess;

beforeAll(async () => {
  home = await LastroHome.open();
  [lastro, other] = await Promise.all([home.start(), home.start()]);
});
afterAll(() => home.remove());

const ENTRY = {
  account_id: BOOK,
  direction: 'credit',
  amount: 1250,
  occurred_on: '2026-01-15',
  description: 'Coffee beans',
};

let keys = 0;
function post(path: string, body: unknown, headers: Record<string, string> = {}): Promise<HttpAnswer> {
  keys += 1;
  return http(`${lastro.url}${path}`, {
    method: 'POST',
    body,
    headers: { 'idempotency-key': `cash-${keys}`, ...headers },
  });
}

function sendFile(text: string, query = '', headers: Record<string, string> = {}): Promise<HttpAnswer> {
  const as = { 'content-type': 'text/csv', ...headers };
  return post(`/v1/cash-entries/imports${query}`, text, as);
}

async function balance(account: string): Promise<number> {
  const answer = await http(`${lastro.url}/v1/accounts/${account}`);
  return (answer.json() as { balance: { posted: number } }).balance.posted;
}

async function finished(id: unknown, at = lastro.url): Promise<Record<string, unknown>> {
  let present: Record<string, unknown> = {};
  await vi.waitUntil(async () => {
    present = (await http(`${at}/v1/cash-entries/imports/${String(id)}`)).json();
    return present['finished_at'] !== null;
  }, PATIENCE);
  return present;
}

async function givenBook(id: string): Promise<string> {
  const answer = await post('/v1/accounts', { id, kind: 'cashbook', currency: 'BRL' });
  if (answer.status !== 201) throw new Error(answer.text);
  return id;
}

describe('F1: an entry of the sandbox’s cash book', () => {
  test('is recorded, read, listed and reversed', async () => {
    const recorded = await post('/v1/cash-entries', { ...ENTRY, category: 'Food' });
    expect([recorded.status, recorded.json()]).toEqual([
      201,
      {
        id: expect.stringMatching(/^cen_/) as string,
        ...ENTRY,
        currency: 'USD',
        category: 'Food',
        contra_account_id: expect.stringMatching(/^cash-USD-food-/) as string,
        entry_id: expect.stringMatching(/^jen_/) as string,
        reverses: null,
        reversed_by: null,
        import: null,
        recorded_at: expect.any(String) as string,
      },
    ]);
    const { id, entry_id } = recorded.json();
    const journal = await http(`${other.url}/v1/journal-entries/${String(entry_id)}`);
    expect(journal.json()).toMatchObject({ purpose: 'cash_entry', cause: id, effective_on: '2026-01-15' });
    const reversed = await post(`/v1/cash-entries/${String(id)}/reversal`, { reason: 'Typed twice' });
    expect([reversed.status, reversed.json()]).toMatchObject([201, { reverses: id, direction: 'debit' }]);
    expect((await post(`/v1/cash-entries/${String(id)}/reversal`, {})).status).toBe(409);
    const read = await http(`${other.url}/v1/cash-entries/${String(id)}`);
    expect(read.json()).toEqual({ ...recorded.json(), reversed_by: reversed.json()['id'] });
    const list = await http(`${other.url}/v1/cash-entries?account_id=${BOOK}&text=coffee`);
    expect((list.json() as { data: { id: string }[] }).data.map((each) => each.id)).toEqual([id]);
    expect(await balance(BOOK)).toBe(0);
  });

  test.each(['from=2026-01-02&to=2026-01-03', 'occurred_from=2026-01-02&to=2026-01-03'])(
    'F7: is listed by its day, %s',
    async (days) => {
      const book = await givenBook(`listed-${days.length}`);
      for (const occurred_on of ['2026-01-01', '2026-01-02', '2026-01-03', '2026-01-04'])
        await post('/v1/cash-entries', { ...ENTRY, account_id: book, occurred_on });
      const list = await http(`${other.url}/v1/cash-entries?account_id=${book}&${days}`);
      const { data } = list.json() as { data: { occurred_on: string }[] };
      expect(data.map((each) => each.occurred_on)).toEqual(['2026-01-03', '2026-01-02']);
    },
  );

  test('F7: is exported as CSV, page by page, with what else was recorded', async () => {
    const book = await givenBook('exported');
    for (const description of ['one', 'two', 'three'])
      await post('/v1/cash-entries', { ...ENTRY, account_id: book, description });
    const list = `${other.url}/v1/cash-entries?account_id=${book}`;
    const { data } = (await http(list)).json() as { data: Record<string, unknown>[] };
    const first = await http(`${list}&limit=2`, { headers: { accept: 'text/csv' } });
    expect(first.headers.get('content-type')).toBe('text/csv; charset=utf-8; header=present');
    const cursor = String(first.headers.get('next-cursor'));
    const last = await http(`${list}&limit=2&cursor=${cursor}`, { headers: { accept: 'text/csv' } });
    expect(last.headers.get('next-cursor')).toBeNull();
    const [header, ...lines] = first.text.trimEnd().split('\r\n');
    const [headerAgain, ...linesAgain] = last.text.trimEnd().split('\r\n');
    expect(headerAgain).toBe(header);
    const described = (of: Record<string, unknown>) => `${String(of['id'])},${book},credit,1250,BRL`;
    expect([...lines, ...linesAgain].map((line) => line.split(',').slice(0, 5).join())).toEqual(
      data.map(described),
    );
  });

  test('U1: of 100 parallel copies over two processes there is one, and one answer', async () => {
    const book = await givenBook('copied');
    const copies = await Promise.all(
      Array.from({ length: 100 }, (_, index) =>
        http(`${(index % 2 === 0 ? lastro : other).url}/v1/cash-entries`, {
          body: { ...ENTRY, account_id: book },
          headers: { 'idempotency-key': 'copied' },
        }),
      ),
    );
    expect(new Set(copies.map(({ status, text }) => `${status} ${text}`)).size).toBe(1);
    expect(copies.filter(({ headers }) => headers.get('idempotency-replayed') === 'true')).toHaveLength(99);
    expect(await balance(book)).toBe(1250);
  });
});

describe('F5: what is refused, and how', () => {
  test.each<[string, Record<string, unknown>, number, string]>([
    ['a negative amount', { amount: -1 }, 400, 'request.invalid'],
    ['an amount of nothing', { amount: 0 }, 400, 'request.invalid'],
    ['no description', { description: undefined }, 400, 'request.invalid'],
    ['an unknown member', { colour: 'red' }, 400, 'request.invalid'],
    ['a category of 65 characters', { category: 'c'.repeat(65) }, 400, 'request.invalid'],
    ['a day that is none', { occurred_on: '2026-02-30' }, 400, 'request.invalid'],
    ['a day to come', { occurred_on: '2999-01-01' }, 422, 'cashflow.future_date'],
    ['an unknown account', { account_id: 'nobody' }, 404, 'ledger.account_not_found'],
    ['an account of another kind', { account_id: 'wal-1234' }, 422, 'cashflow.not_a_cash_book'],
    [
      'more than can be counted',
      { amount: Number.MAX_SAFE_INTEGER, account_id: 'full' },
      422,
      'ledger.amount_out_of_range',
    ],
    ['a closed account', { account_id: 'closed' }, 409, 'ledger.account_closed'],
  ])('%s', async (_what, more, status, code) => {
    if (more['account_id'] === 'closed') {
      await givenBook('closed');
      await post('/v1/accounts/closed/close', {});
    }
    if (more['account_id'] === 'full') {
      await givenBook('full');
      await post('/v1/cash-entries', { ...ENTRY, account_id: 'full' });
    }
    const answer = await post('/v1/cash-entries', { ...ENTRY, ...more });
    expect([answer.status, answer.json()['code']]).toEqual([status, code]);
  });

  test('an account of a category’s name that is another’s', async () => {
    const book = await givenBook('taken');
    const { contra_account_id } = (
      await post('/v1/cash-entries', { ...ENTRY, account_id: book, category: 'Gone' })
    ).json();
    const back = { ...ENTRY, account_id: book, category: 'Gone', direction: 'debit' };
    await post('/v1/cash-entries', back);
    await post(`/v1/accounts/${String(contra_account_id)}/close`, {});
    const answer = await post('/v1/cash-entries', back);
    expect([answer.status, answer.json()['code']]).toEqual([409, 'cashflow.account_taken']);
  });

  test('no key, another body under a key, an unknown entry, a reversal of a reversal and one before its time', async () => {
    const keyless = await http(`${lastro.url}/v1/cash-entries`, { body: ENTRY });
    expect([keyless.status, keyless.json()['code']]).toEqual([400, 'request.missing_idempotency_key']);
    await post('/v1/cash-entries', ENTRY, { 'idempotency-key': 'reused' });
    const reused = await post('/v1/cash-entries', { ...ENTRY, amount: 1 }, { 'idempotency-key': 'reused' });
    expect([reused.status, reused.json()['code']]).toEqual([422, 'cashflow.idempotency_key_reused']);
    expect((await http(`${lastro.url}/v1/cash-entries/cen_nothing`)).status).toBe(404);
    const nothing = '/v1/cash-entries/cen_nothing/reversal';
    const unknown = await post(nothing, {}, { 'idempotency-key': 'of-nothing' });
    expect(unknown.json()['code']).toBe('cashflow.cash_entry_not_found');
    const repeated = await post(nothing, {}, { 'idempotency-key': 'of-nothing' });
    expect([repeated.text, repeated.headers.get('idempotency-replayed')]).toEqual([unknown.text, 'true']);
    expect((await http(`${lastro.url}${nothing}`, { body: {} })).json()['code']).toBe(
      'request.missing_idempotency_key',
    );
    const { id } = (await post('/v1/cash-entries', ENTRY)).json();
    const early = await post(`/v1/cash-entries/${String(id)}/reversal`, { occurred_on: '2026-01-14' });
    expect([early.status, early.json()['code']]).toEqual([422, 'cashflow.reversed_before_it_occurred']);
    const back = await post(`/v1/cash-entries/${String(id)}/reversal`, { occurred_on: '2026-01-15' });
    const again = await post(`/v1/cash-entries/${String(back.json()['id'])}/reversal`, {});
    expect([again.status, again.json()['code']]).toEqual([422, 'cashflow.is_a_reversal']);
  });

  test.each([
    ['an empty file', '', '', 'cashflow.malformed_csv'],
    [
      'a file without its names',
      'credit,1,2026-01-15,x\n',
      '?account_id=book-1234',
      'cashflow.malformed_csv',
    ],
    ['an unknown way', 'x', '?on_error=some', 'request.invalid_parameter'],
  ])('%s', async (_what, text, query, code) => {
    const answer = await sendFile(text, query);
    expect([answer.status, answer.json()['code']]).toEqual([400, code]);
  });

  test('a range of days that ends before it starts, and a cursor that no list gave', async () => {
    const list = async (query: string) => http(`${lastro.url}/v1/cash-entries?${query}`);
    const backwards = await list('occurred_from=2026-01-02&occurred_to=2026-01-01');
    expect([backwards.status, backwards.json()['code']]).toEqual([
      422,
      'cashflow.range_ends_before_it_starts',
    ]);
    expect((await list('from=2026-01-02&to=2026-01-01')).json()['code']).toBe(backwards.json()['code']);
    expect((await list('occurred_from=2026-01-02&occurred_to=2026-01-02')).status).toBe(200);
    expect((await list('cursor=WyJ2MSIsIngiLCJ5Il0')).json()['code']).toBe('request.invalid_parameter');
  });

  test('a file that is no CSV by its type, and CSV where JSON belongs', async () => {
    expect((await sendFile('{}', '', { 'content-type': 'application/json' })).status).toBe(415);
    expect((await post('/v1/cash-entries', 'a,b', { 'content-type': 'text/csv' })).status).toBe(415);
  });

  test('a file in another charset than UTF-8, or compressed', async () => {
    for (const header of [
      { 'content-type': 'text/csv; charset=latin1' },
      { 'content-encoding': 'gzip' },
    ] as const) {
      const answer = await sendFile(manyLines(1), `?account_id=${BOOK}`, header);
      expect([answer.status, answer.json()['code']]).toEqual([415, 'request.unsupported_media_type']);
    }
  });

  test('a file of more than 64 MiB, before any of it has come', async () => {
    const headers = {
      'content-type': 'text/csv',
      'content-length': 64 * 1024 * 1024 + 1,
      'idempotency-key': 'large',
    };
    const sending = request(`${lastro.url}/v1/cash-entries/imports`, { method: 'POST', headers });
    sending.flushHeaders();
    const [answer] = (await once(sending, 'response')) as [IncomingMessage];
    expect(answer.statusCode).toBe(413);
    sending.destroy();
  });
});

function manyLines(count: number): string {
  const lines = Array.from({ length: count }, (_, index) => `credit,${index + 1},2026-01-15,line ${index}`);
  return `direction,amount,occurred_on,description\n${lines.join('\n')}\n`;
}

const sumTo = (count: number): number => (count * (count + 1)) / 2;

describe('a file', () => {
  test('is in the API document what an import takes', async () => {
    const document = (await http(`${lastro.url}/openapi.json`)).json() as {
      paths: Record<string, { post: { requestBody: { content: object } } }>;
    };
    const { requestBody } = document.paths['/v1/cash-entries/imports']?.post ?? {};
    expect(Object.keys(requestBody?.content ?? {})).toEqual(['text/csv']);
  });

  test('is imported, its errors are listed, and a repeat under its key is answered alike', async () => {
    const book = await givenBook('imported');
    const text = `${manyLines(300)}debit,x,2026-01-15,broken\n`;
    const headers = { 'idempotency-key': 'imported' };
    const sent = await sendFile(text, `?account_id=${book}`, headers);
    expect([sent.status, sent.json()['sha256']]).toEqual([
      202,
      createHash('sha256').update(text).digest('hex'),
    ]);
    const { id } = sent.json();
    expect(await finished(id)).toMatchObject({
      state: 'completed',
      lines: 302,
      read: 301,
      recorded: 300,
      failed: 1,
    });
    const errors = await http(`${other.url}/v1/cash-entries/imports/${String(id)}/errors`);
    expect(errors.json()).toMatchObject({
      data: [{ line: 302, code: 'request.invalid', errors: [{ pointer: '/amount' }] }],
    });
    const repeated = await sendFile(text, `?account_id=${book}`, headers);
    expect([repeated.text, repeated.headers.get('idempotency-replayed')]).toEqual([sent.text, 'true']);
    expect((await sendFile(manyLines(1), `?account_id=${book}`, headers)).json()['code']).toBe(
      'cashflow.idempotency_key_reused',
    );
    expect((await http(`${other.url}/v1/cash-entries/imports/imp_nothing`)).json()['code']).toBe(
      'cashflow.import_not_found',
    );
    const [line] = (await http(`${other.url}/v1/cash-entries?account_id=${book}&limit=1`)).json()['data'] as {
      import: unknown;
    }[];
    expect(line?.import).toMatchObject({ id });
    expect(await balance(book)).toBe(sumTo(300));
  });

  test('by the command, which says what came of it', async () => {
    const book = await givenBook('commanded');
    const file = join(home.folder, 'entries.csv');
    writeFileSync(file, manyLines(600));
    const run = (...args: string[]) =>
      runLastro(['import-entries', file, '--account', book, '--url', lastro.url, ...args], {});
    expect(await run()).toMatch(/^imp_\w+: completed; 600 entries recorded, 0 lines failed$/);
    expect(await run('--on-error', 'none', '--url', `${lastro.url}/`)).toMatch(
      /completed; 600 entries recorded/,
    );
    expect(await balance(book)).toBe(sumTo(600));
  });

  test('by the command, with the key of LASTRO_API_KEY', async () => {
    const file = join(home.folder, 'with-a-key.csv');
    writeFileSync(file, manyLines(1));
    const run = runLastro(['import-entries', file, '--url', lastro.url], { API_KEY: 'lk_no_key' });
    await expect(run).rejects.toThrow('401 access.unauthenticated');
  });

  test('by the command, which says who has answered that is not Lastro', async () => {
    const stranger = createServer((_request, response) => response.end('<html>')).listen(0, '127.0.0.1');
    await once(stranger, 'listening');
    const url = `http://127.0.0.1:${(stranger.address() as AddressInfo).port}`;
    const file = join(home.folder, 'misdirected.csv');
    writeFileSync(file, manyLines(1));
    await expect(runLastro(['import-entries', file, '--url', url], {})).rejects.toThrow(
      `lastro: 200 from ${url}/v1/cash-entries/imports`,
    );
    stranger.close();
  });

  test('by the command, which says that nobody answers any more, and asks again', async () => {
    let looks = 0;
    const begun = { id: 'imp_1', state: 'recording', lines: 2, read: 0 };
    const flaky = createServer((asked, response) => {
      if (asked.method === 'POST') asked.resume().on('end', () => response.end(JSON.stringify(begun)));
      else if (++looks < 3) asked.socket.destroy();
      else response.writeHead(404).end(JSON.stringify({ code: 'cashflow.import_not_found', detail: 'gone' }));
    }).listen(0, '127.0.0.1');
    await once(flaky, 'listening');
    const url = `http://127.0.0.1:${(flaky.address() as AddressInfo).port}`;
    const file = join(home.folder, 'followed.csv');
    writeFileSync(file, manyLines(1));
    await expect(runLastro(['import-entries', file, '--url', url], {})).rejects.toThrow(
      /no answer from .+; asked again until it answers[^]+imp_1 goes on[^]+404 cashflow\.import_not_found: gone/,
    );
    flaky.close();
  });

  test('by the command, which says whom it did not reach, and what is no file', async () => {
    const closed = 'http://127.0.0.1:1';
    const file = join(home.folder, 'unsent.csv');
    writeFileSync(file, manyLines(1));
    await expect(runLastro(['import-entries', file, '--url', closed], {})).rejects.toThrow(
      `no answer from ${closed}: `,
    );
    await expect(runLastro(['import-entries', home.folder], {})).rejects.toThrow('is not a file');
  });
});

test('U4: killed while it imports, it is finished by whoever is there, and each line is recorded once', async () => {
  const book = await givenBook('killed');
  const sent = await sendFile(manyLines(5000), `?account_id=${book}`);
  const { id } = sent.json();
  await vi.waitUntil(async () => (await balance(book)) > 0, { timeout: 20_000, interval: 2 });
  lastro.kill('SIGKILL');
  other.kill('SIGKILL');
  await Promise.all([lastro.ended, other.ended]);
  lastro = await home.start();
  expect(await finished(id, lastro.url)).toMatchObject({
    state: 'completed',
    read: 5000,
    recorded: 5000,
    failed: 0,
  });
  expect(await balance(book)).toBe(sumTo(5000));
  const report = await verify({ url: home.database.url });
  expect(report.checks.flatMap(({ findings }) => findings)).toEqual([]);
});
