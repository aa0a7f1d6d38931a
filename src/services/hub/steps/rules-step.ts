/** The connector's rules over the message: refused with a reason, members set, a destination chosen. */
import { defaultRouteOf } from '../connector.ts';
import { sourceOf } from '../evaluation/source.ts';
import type { IntegrationRefused, IntegrationValidated, RulesApplied } from '../events.ts';
import type { Step } from './step.ts';

export const rulesStep: Step<IntegrationValidated> = {
  name: 'rules',
  group: 'hub.rules',
  after: { 'integration.validated': 'validated' },
  jobsOf({ message }, { rules = [] }) {
    return rules.length === 0 ? [] : [{ kind: 'rules', source: sourceOf(rules, (all) => all), message }];
  },
  decide({ connector, connector_version, message }, definition, [result]) {
    const through = { connector, connector_version };
    if (result?.kind === 'refused') {
      const failure = { step: 'rules', code: 'hub.rule_refuses', detail: result.reason } as const;
      const errors = [{ pointer: `/rules/${result.rule}`, code: 'refuses', detail: result.reason }];
      const data: IntegrationRefused = { ...through, ...failure, errors };
      return { type: 'integration.refused', data, status: 'refused', failure };
    }
    const passed = result?.kind === 'passed' ? result : { message, route: null };
    const route = passed.route ?? defaultRouteOf(definition);
    const data: RulesApplied = { ...through, message: passed.message, route };
    return { type: 'integration.rules_applied', data, status: 'rules_applied' };
  },
};
