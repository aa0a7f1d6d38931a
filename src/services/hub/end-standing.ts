/**
 * The end of what stands still and will not be waited for any more: something else has taken its place, or a person has given it
 * up. Its stage is said to have failed, so that neither a sweep nor a call nor a late step goes on with it. Pure.
 */
import type { EventDraft, LogEvent } from '#platform/log/event.ts';
import { follow } from '#platform/log/follow.ts';
import type { StepName } from './events.ts';
import { type Integration, type IntegrationStatus, isEnded } from './integration.ts';
import type { Said } from './said.ts';
import { changedBy, failed, type Reason } from './steps/step.ts';
import { undoFailed } from './steps/undo-step.ts';

export interface Ended {
  readonly integration: Integration;
  readonly draft: EventDraft;
}

const MISSING: Partial<Readonly<Record<IntegrationStatus, StepName>>> = {
  requested: 'validation',
  validated: 'rules',
  rules_applied: 'enrichment',
  enriched: 'delivery',
  undoing: 'undo',
};

/** Whose answer is missing where an integration stands. */
export function missingStep(status: IntegrationStatus): StepName | undefined {
  return MISSING[status];
}

export function replayedBy(id: string): Reason {
  return { code: 'hub.replayed', detail: `It stood still, and ${id} was begun in its place.` };
}

export const DISCARDED: Reason = {
  code: 'hub.discarded',
  detail: 'It stood still, and its dead letter was discarded.',
};

/** Nothing if it has ended already. `last`: its last event, read under its lock. */
export function endStanding(
  integration: Integration,
  last: LogEvent | undefined,
  reason: Reason,
): Ended | undefined {
  const step = missingStep(integration.status);
  if (isEnded(integration.status) || step === undefined || last === undefined) return undefined;
  const said = saidOf(step, { integration, last, reason });
  return { integration: changedBy(integration, said), draft: follow(last, said) };
}

function saidOf(
  step: StepName,
  {
    integration,
    last,
    reason,
  }: { readonly integration: Integration; readonly last: LogEvent; readonly reason: Reason },
): Said {
  const { connector, connectorVersion: connector_version } = integration;
  const through = { connector, connector_version };
  return step === 'undo' ? undoFailed({ ...last.data, ...through }, reason) : failed(step, through, reason);
}
