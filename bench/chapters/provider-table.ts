/** Payments by providers, each figure beside what is to be reached. */

import type { Unaccepted } from '../load-figures.ts';
import { renderSlowing } from '../measure/pairs.ts';
import type { Waiting } from '../product/payment-ends.ts';
import { duration, NOT_KNOWN, perSecond, sum, whole } from '../report-format.ts';
import type { ScenarioReport } from '../scenario.ts';
import type { FailoverFigures } from './failover.ts';
import { type HungProviderReport, PROVIDERS_ARE } from './hung-provider.ts';

const LABEL_WIDTH = 54;
const VALUE_WIDTH = 40;

interface Row {
  readonly label: string;
  readonly value: string;
  /** On two cores; none where the figure explains another. */
  readonly target?: string;
}

/** Empty where no payment was made by a provider. */
export function renderGateway(report: {
  readonly scenarios: readonly ScenarioReport[];
  readonly hungProviders: readonly HungProviderReport[];
  readonly failovers: readonly FailoverFigures[];
}): string {
  const { scenarios, hungProviders, failovers } = report;
  const rows = [
    ...scenarios.filter(({ name }) => name === 'gateway').flatMap(throughputRows),
    ...hungProviders.flatMap(hungProviderRows),
    ...failovers.flatMap(failoverRows),
  ];
  if (rows.length === 0) return '';
  const head = renderRow({ label: 'payments by providers', value: 'measured', target: 'target' });
  return [head, ...rows.map(renderRow)].join('\n');
}

function throughputRows({ completedPerSecond, completed, gateway }: ScenarioReport): Row[] {
  if (gateway === undefined) return [];
  const { calls, books } = gateway;
  const perPayment = completed === 0 ? NOT_KNOWN : (sum(Object.values(calls)) / completed).toFixed(3);
  return [
    { label: 'completed/s, providers take 100 ms', value: whole(completedPerSecond), target: '≥ 2,000' },
    { label: '  calls per payment', value: `${perPayment} (${renderCounts(calls)})` },
    {
      label: '  charged by the providers’ books, twice',
      value: `${whole(books.charged)}, ${books.chargedTwice}`,
    },
  ];
}

function hungProviderRows({ pairs, gatewayPerSecond, ...report }: HungProviderReport): Row[] {
  const hung = pairs.map((pair) => pair.with);
  const healedMs = hung.map((arm) => arm.healedMs ?? Number.POSITIVE_INFINITY);
  const slowest = Math.max(0, ...healedMs);
  return [
    {
      label: 'balance payments slowed by providers that hang',
      value: renderSlowing(report.completedRatio),
      target: '≤ 5 %',
    },
    { label: '  the same, by payments accepted', value: renderSlowing(report.acceptedRatio) },
    ...pairs.map((pair, index) => ({
      label: `  pair ${index + 1}, ${PROVIDERS_ARE[pair.first]} first: completed/s`,
      value: `${perSecond(pair.without.completedPerSecond)} well, ${perSecond(pair.with.completedPerSecond)} hung`,
    })),
    {
      label: '  refused, dropped, never sent: well',
      value: unacceptedOf(pairs.map((pair) => pair.without)),
    },
    { label: '  refused, dropped, never sent: hung', value: unacceptedOf(hung) },
    {
      label: `  ${whole(gatewayPerSecond)}/s by providers: all ended, after they were well`,
      value: Number.isFinite(slowest) ? `${duration(slowest)} at most` : 'not all',
    },
  ];
}

function unacceptedOf(arms: readonly Unaccepted[]): string {
  const of = (count: (arm: Unaccepted) => number): string => whole(sum(arms.map(count)));
  return `${of(({ refused }) => refused)}, ${of(({ dropped }) => dropped)}, ${of(({ unsent }) => unsent)}`;
}

function failoverRows(figures: FailoverFigures): Row[] {
  const { provider, ratePerSecond, breakerOpenMs, backAtRateMs, trafficAgainMs, held, waiting } = figures;
  const before = perSecond(figures.beforePerSecond);
  return [
    {
      label: `${provider} hangs: its breaker is open after`,
      value: seen(breakerOpenMs),
      target: '≤ 5 s',
    },
    {
      label: `  completions are back at ${whole(ratePerSecond)}/s after`,
      value: `${seen(backAtRateMs)} (just before it hung: ${before}/s)`,
    },
    { label: `  still waiting after ${duration(figures.outageMs)}`, value: renderWaiting(held) },
    { label: `  ${provider} is well: charged again after`, value: seen(trafficAgainMs) },
    { label: '  at the end', value: renderCounts(figures.statuses) },
    ...(waiting.payments === 0 ? [] : [{ label: '  of these waiting', value: renderWaiting(waiting) }]),
  ];
}

function seen(ms: number | null): string {
  return ms === null ? 'not seen' : duration(ms);
}

function renderWaiting({ payments, reasons }: Waiting): string {
  return payments === 0 ? 'none' : `${whole(payments)}, last event of some: ${renderCounts(reasons)}`;
}

function renderCounts(counts: Readonly<Record<string, number>>): string {
  return Object.entries(counts)
    .filter(([, count]) => count > 0)
    .map(([name, count]) => `${whole(count)} ${name}`)
    .join(', ');
}

function renderRow({ label, value, target }: Row): string {
  return `${label.padEnd(LABEL_WIDTH)}  ${target === undefined ? value : `${value.padEnd(VALUE_WIDTH)}  ${target}`}`;
}
