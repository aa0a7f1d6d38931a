/** The result as people read it. Every figure is explained in README.md. */
import { renderCards } from './cards.ts';
import { renderCashEntries } from './cash-entries.ts';
import { renderConsolidationCost } from './consolidation-cost.ts';
import { renderDays } from './daily-balances.ts';
import { renderIntegrations } from './integrations.ts';
import type { DurationSummary } from './load/histogram.ts';
import { renderLongAccount } from './long-account.ts';
import type { Machine, Revision } from './measure/machine.ts';
import { renderSlowing } from './measure/pairs.ts';
import type { Spread } from './measure/spread.ts';
import type { CostPoint, Measurements } from './measurements.ts';
import { bytes, duration, line, NOT_KNOWN, percent, sum, whole } from './report-format.ts';
import { renderGateway } from './report-gateway.ts';
import type { ScenarioReport } from './scenario.ts';
import { renderWebhooks } from './webhooks.ts';
import type { PeerYardstick, Yardstick } from './yardsticks/yardstick-run.ts';

export interface BenchReport extends Measurements {
  readonly at: string;
  readonly options: Readonly<Record<string, unknown>>;
  readonly machine: Machine;
  readonly database: Readonly<Record<string, string>>;
  readonly revision: Revision;
  readonly plainSql: Yardstick | undefined;
  readonly peer: PeerYardstick | undefined;
  /** Exit status of `lastro verify`; undefined when the bench ended before it. */
  readonly verify: { readonly status: number | null; readonly output: string } | undefined;
  readonly faults: readonly string[];
}

/** The whole of what it said is in the JSON. */
const VERIFY_LINES = 40;

export function renderReport(report: BenchReport): string {
  const sections = [
    renderMachine(report),
    ...(report.scenarios.length > 0
      ? [renderScenarios(report.scenarios), renderWorkers(report.scenarios)]
      : []),
    renderGateway(report),
    renderIntegrityCost(report),
    renderCards(report.cards),
    renderIntegrations(report.integrations),
    renderWebhooks(report.webhooks),
    renderCashEntries(report.cashEntries),
    renderConsolidationCost(report.consolidationCost),
    renderDays(report.days),
    renderLongAccount(report.longAccount),
    ...(report.costs.length > 0 ? [renderCosts(report.costs)] : []),
    renderYardsticks(report),
    renderOutcome(report),
  ];
  return `${sections.filter((section) => section !== '').join('\n\n')}\n`;
}

function renderMachine({ at, machine, database, revision, options }: BenchReport): string {
  const settings = Object.entries(database).map(([name, value]) => `${name}=${value}`);
  const modified = revision.modified === true ? ', with changes' : '';
  return [
    `lastro bench, ${at}`,
    `  machine   ${machine.cpu}, ${machine.cores} cores, ${machine.memoryGib} GiB, ${machine.system}`,
    `  disk      8 KiB written and synced in ${duration(machine.syncMs)} (median)`,
    `  node      ${machine.node}`,
    `  database  ${settings.join(' ')}`,
    `  commit    ${revision.commit}${modified}`,
    `  options   ${JSON.stringify(options)}`,
  ].join('\n');
}

function renderScenarios(scenarios: readonly ScenarioReport[]): string {
  const row = (label: string, value: (scenario: ScenarioReport) => string): string =>
    line(label, scenarios.map(value));
  return [
    line(
      '',
      scenarios.map(({ name }) => name),
    ),
    row('accepted/s', (scenario) => whole(scenario.acceptedPerSecond)),
    row('completed/s', (scenario) => whole(scenario.completedPerSecond)),
    row('payments accepted', ({ load }) => whole(load.accepted)),
    row('refused (429, 503)', ({ load }) => whole(load.refused)),
    row('other answers', ({ load }) => whole(sum(Object.values(load.unexpected)))),
    row('dropped', ({ load }) => whole(load.dropped)),
    row('lost, broken', ({ lost, broken }) => `${lost}, ${broken}`),
    ...durationRows('to 202', scenarios, ({ load }) => load.acceptance),
    ...durationRows('to final state', scenarios, ({ load }) => load.completion),
    row('final state not in time', ({ load }) => whole(load.incomplete)),
    row('lag after the load: completion', ({ completionLagMs }) => duration(completionLagMs)),
    row('lag after the load: integrity', ({ integrityLagMs }) => duration(integrityLagMs)),
    row('most events lagging', ({ maxLagEvents }) => whole(maxLagEvents)),
    row('Node CPU per payment', (scenario) => cpu(scenario.usage.nodeCpuUs, scenario)),
    row('PostgreSQL CPU per payment', (scenario) => cpu(scenario.usage.postgresCpuUs, scenario)),
    row('providers CPU per payment', (scenario) =>
      scenario.gateway === undefined ? '-' : cpu(scenario.usage.providersCpuUs, scenario),
    ),
    row('generator CPU per payment', (scenario) => cpu(scenario.load.cpuUs, scenario)),
    row('Node peak memory', ({ usage }) => bytes(usage.nodePeakRssBytes)),
    row('PostgreSQL peak memory', ({ usage }) => bytes(usage.postgresPeakRssBytes)),
    row('generator peak memory', ({ load }) => bytes(load.peakRssBytes)),
    row('generator late by at most', ({ plan, load }) =>
      plan.ratePerSecond === null ? '-' : duration(load.sentLateMs),
    ),
  ].join('\n');
}

function durationRows(
  label: string,
  scenarios: readonly ScenarioReport[],
  summaryOf: (scenario: ScenarioReport) => DurationSummary,
): string[] {
  const row = (name: string, value: (summary: DurationSummary) => number | null) =>
    line(
      `${label}, ${name}`,
      scenarios.map((scenario) => duration(value(summaryOf(scenario)))),
    );
  return [
    row('p50', ({ p50Ms }) => p50Ms),
    row('p99', ({ p99Ms }) => p99Ms),
    row('p99.9', ({ p999Ms }) => p999Ms),
    row('max', ({ maxMs }) => maxMs),
  ];
}

function renderWorkers(scenarios: readonly ScenarioReport[]): string {
  const worked = scenarios.flatMap(({ workers }) =>
    Object.entries(workers).filter(([, { batches }]) => batches > 0),
  );
  const names = [...new Set(worked.map(([name]) => name))];
  const rows = names.map((name) =>
    line(
      `  ${name}`,
      scenarios.map(({ workers }) => {
        const worker = workers[name];
        if (worker === undefined) return NOT_KNOWN;
        return `${worker.usPerPayment.toFixed(1)} µs`;
      }),
    ),
  );
  const sizes = names.map((name) =>
    line(
      `  ${name}`,
      scenarios.map(({ workers }) => (workers[name]?.eventsPerBatch ?? 0).toFixed(0)),
    ),
  );
  return ['batch time per payment, by worker', ...rows, 'requests or events per batch', ...sizes].join('\n');
}

function renderIntegrityCost({ integrityCost }: BenchReport): string {
  if (integrityCost === undefined) return '';
  const { completedRatio, acceptedRatio, pairs } = integrityCost;
  const slowing = (ratio: Spread | undefined) => (ratio === undefined ? NOT_KNOWN : renderSlowing(ratio));
  const rate = (value: number | null) => (value === null ? NOT_KNOWN : whole(value));
  return [
    `payments slowed by the integrity service: ${slowing(completedRatio)}, target < 10 %`,
    `  the same, by payments accepted: ${slowing(acceptedRatio)}`,
    ...pairs.map(
      (pair, index) =>
        `  pair ${index + 1}, ${pair.first} first: completed/s ${rate(pair.without.completedPerSecond)} without, ${rate(pair.with.completedPerSecond)} with`,
    ),
  ].join('\n');
}

function renderCosts(costs: readonly CostPoint[]): string {
  const row = (label: string, value: (scenario: ScenarioReport) => string): string =>
    line(
      label,
      costs.map(({ scenario }) => value(scenario)),
    );
  return [
    line(
      'stored payments',
      costs.map(({ storedPayments }) => whole(storedPayments)),
    ),
    row('completed/s', (scenario) => whole(scenario.completedPerSecond)),
    row('Node CPU per payment', (scenario) => cpu(scenario.usage.nodeCpuUs, scenario)),
    row('PostgreSQL CPU per payment', (scenario) => cpu(scenario.usage.postgresCpuUs, scenario)),
  ].join('\n');
}

function renderYardsticks({ scenarios, plainSql, peer }: BenchReport): string {
  const uniform = scenarios.find(({ name }) => name === 'uniform');
  const hot = scenarios.find(({ name }) => name === 'hot');
  const lines: string[] = [];
  if (plainSql !== undefined) {
    const cpuText =
      plainSql.postgresCpuUsPerPayment === null
        ? NOT_KNOWN
        : `${plainSql.postgresCpuUsPerPayment.toFixed(0)} µs`;
    lines.push(
      `plain SQL, no program: ${whole(plainSql.perSecond)} payments/s, ${cpuText} of PostgreSQL each`,
    );
    if (uniform !== undefined)
      lines.push(`  uniform reaches ${percent(uniform.completedPerSecond / plainSql.perSecond)} of it`);
  }
  if (peer !== undefined) {
    lines.push(`DBOS Transact, 4 steps: ${whole(peer.perSecond)} payments/s (${peer.concurrency} at once)`);
    if (uniform !== undefined)
      lines.push(`  uniform is ${(uniform.completedPerSecond / peer.perSecond).toFixed(1)} times it`);
  }
  if (uniform !== undefined && hot !== undefined)
    lines.push(
      `one hot account reaches ${percent(hot.completedPerSecond / uniform.completedPerSecond)} of uniform`,
    );
  return lines.join('\n');
}

function renderOutcome({ verify, faults }: BenchReport): string {
  const isClean = verify?.status === 0;
  const said = verify === undefined || isClean ? [] : verify.output.split('\n').slice(0, VERIFY_LINES);
  return [
    `verify: ${verify === undefined ? 'not run' : isClean ? 'clean' : 'not clean'}`,
    ...said.map((text) => `  ${text}`),
    ...(faults.length === 0 ? ['nothing lost'] : faults.map((fault) => `FAILED  ${fault}`)),
  ].join('\n');
}

function cpu(us: number | null, { load }: ScenarioReport): string {
  return us === null || load.accepted === 0 ? NOT_KNOWN : `${(us / load.accepted).toFixed(1)} µs`;
}
