/**
 * What webhooks reach: a thousand endpoints of ten tenants, of which a hundred never answer, and as many payments a second as
 * make the wanted deliveries. How long the others wait is measured at the receiver, from the event's time.
 */
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { chapterOf, oneOrAll } from '../chapter.ts';
import type { ReceiverReport, WebhookTally } from '../load/webhook-receiver.ts';
import { sizeOf } from '../load-plans.ts';
import { type Usage, UsageMeter } from '../measure/usage-meter.ts';
import { Api, forEachConcurrently } from '../product/api.ts';
import { createApiKey } from '../product/product.ts';
import { cpuEach, duration, line, whole } from '../report-format.ts';
import type { ScenarioContext } from '../scenario.ts';
import { restartProduct, type Stage } from '../stage.ts';
import { checkpoint } from '../yardsticks/yardstick-database.ts';

const RECEIVER = fileURLToPath(new URL('../load/webhook-receiver.ts', import.meta.url));
const CURRENCY = 'USD';
const FUNDS_MINOR = 1_000_000_000;
const CONCURRENT_REQUESTS = 16;
/** Nothing more has come for so long: what was to come is there. */
const QUIET_MS = 2000;
/** Until every process knows of the endpoints (src/services/notification/webhooks/subscribers.ts). */
const KNOWN_AFTER_MS = 1500;

const SIZES: Readonly<Record<'full' | 'quick', Omit<WebhookPlan, 'durationMs'>>> = {
  full: { tenants: 10, endpoints: 100, hung: 10, deliveriesPerSecond: 3300 },
  quick: { tenants: 2, endpoints: 10, hung: 1, deliveriesPerSecond: 200 },
};

export const WEBHOOKS = chapterOf<WebhookReport>({
  scenarios: [{ name: 'webhooks', runs: 'full', measure: measureWebhooks }],
  faults: (reports) => reports.flatMap(faultsOfWebhooks),
  render: (reports) => reports.map(renderWebhooks),
  record: (reports) => ({ webhooks: oneOrAll(reports) }),
});

export interface WebhookPlan {
  readonly durationMs: number;
  readonly tenants: number;
  /** Of each tenant, those that hang among them. */
  readonly endpoints: number;
  readonly hung: number;
  /** To endpoints that answer. */
  readonly deliveriesPerSecond: number;
}

export interface WebhookReport extends WebhookPlan {
  readonly payments: number;
  readonly tally: WebhookTally;
  /** From the first payment to the last arrival. */
  readonly elapsedMs: number;
  readonly usage: Usage;
}

interface WebhookTenant {
  readonly api: Api;
}

/** In the sandbox's mode: elsewhere nothing is sent to this machine. Each tenant has a key of its own, as everywhere. */
async function measureWebhooks(stage: Stage): Promise<WebhookReport> {
  const { options, installation } = stage;
  const plan = { ...sizeOf(stage, SIZES), durationMs: options.seconds * 1000 };
  const names = Array.from({ length: plan.tenants }, (_, index) => `bench-hooks-${index}`);
  const keys = await Promise.all(names.map((tenant) => createApiKey(installation, tenant)));
  await restartProduct(stage, { LASTRO_MODE: 'sandbox' });
  const { url } = stage.product;
  await checkpoint(stage.serverUrl);
  const tenants = keys.map((key) => ({ api: new Api({ url, key }) }));
  const report = await runWebhooks(stage.context, tenants, plan);
  await restartProduct(stage, {});
  stage.stored += report.payments;
  return report;
}

async function runWebhooks(
  { pids, onProgress }: ScenarioContext,
  tenants: readonly WebhookTenant[],
  plan: WebhookPlan,
): Promise<WebhookReport> {
  const receiver = await Receiver.open();
  try {
    await forEachConcurrently(tenants, 2, ({ api }) => prepare(api, receiver.url, plan));
    await delay(KNOWN_AFTER_MS);
    await receiver.read();
    const meter = new UsageMeter(pids);
    meter.start();
    const startedAt = performance.now();
    const payments = await pay(tenants, plan, onProgress);
    const { tally, lastAt } = await receiver.untilQuiet();
    return { ...plan, payments, tally, elapsedMs: lastAt - startedAt, usage: meter.stop() };
  } finally {
    receiver.close();
  }
}

/** What exists from an earlier run on the same data is left as it is; its endpoints are gone. */
async function prepare(api: Api, url: string, { endpoints, hung }: WebhookPlan): Promise<void> {
  for (const [id, kind] of [
    ['hooks-outside', 'external'],
    ['hooks-wallet', 'wallet'],
    ['hooks-service', 'service'],
  ] as const)
    await must(api, [201, 409], ['/v1/accounts', { id, kind, currency: CURRENCY }, `hooks-${id}`]);
  const postings = [
    { account_id: 'hooks-outside', direction: 'debit', amount: FUNDS_MINOR },
    { account_id: 'hooks-wallet', direction: 'credit', amount: FUNDS_MINOR },
  ];
  await must(api, [201], ['/v1/journal-entries', { postings }, 'hooks-funds']);
  const numbers = Array.from({ length: endpoints }, (_, index) => index);
  await forEachConcurrently(numbers, CONCURRENT_REQUESTS, async (index) => {
    const path = index < hung ? `/hung/${index}` : `/live/${index}`;
    const body = { url: url + path, events: ['payment.completed'] };
    await must(api, [201], ['/v1/webhook-endpoints', body, `hooks-${index}`]);
  });
}

async function must(
  api: Api,
  statuses: readonly number[],
  [path, body, key]: readonly [string, unknown, string],
): Promise<void> {
  const answer = await api.post(path, body, key);
  if (!statuses.includes(answer.status))
    throw new Error(`${path} was answered ${answer.status}: ${JSON.stringify(answer.body)}`);
}

/** Open loop: when a payment is sent does not depend on the answers. How many there were. */
async function pay(
  tenants: readonly WebhookTenant[],
  { durationMs, endpoints, hung, deliveriesPerSecond }: WebhookPlan,
  onProgress: (text: string) => void,
): Promise<number> {
  const perSecond = deliveriesPerSecond / (endpoints - hung);
  const count = Math.ceil((perSecond * durationMs) / 1000);
  const run = Date.now();
  const startedAt = performance.now();
  const sent = Array.from({ length: count }, async (_, index) => {
    await delay(Math.max(0, startedAt + (index * 1000) / perSecond - performance.now()));
    const { api } = tenants[index % tenants.length] as WebhookTenant;
    onProgress(`payment ${index + 1} of ${count}`);
    await must(api, [202], ['/v1/payments', PAYMENT, `hooks-${run}-${index}`]);
  });
  await Promise.all(sent);
  return count;
}

const PAYMENT = {
  wallet_id: 'hooks-wallet',
  service_id: 'hooks-service',
  amount: 1,
  currency: CURRENCY,
  method: 'balance',
};

class Receiver {
  readonly url: string;
  readonly #child: ChildProcess;

  private constructor(child: ChildProcess, port: number) {
    this.#child = child;
    this.url = `http://127.0.0.1:${port}`;
  }

  static async open(): Promise<Receiver> {
    const child = fork(RECEIVER, { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] });
    const [report] = (await once(child, 'message')) as [ReceiverReport];
    if (!('port' in report)) throw new Error('the receiver did not say where it is');
    return new Receiver(child, report.port);
  }

  /** What has come since the last time. */
  async read(): Promise<WebhookTally> {
    this.#child.send({});
    const [report] = (await once(this.#child, 'message')) as [ReceiverReport];
    if (!('tally' in report)) throw new Error('the receiver did not say what has come');
    return report.tally;
  }

  /** All that comes until nothing does, and when the last of it did. */
  async untilQuiet(): Promise<{ tally: WebhookTally; lastAt: number }> {
    const { count, quietSince } = await this.#watch();
    const tally = await this.read();
    if (tally.delivered !== count) throw new Error('something came after it had become quiet');
    return { tally, lastAt: quietSince };
  }

  async #watch(): Promise<{ count: number; quietSince: number }> {
    let count = -1;
    let quietSince = performance.now();
    for (;;) {
      const now = await this.#count();
      if (now !== count) quietSince = performance.now();
      else if (performance.now() - quietSince > QUIET_MS) return { count, quietSince };
      count = now;
      await delay(100);
    }
  }

  async #count(): Promise<number> {
    this.#child.send({ count: true });
    const [report] = (await once(this.#child, 'message')) as [ReceiverReport];
    if (!('count' in report)) throw new Error('the receiver did not say how much has come');
    return report.count;
  }

  close(): void {
    this.#child.kill('SIGKILL');
  }
}

/** What must hold whatever the speed: each payment at each endpoint that answers, once, in order. */
export function faultsOfWebhooks({ payments, endpoints, hung, tally }: WebhookReport): string[] {
  const wanted = payments * (endpoints - hung);
  return [
    ...(tally.delivered < wanted ? [`webhooks: ${wanted - tally.delivered} deliveries are missing`] : []),
    ...(hung > 0 && tally.hung === 0 ? ['webhooks: nothing was sent to those that hang'] : []),
    ...(tally.outOfOrder > 0 ? [`webhooks: ${tally.outOfOrder} came before what is before them`] : []),
  ];
}

function renderWebhooks(report: WebhookReport): string {
  const { tenants, endpoints, hung, payments, tally, elapsedMs, usage } = report;
  return [
    line('webhooks', []),
    line('endpoints, those that hang', [whole(tenants * endpoints), whole(tenants * hung)]),
    line('payments', [whole(payments)]),
    line('deliveries to the others', [whole(tally.delivered)]),
    line('deliveries that came again', [whole(tally.repeated)]),
    line('deliveries/s', [whole((tally.delivered / elapsedMs) * 1000)]),
    line('from the event to its arrival, p50', [duration(tally.delay.p50Ms)]),
    line('from the event to its arrival, p99', [duration(tally.delay.p99Ms)]),
    line('from the event to its arrival, max', [duration(tally.delay.maxMs)]),
    line('requests that hang', [whole(tally.hung)]),
    line('Node CPU per delivery', [cpuEach(usage.nodeCpuUs, tally.delivered)]),
    line('PostgreSQL CPU per delivery', [cpuEach(usage.postgresCpuUs, tally.delivered)]),
  ].join('\n');
}
