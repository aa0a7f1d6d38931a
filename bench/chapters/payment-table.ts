/** Runs of payments, a column each. */
import type { DurationSummary } from '../load/histogram.ts';
import { answerRows, unacceptedRows } from '../load-figures.ts';
import { bytes, cpuEach, duration, line, NOT_KNOWN, whole } from '../report-format.ts';
import type { ScenarioReport } from '../scenario.ts';

export function renderPayments(scenarios: readonly ScenarioReport[]): string {
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
    ...unacceptedRows(scenarios.map(({ load }) => load)),
    row('lost, broken', ({ lost, broken }) => `${lost}, ${broken}`),
    ...answerRows(
      'to 202',
      scenarios.map(({ load }) => load),
    ),
    ...durationRows('to final state', scenarios, ({ load }) => load.completion),
    row('final state not in time', ({ load }) => whole(load.incomplete)),
    row('lag after the load: completion', ({ completionLagMs }) => duration(completionLagMs)),
    row('lag after the load: integrity', ({ integrityLagMs }) => duration(integrityLagMs)),
    row('most events lagging', ({ maxLagEvents }) => whole(maxLagEvents)),
    row('Node CPU per payment', (scenario) => cpuEach(scenario.usage.nodeCpuUs, scenario.load.accepted)),
    row('PostgreSQL CPU per payment', (scenario) =>
      cpuEach(scenario.usage.postgresCpuUs, scenario.load.accepted),
    ),
    row('providers CPU per payment', (scenario) =>
      scenario.gateway === undefined ? '-' : cpuEach(scenario.usage.providersCpuUs, scenario.load.accepted),
    ),
    row('generator CPU per payment', (scenario) => cpuEach(scenario.load.cpuUs, scenario.load.accepted)),
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

export function renderWorkers(scenarios: readonly ScenarioReport[]): string {
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
