/**
 * What the hub reaches: messages through all five steps to a destination that answers in 20 ms; and whether a destination that
 * never answers slows them, in pairs of arms without and with it.
 */
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { chapterOf, oneOrAll } from '../chapter.ts';
import type { DestinationReport } from '../load/destination.ts';
import { generateLoad, type RunningGenerator } from '../load/generator-process.ts';
import type { LoadPlan, LoadResult } from '../load/load-plan.ts';
import { ARM_MS, nextPlan, sizeOf } from '../load-plans.ts';
import { type ArmKind, type Pair, ratioOf, renderSlowing, runPairs } from '../measure/pairs.ts';
import type { Spread } from '../measure/spread.ts';
import { type Usage, UsageMeter } from '../measure/usage-meter.ts';
import type { Api } from '../product/api.ts';
import { cpuEach, duration, line, sum, whole } from '../report-format.ts';
import type { ScenarioContext } from '../scenario.ts';
import { restartProduct, type Stage } from '../stage.ts';
import { checkpoint } from '../yardsticks/yardstick-database.ts';

const LIVE = 'bench-live';
const DEAD = 'bench-dead';

/** Under way at most: twice what a destination that answers in 20 ms has in a tenth of a second. */
const UNFINISHED = { full: 3000, quick: 200 } as const;
const DEAD_PER_SECOND = { full: 50, quick: 20 } as const;

const DESTINATION = fileURLToPath(new URL('../load/destination.ts', import.meta.url));
const LOOK_EVERY_MS = 100;
/** Nothing more has come for so long: what was to come is there. */
const STALLED_MS = 10_000;

interface IntegrationArm {
  readonly kind: ArmKind;
  readonly load: LoadResult;
  /** By the time until the last delivery. */
  readonly deliveredPerSecond: number;
  /** Accepted, and never delivered. */
  readonly lost: number;
  /** Requests that the dead destination got. */
  readonly hung: number;
  readonly usage: Usage;
}

interface IntegrationReport {
  readonly deadPerSecond: number;
  readonly pairs: readonly Pair<IntegrationArm>[];
  /** With a dead destination by without, of messages delivered a second: 1 is no difference. */
  readonly ratio: Spread | undefined;
}

interface IntegrationOptions {
  readonly pairs: number;
  readonly deadPerSecond: number;
  /** Each time with seeds of their own, or the keys would be replays. */
  readonly nextPlans: () => { readonly live: LoadPlan; readonly dead: LoadPlan };
  /** A checkpoint, so that no arm pays for another's writes. */
  readonly beforeArm: () => Promise<void>;
}

export const INTEGRATIONS = chapterOf<IntegrationReport>({
  scenarios: [{ name: 'integrations', runs: 'full', measure: measureIntegrations }],
  faults: (reports) => reports.flatMap(faultsOfIntegrations),
  render: (reports) => reports.map(renderIntegrations),
  record: (reports) => ({ integrations: oneOrAll(reports) }),
});

/** In the sandbox's mode: elsewhere nothing is sent to this machine. */
async function measureIntegrations(stage: Stage): Promise<IntegrationReport> {
  const deadPerSecond = sizeOf(stage, DEAD_PER_SECOND);
  await restartProduct(stage, { LASTRO_MODE: 'sandbox' });
  const plan = { method: 'integration', durationMs: sizeOf(stage, ARM_MS), waitingConnections: 0 } as const;
  const maxUnfinished = sizeOf(stage, UNFINISHED);
  const report = await runIntegrations(stage.context, {
    pairs: stage.options.pairs,
    deadPerSecond,
    nextPlans: () => ({
      live: nextPlan(stage, { ...plan, connector: LIVE, maxUnfinished }),
      dead: nextPlan(stage, { ...plan, connector: DEAD, ratePerSecond: deadPerSecond }),
    }),
    beforeArm: () => checkpoint(stage.serverUrl),
  });
  await restartProduct(stage, {});
  return report;
}

async function runIntegrations(
  context: ScenarioContext,
  options: IntegrationOptions,
): Promise<IntegrationReport> {
  const destination = await Destination.open();
  try {
    await putConnectors(context.api, destination.url);
    const pairs = await runPairs(options.pairs, (kind, index) => {
      context.onProgress(`pair ${index + 1}, ${kind} a dead destination`);
      return runArm(kind, context, { destination, options });
    });
    const ratio = ratioOf(pairs, ({ deliveredPerSecond }) => deliveredPerSecond);
    return { deadPerSecond: options.deadPerSecond, pairs, ratio };
  } finally {
    destination.close();
  }
}

/** A schema, rules, a table and a mapping: every step has something to do. */
async function putConnectors(api: Api, url: string): Promise<void> {
  for (const [name, path] of [
    [LIVE, '/live'],
    [DEAD, '/dead'],
  ] as const) {
    const http = { type: 'http', method: 'POST', url: url + path, timeout_ms: 1000, attempts: 2 };
    const body = '{"number": order, "total": total, "tax": rate * total}';
    const definition = {
      entry: { type: 'api', schema: { type: 'object', required: ['order', 'country', 'lines'] } },
      rules: [
        { when: '$count(lines) = 0', refuse: 'There is nothing in it.' },
        { set: { total: '$sum(lines.cents)' } },
      ],
      tables: { rates: { BR: 0.17, AR: 0.21 } },
      enrichment: [{ type: 'table', table: 'rates', key: 'country', into: 'rate' }],
      destinations: { main: { ...http, body } },
    };
    const known = await api.get(`/v1/connectors/${name}`);
    const { version = 0 } = (known.status === 200 ? known.body : {}) as { version?: number };
    const put = await api.put(`/v1/connectors/${name}`, definition, { 'if-match': `"${version}"` });
    if (put.status > 201)
      throw new Error(`connector ${name} was answered ${put.status}: ${JSON.stringify(put.body)}`);
  }
}

async function runArm(
  kind: ArmKind,
  { pids }: ScenarioContext,
  { destination, options }: { readonly destination: Destination; readonly options: IntegrationOptions },
): Promise<IntegrationArm> {
  await options.beforeArm();
  const before = await destination.read();
  const plans = options.nextPlans();
  const meter = new UsageMeter(pids);
  const startedAt = performance.now();
  let generator: RunningGenerator | undefined;
  const watch = setInterval(() => {
    void destination.read().then(({ live }) => generator?.noteFinished(live - before.live));
  }, LOOK_EVERY_MS);
  const beside = kind === 'with' ? generateLoad(plans.dead, () => undefined) : undefined;
  // Awaited below; until then a failure of it must not end the process.
  beside?.catch(() => undefined);
  const load = await generateLoad(plans.live, (running) => {
    generator = running;
    meter.start();
  }).finally(() => clearInterval(watch));
  const { delivered, lastAt } = await untilDelivered(destination, before.live, load.accepted);
  const usage = meter.stop();
  await beside;
  const { dead } = await destination.read();
  return {
    kind,
    load,
    deliveredPerSecond: (delivered / (lastAt - startedAt)) * 1000,
    lost: load.accepted - delivered,
    hung: dead - before.dead,
    usage,
  };
}

async function untilDelivered(
  destination: Destination,
  before: number,
  accepted: number,
): Promise<{ delivered: number; lastAt: number }> {
  let delivered = 0;
  let lastAt = performance.now();
  while (delivered < accepted && performance.now() - lastAt < STALLED_MS) {
    const { live } = await destination.read();
    if (live - before > delivered) lastAt = performance.now();
    delivered = live - before;
    if (delivered < accepted) await delay(LOOK_EVERY_MS);
  }
  return { delivered, lastAt };
}

class Destination {
  readonly url: string;
  readonly #child: ChildProcess;

  private constructor(child: ChildProcess, port: number) {
    this.#child = child;
    this.url = `http://127.0.0.1:${port}`;
    child.setMaxListeners(0);
  }

  static async open(): Promise<Destination> {
    const child = fork(DESTINATION, { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] });
    const [report] = (await once(child, 'message')) as [DestinationReport];
    if (!('port' in report)) throw new Error('the destination did not say where it is');
    return new Destination(child, report.port);
  }

  /** How many have come so far. */
  async read(): Promise<{ live: number; dead: number }> {
    this.#child.send({});
    const [report] = (await once(this.#child, 'message')) as [DestinationReport];
    if (!('live' in report)) throw new Error('the destination did not say what has come');
    return report;
  }

  close(): void {
    this.#child.kill();
  }
}

/** What must hold whatever the speed. */
function faultsOfIntegrations({ pairs }: IntegrationReport): string[] {
  return pairs.flatMap((pair, index) =>
    [pair.without, pair.with].flatMap(({ kind, load, lost }) => {
      const at = `integrations, pair ${index + 1}, ${kind} a dead destination`;
      const others = sum(Object.values(load.unexpected));
      return [
        ...(load.accepted === 0 ? [`${at}: nothing was accepted`] : []),
        ...(lost > 0 ? [`${at}: ${lost} accepted messages were not delivered`] : []),
        ...(others > 0 ? [`${at}: ${others} answers other than 202`] : []),
        ...(load.dropped > 0 ? [`${at}: ${load.dropped} requests without an answer`] : []),
      ];
    }),
  );
}

function renderIntegrations(report: IntegrationReport): string {
  const arms = report.pairs.flatMap((pair) => [pair.without, pair.with]);
  const row = (label: string, value: (arm: IntegrationArm) => string): string => line(label, arms.map(value));
  return [
    row('integrations, a dead destination', ({ kind }) => kind),
    row('delivered/s', ({ deliveredPerSecond }) => whole(deliveredPerSecond)),
    row('to the 202, p50', ({ load }) => duration(load.acceptance.p50Ms)),
    row('to the 202, p99', ({ load }) => duration(load.acceptance.p99Ms)),
    row('requests that hang', ({ hung }) => whole(hung)),
    row('Node CPU per message', ({ usage, load }) => cpuEach(usage.nodeCpuUs, load.accepted)),
    row('PostgreSQL CPU per message', ({ usage, load }) => cpuEach(usage.postgresCpuUs, load.accepted)),
    report.ratio === undefined ? '' : `a dead destination slows the others by ${renderSlowing(report.ratio)}`,
  ].join('\n');
}
