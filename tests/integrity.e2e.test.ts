/** P5, U14 on real processes: what somebody breaks behind the program's back is found and repaired while it runs. */

import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { LastroHome } from './lastro-home.ts';
import { type HttpAnswer, http, type LastroProcess, runLastro } from './lastro-process.ts';
import { ask } from './redelivery.ts';

let home: LastroHome;
let processes: LastroProcess[];

beforeAll(async () => {
  home = await LastroHome.open();
  processes = [await home.start(), await home.start()];
});

afterAll(() => home.remove());

const PATIENCE = { timeout: 60_000, interval: 100 };
/** The background rests most of the time, the more the busier the machine is. */
const LONG_PATIENCE = { timeout: 240_000, interval: 250 };

function base(index = 0): string {
  return processes[index]?.url ?? '';
}

async function pay(): Promise<string> {
  const body = {
    wallet_id: 'wal-1234',
    service_id: 'abc-1234',
    amount: 10,
    currency: 'USD',
    method: 'balance',
  };
  const headers = { 'idempotency-key': randomUUID(), prefer: 'wait=10' };
  const answer = await http(`${base()}/v1/payments`, { body, headers });
  expect(answer.json()).toMatchObject({ status: 'completed' });
  return answer.json()['id'] as string;
}

async function findings(query: string): Promise<Record<string, unknown>[]> {
  const answer = await http(`${base()}/v1/integrity/findings?${query}`);
  return answer.json()['data'] as Record<string, unknown>[];
}

async function audited(answer: HttpAnswer): Promise<void> {
  expect(answer.status).toBe(202);
  const { id } = answer.json() as { id: string };
  await vi.waitUntil(
    async () => (await http(`${base()}/v1/integrity/audits/${id}`)).json()['state'] === 'completed',
    PATIENCE,
  );
}

test('P5, U14: a forged status is found by an audit that is asked for, repaired, and told in the timeline', async () => {
  const payment = await pay();
  await vi.waitUntil(
    async () => (await http(`${base()}/v1/payments/${payment}/verdict`)).json()['verdict'] === 'complete',
    PATIENCE,
  );
  await ask(home.database.url, `update payments.payments set status = 'failed'`);
  await audited(await http(`${base()}/v1/integrity/audits`, { body: { scope: 'sagas' } }));
  await vi.waitUntil(
    async () => (await findings(`subject=${payment}`)).some(({ state }) => state === 'repaired'),
    PATIENCE,
  );
  expect((await http(`${base()}/v1/payments/${payment}`)).json()).toMatchObject({ status: 'completed' });
  const timeline = (await http(`${base(1)}/v1/payments/${payment}/events`)).json()['data'] as {
    type: string;
  }[];
  expect(timeline.map(({ type }) => type)).toEqual(
    expect.arrayContaining(['integrity.finding_opened', 'integrity.repaired']),
  );
  const metrics = await Promise.all([0, 1].map(async (index) => (await http(`${base(index)}/metrics`)).text));
  expect(metrics.join('\n')).toMatch(
    /lastro_integrity_repairs_total\{kind="different_payment",outcome="repaired"\} 1/,
  );
});

test('the command line lists what is not closed, whose ever it is, and settles it in the name of the user', async () => {
  await ask(
    home.database.url,
    `insert into integrity.findings (id, tenant, kind, severity, subject, key, evidence, detail, source, first_seen_at,
       last_seen_at, seen, state, attempts)
     values ('${randomUUID()}', '', 'stray_event', 'critical', 'payments/0/-1', 'payments/0/-1', '[]', 'no event can stand there',
       'operator', now(), now(), 1, 'parked', 0)`,
  );
  const installation = { DATABASE_URL: home.database.url, DATA_DIR: home.folder };
  const listed = await runLastro(['findings', 'list'], installation);
  const line = listed.split('\n').find((each) => each.includes('stray_event')) ?? '';
  expect(line).toContain('(installation)');
  const [id = ''] = line.split('\t');
  const shown = JSON.parse(await runLastro(['findings', 'show', id], installation)) as unknown;
  expect(shown).toMatchObject({ id, kind: 'stray_event', actions: [], events: [] });
  for (const given of [[], ['--reason=']])
    await expect(runLastro(['findings', 'resolve', id, ...given], installation)).rejects.toThrow(/--reason/);
  await runLastro(['findings', 'resolve', id, '--reason', 'planted by a test'], installation);
  await expect(
    runLastro(['findings', 'acknowledge', id, '--reason', 'too late'], installation),
  ).rejects.toThrow(/resolved/);
  expect(await runLastro(['findings', 'list'], installation)).not.toContain(id);
});

test('P5, U14: nobody has to ask: an edited balance is found and repaired', async () => {
  await pay();
  await ask(
    home.database.url,
    `update ledger.balances set posted = posted + 1
     where account_key = (select key from ledger.accounts where id = 'abc-1234')`,
  );
  await expect
    .poll(async () => (await findings('kind=different_balance')).map(({ state }) => state), LONG_PATIENCE)
    .toEqual(['repaired']);
}, 250_000);

test('U14: what `verify --repair` finds is handed to the running service, and it says what is left to people', async () => {
  const payment = await pay();
  await ask(
    home.database.url,
    `update payments.payments set amount = amount + 1 where id = (
    select id from payments.payments order by id desc limit 1)`,
  );
  const settings = { DATABASE_URL: home.database.url, DATA_DIR: home.folder };
  const report = await runLastro(['verify', '--repair', '--json'], settings).catch((error: unknown) =>
    String(error),
  );
  expect(report).toContain('"isServed":true');
  await vi.waitUntil(
    async () => (await findings(`subject=${payment}`)).some(({ state }) => state === 'repaired'),
    PATIENCE,
  );
  expect(await runLastro(['verify'], settings)).toContain('verified: logs and tables agree');
});

test('the standing counts what was paid', async () => {
  await vi.waitUntil(async () => {
    const { sagas } = (await http(`${base()}/v1/integrity`)).json() as { sagas: { complete: number } };
    return sagas.complete === 3;
  }, PATIENCE);
  expect((await http(`${base()}/v1/integrity`)).json()).toMatchObject({ sagas: { broken: 0, running: 0 } });
});

test('P5: no outage of a process raises a finding', async () => {
  const before = (await findings('limit=500')).length;
  const survivor = processes[0];
  processes[1]?.kill('SIGKILL');
  await processes[1]?.ended;
  processes = survivor === undefined ? [] : [survivor];
  await Promise.all(Array.from({ length: 20 }, pay));
  await audited(
    await vi.waitUntil(async () => {
      const answer = await http(`${base()}/v1/integrity/audits`, { body: {} });
      return answer.status === 202 && answer;
    }, PATIENCE),
  );
  expect(await findings('limit=500')).toHaveLength(before);
}, 120_000);
