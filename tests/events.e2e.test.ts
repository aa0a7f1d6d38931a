import { afterAll, beforeAll, expect, test } from 'vitest';
import { LastroHome } from './lastro-home.ts';
import { http, type LastroProcess, runLastro } from './lastro-process.ts';

interface CloudEvent {
  readonly id: string;
  readonly type: string;
  readonly subject: string;
}

interface Page {
  readonly data: readonly CloudEvent[];
  readonly next_cursor: string;
  readonly has_more: boolean;
}

let home: LastroHome;
let lastro: LastroProcess;

beforeAll(async () => {
  home = await LastroHome.open();
  // So many that a place in the log is a long text.
  lastro = await home.start({ PARTITIONS: '256' });
});

afterAll(() => home.remove());

async function ledgerLog(query: string): Promise<Page> {
  const answer = await http(`${lastro.url}/v1/events?topic=ledger${query}`);
  expect(answer.status).toBe(200);
  return JSON.parse(answer.text) as Page;
}

test('a log is read page by page to its end, each event once, and goes on from there', async () => {
  const whole = await ledgerLog('&limit=500');
  // The sandbox opens its accounts and funds one.
  expect(whole.data.map(({ type }) => type)).toEqual(
    expect.arrayContaining(['lastro.account.opened.v1', 'lastro.entry.posted.v1']),
  );
  const seen: string[] = [];
  let page = await ledgerLog('&limit=1&after=');
  for (;;) {
    seen.push(...page.data.map(({ id }) => id));
    if (!page.has_more) break;
    page = await ledgerLog(`&limit=1&after=${page.next_cursor}`);
  }
  expect(seen.toSorted()).toEqual(whole.data.map(({ id }) => id).toSorted());

  const opened = await http(`${lastro.url}/v1/accounts`, {
    body: { id: 'opened-later', kind: 'wallet', currency: 'USD' },
  });
  expect(opened.status).toBe(201);
  const later = await ledgerLog(`&after=${page.next_cursor}`);
  expect(later.data.map(({ subject }) => subject)).toEqual(['opened-later']);
});

test.each(['zzz', 'payments/0/1', 'ledger/256/1'])(
  'a place that is none in the log, %s, is refused by the name of its parameter',
  async (after) => {
    const answer = await http(`${lastro.url}/v1/events?topic=ledger&after=${after}`);
    expect(answer.status).toBe(400);
    expect(answer.json()).toMatchObject({ errors: [{ pointer: '/query/after', code: 'malformed_cursor' }] });
  },
);

test('U19: of a log that others fill, a tenant is given its own events, without pages of nothing', async () => {
  const installation = { DATABASE_URL: home.database.url, PARTITIONS: '256' };
  const created = await runLastro(['keys', 'create', '--tenant', 'small'], installation);
  const authorization = `Bearer ${/lk_\w+/.exec(created)?.[0]}`;
  const opened = await http(`${lastro.url}/v1/accounts`, {
    headers: { authorization },
    body: { id: 'of-the-small', kind: 'wallet', currency: 'USD' },
  });
  expect(opened.status).toBe(201);
  const answer = await http(`${lastro.url}/v1/events?topic=ledger&limit=1`, { headers: { authorization } });
  const page = JSON.parse(answer.text) as Page;
  expect(page.data.map(({ subject }) => subject)).toEqual(['of-the-small']);
});
