/** The verdict on an integration, from the log alone, by the definition that its steps were drawn from (H7). Pure. */
import { toRfc3339 } from '#kernel/clock.ts';
import { eventIdentity, type JsonObject, type LogEvent } from '#platform/log/event.ts';
import { integrationSaga } from '#sagas/integration.ts';
import { isOutcome, stagesDueAfter } from '#sagas/saga.ts';
import type { IntegrationFailed } from './events.ts';

/** Oldest first. */
export function judgeIntegration(events: readonly LogEvent[]): JsonObject {
  const findings = findingsOf(events);
  const last = events.at(-1);
  const isEnded = last !== undefined && last.type in integrationSaga.endings && !isToBeUndone(last);
  const verdict = findings.length > 0 ? 'broken' : isEnded ? 'complete' : 'running';
  const stages = events.map((event) => ({
    stage: stageOf(event, events) ?? 'request',
    event: event.type,
    at: toRfc3339(event.occurredAt),
  }));
  return { verdict, stages, findings };
}

function isToBeUndone({ type, data }: LogEvent): boolean {
  return type === 'integration.failed' && (data as IntegrationFailed).undo !== null;
}

/** Every event is the first one, a person's, or what a stage says after the event that made it due; and each stage speaks once. */
function findingsOf(events: readonly LogEvent[]): string[] {
  const findings: string[] = [];
  const answered = new Set<string>();
  for (const [index, event] of events.entries()) {
    if (index === 0 && event.type !== integrationSaga.begins) findings.push(`it begins with ${event.type}`);
    if (index === 0 || integrationSaga.interventions.includes(event.type)) continue;
    const stage = stageOf(event, events);
    if (stage === undefined) findings.push(`nothing makes ${event.type} due`);
    else if (answered.has(`${event.causation} ${stage}`)) findings.push(`${stage} has answered twice`);
    answered.add(`${event.causation} ${stage}`);
  }
  return findings;
}

function stageOf(event: LogEvent, events: readonly LogEvent[]): string | undefined {
  const cause = events.find((each) => eventIdentity(each) === event.causation);
  if (cause === undefined) return undefined;
  return stagesDueAfter(integrationSaga, cause.type).find((stage) => isOutcome(stage, event.type))?.name;
}
