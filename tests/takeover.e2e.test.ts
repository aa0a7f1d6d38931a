import { Client } from 'pg';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { idOf } from '#kernel/ids.ts';
import { verify } from '#proof/verify.ts';
import { TOPOLOGY } from '../src/topology.ts';
import { LastroHome } from './lastro-home.ts';
import { http, type LastroProcess } from './lastro-process.ts';
import { openWallets, Payers, paymentFrom } from './payers.ts';

const PARTITIONS = 16;
/** What the issue allows for a take-over. */
const TAKEOVER = { timeout: 5000, interval: 50 };
const DRAIN = { timeout: 20_000, interval: 100 };

let home: LastroHome;
let client: Client;
let payers: Payers;
/** Those that take requests. */
const live = new Set<LastroProcess>();

beforeAll(async () => {
  home = await LastroHome.open();
  client = new Client({ connectionString: home.database.url });
  await client.connect();
});

afterAll(async () => {
  await payers.stop();
  await client.end();
  await home.remove();
});

async function start(): Promise<LastroProcess> {
  const process = await home.start();
  live.add(process);
  return process;
}

/** By group, how many partitions each process holds, most first; leases that have run out are nobody's. */
async function shares(): Promise<Record<string, number[]>> {
  const { rows } = await client.query<{ group: string; share: number }>(
    `select consumer_group as "group", count(*)::int as share from log.leases
     where owner is not null and expires_at > now() group by consumer_group, owner order by 1, 2 desc`,
  );
  return Object.fromEntries(
    [...Map.groupBy(rows, ({ group }) => group)].map(([group, own]) => [
      group,
      own.map(({ share }) => share),
    ]),
  );
}

function everyGroup(share: readonly number[]): Record<string, readonly number[]> {
  return Object.fromEntries(TOPOLOGY.groups.map(({ group }) => [group, share]));
}

const ALONE = everyGroup([PARTITIONS]);
const SHARED = everyGroup([PARTITIONS / 2, PARTITIONS / 2]);

/** Events that a process's consumers have passed. */
async function passedBy(process: LastroProcess): Promise<number> {
  const { text } = await http(`${process.url}/metrics`);
  const counts = text.matchAll(/^lastro_batch_events_total\{worker="(?!\w+\.intake)\w+"\} (\d+)$/gm);
  return [...counts].reduce((sum, [, count]) => sum + Number(count), 0);
}

/** Every promised payment is final, once; the tables agree with the logs. */
async function losses(): Promise<string[]> {
  await expect.poll(unfinished, DRAIN).toBe(0);
  const { rows } = await client.query<{ id: string; status: string }>(
    'select id, status from payments.payments',
  );
  const completed = new Set<string>(
    rows.filter(({ status }) => status === 'completed').map(({ id }) => idOf('pay', id)),
  );
  const lost = [...payers.accepted].filter(([, id]) => !completed.has(id));
  const report = await verify({ url: home.database.url });
  return [
    ...lost.map(([key, id]) => `${key}: ${id} is not completed`),
    ...payers.contradictions,
    ...report.checks.flatMap(({ findings }) => findings.map((finding) => JSON.stringify(finding))),
  ];
}

async function unfinished(): Promise<number> {
  const { rows } = await client.query<{ count: number }>(
    `select (select count(*) from payments.payments) * 2 - (select count(*) from payments.payments where status = 'completed')
            - (select count(*) from integrity.verdicts) as count`,
  );
  return Number(rows[0]?.count);
}

let first: LastroProcess;
let second: LastroProcess;
let third: LastroProcess;

test('a process alone works on every partition of every group', async () => {
  first = await start();
  const wallets = await openWallets(first.url, 8);
  payers = new Payers({ urls: () => [...live].map(({ url }) => url), wallets });
  expect(await shares()).toEqual(ALONE);
});

test('a second process has its even share within 5 s of joining, and does its part of the work', async () => {
  second = await start();
  await expect.poll(shares, TAKEOVER).toEqual(SHARED);
  const [before, elsewhere] = [await passedBy(first), await passedBy(second)];
  await expect
    .poll(async () => (await passedBy(first)) > before && (await passedBy(second)) > elsewhere, TAKEOVER)
    .toBe(true);
});

test('what a process killed with −9 worked on is taken over within 5 s', async () => {
  live.delete(first);
  first.kill('SIGKILL');
  await expect.poll(shares, TAKEOVER).toEqual(ALONE);
  const before = await passedBy(second);
  await expect.poll(() => passedBy(second), TAKEOVER).toBeGreaterThan(before);
});

test('a process that is stopped for longer than its leases and woken again gets its share back', async () => {
  third = await start();
  await expect.poll(shares, TAKEOVER).toEqual(SHARED);
  live.delete(second);
  second.kill('SIGSTOP');
  await expect.poll(shares, TAKEOVER).toEqual(ALONE);
  const before = await passedBy(third);
  await expect.poll(() => passedBy(third), TAKEOVER).toBeGreaterThan(before);
  second.kill('SIGCONT');
  live.add(second);
  await expect.poll(shares, TAKEOVER).toEqual(SHARED);
});

test('a process that is told to end answers what is in flight, leaves its leases at once, and ends with 0', async () => {
  const waiting = Array.from({ length: 20 }, (_, index) =>
    http(`${second.url}/v1/payments`, {
      headers: { 'idempotency-key': `last-${index}`, prefer: 'wait=10' },
      body: paymentFrom('payer-1'),
    }),
  );
  await Promise.race(waiting);
  live.delete(second);
  second.kill('SIGTERM');
  const answers = await Promise.all(waiting);
  expect(answers.map(({ status }) => status)).toEqual(answers.map(() => 200));
  expect(await second.ended).toEqual({ code: 0, signal: null });
  // Not after three seconds, when they would have run out.
  await expect.poll(shares, { timeout: 2500, interval: 50 }).toEqual(ALONE);
});

test('after all of it nothing is lost, nothing is done twice, and the books balance', async () => {
  await payers.stop();
  expect(payers.accepted.size).toBeGreaterThan(500);
  expect(await losses()).toEqual([]);
});
