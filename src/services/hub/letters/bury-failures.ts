/** What has failed for good becomes a dead letter, in the commit that says so: of a step, and of a call. */
import { idOf } from '#kernel/ids.ts';
import type { GivenUp } from '#platform/dead-letters/given-up.ts';
import type { LogEvent } from '#platform/log/event.ts';
import type { Call, CallStep } from '../calls/call.ts';
import type { ConnectorDefinition } from '../connector.ts';
import type { Integration } from '../integration.ts';
import type { Said } from '../said.ts';
import { destinationName } from './caller-watch.ts';

const FAILURES = new Set(['integration.failed', 'integration.undo_failed']);
/** With these a destination is said to have been away: it could not be reached, did not answer, or answered that it cannot now. */
const AWAY = new Set(['hub.destination_fails', 'hub.outcome_unknown']);
const CALLED_AFTER = {
  enrichment: 'integration.rules_applied',
  delivery: 'integration.enriched',
} as const satisfies Partial<Record<CallStep, string>>;

/** Of a step that has failed without asking anybody; nothing if it has not. */
export function givenUpByStep(
  group: string,
  event: LogEvent,
  said: Said,
  integration: Integration,
): GivenUp[] {
  if (!FAILURES.has(said.type)) return [];
  const { failure } = said;
  return [
    {
      group,
      event,
      target: integration.connector,
      work: idOf('int', integration.uuid),
      failure: { code: failure?.code ?? said.type, text: failure?.detail ?? '', status: null },
      attempts: 1,
      firstAt: event.occurredAt,
      waitsFor: null,
    },
  ];
}

export interface Failing {
  /** The integration as it was until now. */
  readonly before: Integration;
  readonly definition: ConnectorDefinition;
  readonly lookUp: number | undefined;
}

/** Of a call that has ended. */
export function givenUpByCall(call: Call, said: Said, failing: Failing): GivenUp[] {
  if (!FAILURES.has(said.type)) return [];
  const { failure } = said;
  const { before, lookUp } = failing;
  const code = failure?.code ?? said.type;
  const last = call.history.at(-1);
  return [
    {
      group: `hub.${call.step}`,
      event: eventBehind(call, before),
      target: call.connector,
      work: idOf('int', call.uuid),
      failure: { code, text: failure?.detail ?? '', status: last?.status ?? null },
      attempts: call.tries,
      firstAt: call.history[0]?.at ?? before.updatedAt,
      waitsFor:
        AWAY.has(code) && mayGoAgain(call, said, failing) ? destinationName({ ...call, lookUp }) : null,
    },
  ];
}

/** By itself: not what is being undone, and once: what a replay has made waits for a person. */
function mayGoAgain({ destination: name }: Call, said: Said, { before, definition }: Failing): boolean {
  const destination = definition.destinations[name];
  const isWanted = destination?.type !== 'http' || destination.automatic_replay !== false;
  return isWanted && said.status !== 'undoing' && before.replayOf === null;
}

function eventBehind(
  { cause, step, tenant, uuid, correlationId }: Call,
  before: Integration,
): GivenUp['event'] {
  const [topic = '', partition, position] = cause.split('/');
  const subject = idOf('int', uuid);
  const type = step === 'undo' ? undoneAfter(before) : CALLED_AFTER[step];
  return {
    topic,
    partition: Number(partition),
    position: Number(position),
    tenant,
    subject,
    type,
    version: 1,
    correlationId,
  };
}

/** A delivery in doubt is undone by itself, everything else because somebody asks. */
function undoneAfter({ failure }: Integration): string {
  return failure?.step === 'delivery' ? 'integration.failed' : 'integration.undo_requested';
}
