/** A failover to a standby that lacks the last commits: what processes have worked on is an older database now. */
import { Client } from 'pg';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { verify } from '#proof/verify.ts';
import { CutProxy } from './cut-proxy.ts';
import { cloneTestDatabase, type TestDatabase } from './database.ts';
import { LastroHome } from './lastro-home.ts';
import { http, type LastroProcess } from './lastro-process.ts';
import { PATIENCE } from './patience.ts';
import { paymentFrom } from './payers.ts';

let home: LastroHome;
let proxy: CutProxy;
let standby: TestDatabase;
/** Of the server, connected to none of the databases in question. */
let admin: Client;

beforeAll(async () => {
  home = await LastroHome.open();
  proxy = await CutProxy.open(home.database.url);
  const url = new URL(home.database.url);
  url.pathname = '/postgres';
  admin = new Client({ connectionString: url.href });
  await admin.connect();
});
afterAll(async () => {
  await home.remove();
  await proxy.close();
  await standby.drop();
  await admin.end();
});

async function start(): Promise<LastroProcess> {
  return home.start({ DATABASE_URL: proxy.url });
}

/** Nobody reaches the server, or is connected to it, while it is done. */
async function whileAway(work: () => Promise<unknown>): Promise<void> {
  const port = Number(new URL(proxy.url).port);
  await proxy.close();
  const connected = `select from pg_stat_activity where datname = '${nameOf(home.database)}'`;
  await vi.waitUntil(async () => (await admin.query(connected)).rowCount === 0, PATIENCE);
  await work();
  proxy = await CutProxy.open(home.database.url, port);
}

function nameOf({ url }: TestDatabase): string {
  return new URL(url).pathname.slice(1);
}

/** The standby stands where the primary was. */
async function failOver(): Promise<void> {
  const [primary, taking] = [nameOf(home.database), nameOf(standby)];
  await admin.query(`alter database ${primary} rename to ${primary}_lost`);
  await admin.query(`alter database ${taking} rename to ${primary}`);
  await admin.query(`alter database ${primary}_lost rename to ${taking}`);
}

async function pay({ url }: LastroProcess, key: string) {
  const headers = { 'idempotency-key': key, prefer: 'wait=20' };
  return http(`${url}/v1/payments`, { headers, body: paymentFrom('wal-1234') });
}

async function completes(process: LastroProcess, key: string): Promise<void> {
  await vi.waitFor(
    async () => expect((await pay(process, key)).json()).toMatchObject({ status: 'completed' }),
    PATIENCE,
  );
}

test('a process that has seen what is lost takes nothing more, says why, and one that is started anew goes on from what is there', async () => {
  const process = await start();
  await completes(process, 'kept');
  await whileAway(async () => {
    standby = await cloneTestDatabase(home.database);
  });
  for (const key of ['lost-1', 'lost-2', 'lost-3']) await completes(process, key);
  await whileAway(failOver);

  const reason: unknown = expect.stringMatching(
    /^the database lacks commits that this process has seen \(.*\): it was put back, or a failover has lost them; start every process anew$/,
  );
  await vi.waitFor(async () => {
    const readiness = await http(`${process.url}/readyz`);
    expect(readiness.json()).toEqual({ status: 'unready', reasons: [{ name: 'log', reason }] });
  }, PATIENCE);
  expect((await pay(process, 'after')).status).toBe(503);

  const anew = await start();
  for (const key of ['kept', 'after', 'lost-1', 'lost-2', 'lost-3']) await completes(anew, key);
  // The log is as long again as the first process has seen it, and tells of something else there.
  expect((await pay(process, 'after')).status).toBe(503);
  const readiness = await http(`${process.url}/readyz`);
  expect(readiness.json()).toEqual({ status: 'unready', reasons: [{ name: 'log', reason }] });
  process.kill('SIGTERM');
  expect(await process.ended).toMatchObject({ code: 0 });
  anew.kill('SIGTERM');
  expect(await anew.ended).toMatchObject({ code: 0 });
  expect(await verify({ url: home.database.url })).toMatchObject({ ok: true, payments: 5 });
});
