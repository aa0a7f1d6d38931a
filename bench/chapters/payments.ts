/** Payments: as fast as they go, at a rate, to one account, and by providers that are well or hang. */
import { chapterOf, oneOrAll } from '../chapter.ts';
import type { Judgement } from '../judgement.ts';
import type { LoadPlan } from '../load/load-plan.ts';
import { WAITING_CONNECTIONS } from '../load-plans.ts';
import { gatewayPlan, loadPayments } from '../payment-load.ts';
import { faultsOfBooks, GatewayMeter } from '../product/gateway-meter.ts';
import { faultsOf, type ScenarioReport } from '../scenario.ts';
import type { Stage } from '../stage.ts';
import { type FailoverFigures, type FailoverReport, faultsOfFailover, measureFailover } from './failover.ts';
import { faultsOfHungProvider, type HungProviderReport, measureHungProvider } from './hung-provider.ts';
import { renderPayments, renderWorkers } from './payment-table.ts';
import { renderGateway } from './provider-table.ts';

type Finding =
  | { readonly scenario: ScenarioReport }
  | FailoverReport
  | { readonly hungProvider: HungProviderReport };

export const PAYMENTS = chapterOf<Finding>({
  scenarios: [
    { name: 'uniform', runs: 'always', measure: (stage) => measure(stage, 'uniform', {}) },
    { name: 'hot', runs: 'always', measure: (stage) => measure(stage, 'hot', { services: 1 }) },
    {
      name: 'open',
      runs: 'always',
      measure: (stage) =>
        measure(stage, 'open', {
          ratePerSecond: stage.options.rate,
          waitingConnections: WAITING_CONNECTIONS.open,
        }),
    },
    { name: 'gateway', runs: 'always', needsProviders: true, measure: measureGateway },
    {
      name: 'hung-provider',
      runs: 'full',
      needsProviders: true,
      measure: async (stage) => ({ hungProvider: await measureHungProvider(stage) }),
    },
    { name: 'failover', runs: 'full', needsProviders: true, measure: measureFailover },
  ],
  faults: (findings, judgement) => findings.flatMap((finding) => faultsOfFinding(finding, judgement)),
  render: (findings) => {
    const scenarios = scenariosOf(findings);
    const byProviders = renderGateway({
      scenarios,
      hungProviders: hungProvidersOf(findings),
      failovers: failoversOf(findings),
    });
    return scenarios.length === 0
      ? [byProviders]
      : [renderPayments(scenarios), renderWorkers(scenarios), byProviders];
  },
  record: (findings) => ({
    scenarios: scenariosOf(findings),
    hungProvider: oneOrAll(hungProvidersOf(findings)),
    failover: oneOrAll(failoversOf(findings)),
  }),
  completedPerSecond: (findings) =>
    // Of a scenario that was named more than once the first.
    new Map(
      scenariosOf(findings)
        .toReversed()
        .map(({ name, completedPerSecond }) => [name, completedPerSecond]),
    ),
});

async function measure(stage: Stage, name: string, plan: Partial<LoadPlan>): Promise<Finding> {
  return { scenario: await loadPayments(stage, name, plan) };
}

async function measureGateway(stage: Stage): Promise<Finding> {
  const meter = new GatewayMeter(stage.context.api, stage.providers);
  await meter.start();
  const scenario = await loadPayments(stage, 'gateway', gatewayPlan(stage));
  return { scenario: { ...scenario, gateway: await meter.stop() } };
}

function faultsOfFinding(finding: Finding, judgement: Judgement): string[] {
  if ('hungProvider' in finding) return faultsOfHungProvider(finding.hungProvider, judgement);
  const { scenario } = finding;
  const { name, gateway, completed } = scenario;
  const failover = 'figures' in finding ? finding.figures : undefined;
  const charged = failover === undefined ? completed : chargedIn(failover);
  return [
    ...faultsOf(scenario, judgement),
    ...(gateway === undefined ? [] : faultsOfBooks(name, gateway, charged)),
    ...(failover === undefined ? [] : faultsOfFailover(failover)),
  ];
}

/** How many have to stand charged; null while it is open of some. */
function chargedIn({ statuses, waiting }: FailoverFigures): number | null {
  return waiting.payments > 0 ? null : (statuses['completed'] ?? 0);
}

function scenariosOf(findings: readonly Finding[]): ScenarioReport[] {
  return findings.flatMap((finding) => ('scenario' in finding ? [finding.scenario] : []));
}

function hungProvidersOf(findings: readonly Finding[]): HungProviderReport[] {
  return findings.flatMap((finding) => ('hungProvider' in finding ? [finding.hungProvider] : []));
}

function failoversOf(findings: readonly Finding[]): FailoverFigures[] {
  return findings.flatMap((finding) => ('figures' in finding ? [finding.figures] : []));
}
