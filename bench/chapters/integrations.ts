/**
 * What the hub reaches: messages through all five steps to a destination that answers in 20 ms; and whether a destination that
 * never answers slows them, in pairs of arms without and with it.
 */
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { chapterOf, oneOrAll } from '../chapter.ts';
import type { Judgement } from '../judgement.ts';
import type { DestinationReport, DestinationTally } from '../load/destination.ts';
import { generateLoad, type RunningGenerator } from '../load/generator-process.ts';
import type { LoadPlan, LoadResult } from '../load/load-plan.ts';
import { answerRows, faultsOfLoad, unacceptedRows } from '../load-figures.ts';
import { ARM_MS, nextPlan, sizeOf } from '../load-plans.ts';
import { type ArmKind, armsOf, type Pair, ratioOf, renderSlowing, runPairs } from '../measure/pairs.ts';
import type { Spread } from '../measure/spread.ts';
import { type Usage, UsageMeter } from '../measure/usage-meter.ts';
import type { Api } from '../product/api.ts';
import { CompletionWatch } from '../product/completion-watch.ts';
import { cpuEach, line, whole } from '../report-format.ts';
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

export interface IntegrationArm {
  readonly kind: ArmKind;
  readonly load: LoadResult;
  /** By the time until the last delivery. */
  readonly deliveredPerSecond: number;
  /** Accepted, and never delivered. */
  readonly lost: number;
  /** Requests with a message that had been delivered. */
  readonly repeated: number;
  /** Requests that the dead destination got. */
  readonly hung: number;
  /** Of messages to the dead destination; undefined in an arm without. */
  readonly dead: LoadResult | undefined;
  readonly usage: Usage;
}

export interface IntegrationReport {
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
  faults: (reports, judgement) => reports.flatMap((report) => faultsOfIntegrations(report, judgement)),
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
  { api, pids, onProgress }: ScenarioContext,
  { destination, options }: { readonly destination: Destination; readonly options: IntegrationOptions },
): Promise<IntegrationArm> {
  await options.beforeArm();
  // What the arm before left for the dead destination is tried no more.
  await new CompletionWatch(api, ({ lagEvents }) => onProgress(`${lagEvents} events waiting`)).untilRest();
  const before = await destination.read();
  const plans = options.nextPlans();
  const meter = new UsageMeter(pids);
  let startedAt = 0;
  let generator: RunningGenerator | undefined;
  const watch = setInterval(() => {
    void destination.read().then(({ live }) => generator?.noteFinished(live - before.live));
  }, LOOK_EVERY_MS);
  const beside = kind === 'with' ? generateLoad(plans.dead, () => undefined) : undefined;
  // Awaited below; until then a failure of it must not end the process.
  beside?.catch(() => undefined);
  const load = await generateLoad(plans.live, (running) => {
    generator = running;
    startedAt = performance.now();
    meter.start();
  }).finally(() => clearInterval(watch));
  const { delivered, lastAt } = await untilDelivered(destination, before.live, load.accepted);
  const usage = meter.stop();
  const dead = await beside;
  const after = await destination.read();
  return {
    kind,
    load,
    deliveredPerSecond: (delivered / (lastAt - startedAt)) * 1000,
    lost: load.accepted - delivered,
    repeated: after.repeated - before.repeated,
    hung: after.dead - before.dead,
    dead,
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
  async read(): Promise<DestinationTally> {
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
export function faultsOfIntegrations({ pairs }: IntegrationReport, judgement: Judgement): string[] {
  return pairs.flatMap((pair, index) =>
    armsOf([pair]).flatMap(({ kind, load, lost, hung, dead }) => {
      const at = `integrations, pair ${index + 1}, ${kind} a dead destination`;
      return [
        ...faultsOfLoad(at, load, judgement),
        ...(dead === undefined ? [] : faultsOfLoad(`${at}, those to it`, dead, judgement)),
        ...(dead !== undefined && hung === 0 ? [`${at}: nothing was sent to it`] : []),
        ...(lost > 0 ? [`${at}: ${lost} accepted messages were not delivered`] : []),
      ];
    }),
  );
}

function renderIntegrations(report: IntegrationReport): string {
  const arms = armsOf(report.pairs);
  const loads = arms.map(({ load }) => load);
  const row = (label: string, value: (arm: IntegrationArm) => string): string => line(label, arms.map(value));
  return [
    row('integrations, a dead destination', ({ kind }) => kind),
    row('delivered/s', ({ deliveredPerSecond }) => whole(deliveredPerSecond)),
    ...unacceptedRows(loads),
    ...answerRows('to the 202', loads),
    row('delivered again', ({ repeated }) => whole(repeated)),
    row('requests that hang', ({ hung }) => whole(hung)),
    row('Node CPU per message', ({ usage, load }) => cpuEach(usage.nodeCpuUs, load.accepted)),
    row('PostgreSQL CPU per message', ({ usage, load }) => cpuEach(usage.postgresCpuUs, load.accepted)),
    report.ratio === undefined ? '' : `a dead destination slows the others by ${renderSlowing(report.ratio)}`,
  ].join('\n');
}
