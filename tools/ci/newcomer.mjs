/**
 * The README's first command and its curl on a folder without data, twice, and `verify` behind them: what a newcomer sees of
 * the product is what is tried of it.
 */
import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { endOf, launch, ROOT, until } from './commands.mjs';
import { ensure, step } from './steps.mjs';

/** A first start installs the packages. */
const START_MS = 240_000;
const PAYMENT_MS = 10_000;
const STOP_MS = 30_000;

const HAPPY_PATH = [
  'payment.requested',
  'payment.validated',
  'payment.authorized',
  'entry.posted',
  'payment.completed',
  'notification.queued',
];

async function start(dataDir) {
  const server = launch('npm', ['start'], { LASTRO_DATA_DIR: dataDir, LASTRO_PORT: '0' });
  const find = () => {
    ensure(server.exit === undefined, `npm start ended with ${server.exit}`);
    return /ready at (http:\/\/\S+)/.exec(server.output)?.[1];
  };
  try {
    return { server, url: await until(find, START_MS, 'the address') };
  } catch (error) {
    server.kill();
    throw error;
  }
}

/** The README's curl as it stands there, sent to where this server listens. */
async function payByCurl(url) {
  const readme = readFileSync(join(ROOT, 'README.md'), 'utf8');
  const curl = /^curl [^`]*/m.exec(readme)?.[0];
  ensure(curl !== undefined, 'the README has no curl');
  const target = /--location '([^']+)'/.exec(curl)[1].replace(/^localhost:8080/, url);
  const headers = Object.fromEntries(
    [...curl.matchAll(/--header '([^:]+): ([^']*)'/g)].map((match) => match.slice(1)),
  );
  const body = /--data '([^']*)'/.exec(curl)[1];
  const answer = await fetch(target, { method: 'POST', headers, body });
  const text = await answer.text();
  ensure(answer.status === 202, `${answer.status} ${text}`);
  return JSON.parse(text).id;
}

async function read(url) {
  const answer = await fetch(url);
  const text = await answer.text();
  ensure(answer.status === 200, `${url} answered ${answer.status} ${text}`);
  return JSON.parse(text);
}

/** Resolves when the payment is final, told of and judged. */
async function followPayment(url, id) {
  const path = `${url}/v1/payments/${id}`;
  await until(
    async () => ((await read(path)).status === 'completed' ? true : undefined),
    PAYMENT_MS,
    'completion',
  );
  await until(
    async () => ((await read(`${path}/verdict`)).verdict === 'complete' ? true : undefined),
    PAYMENT_MS,
    'the verdict',
  );
  const types = (await read(`${path}/events`)).data.map((event) => event.type);
  ensure(types.join() === HAPPY_PATH.join(), `the timeline is ${types.join(', ')}`);
}

async function post(url, key, body) {
  const answer = await fetch(url, {
    method: 'POST',
    headers: { 'idempotency-key': key, 'content-type': 'application/json', prefer: 'wait=10' },
    body: JSON.stringify(body),
  });
  const text = await answer.text();
  ensure(answer.status === 200, `${url} answered ${answer.status} ${text}`);
  return JSON.parse(text);
}

/** The accounts of the README's curl; its sandbox has the providers. */
async function payByGateway(url) {
  const order = {
    wallet_id: 'wal-1234',
    service_id: 'abc-1234',
    amount: 500,
    currency: 'USD',
    method: 'gateway',
  };
  const payment = await post(`${url}/v1/payments`, 'ci-gateway', order);
  ensure(payment.status === 'completed', `the payment is ${payment.status}`);
  const refund = await post(`${url}/v1/payments/${payment.id}/refunds`, 'ci-refund', { amount: 200 });
  ensure(refund.status === 'completed', `the refund is ${refund.status}`);
  for (const path of [`payments/${payment.id}`, `refunds/${refund.id}`])
    await until(
      async () => ((await read(`${url}/v1/${path}/verdict`)).verdict === 'complete' ? true : undefined),
      PAYMENT_MS,
      'the verdict',
    );
}

async function stop({ server }, dataDir) {
  process.kill(server.pid, 'SIGTERM');
  const exit = await endOf(server, STOP_MS);
  ensure(exit === 0, `npm start ended with ${exit}`);
  ensure(!existsSync(join(dataDir, 'postgres/cluster/postmaster.pid')), 'PostgreSQL still runs');
}

export async function tryAsNewcomer() {
  const dataDir = mkdtempSync(join(tmpdir(), 'lastro-ci-'));
  chmodSync(dataDir, 0o711); // root's PostgreSQL runs as nobody
  let id;
  for (const turn of ['npm start', 'npm start again']) {
    const running = await step(turn, () => start(dataDir));
    if (running === undefined) break;
    // The second time, the same key gets the same payment.
    const answered = await step(`${turn}: the README's curl`, async () => {
      const paid = await payByCurl(running.url);
      ensure(id === undefined || id === paid, `the same key made ${paid} beside ${id}`);
      return paid;
    });
    id ??= answered;
    await step(`${turn}: completed, six events, verified`, () => followPayment(running.url, id));
    await step(`${turn}: paid by a gateway, refunded, verified`, () => payByGateway(running.url));
    await step(`${turn}: SIGTERM ends it in order`, () => stop(running, dataDir));
  }
  await step('./lastro verify', async () => {
    const command = launch('./lastro', ['verify'], { LASTRO_DATA_DIR: dataDir });
    ensure((await endOf(command, START_MS)) === 0, 'it found differences');
  });
  rmSync(dataDir, { recursive: true, force: true });
}
