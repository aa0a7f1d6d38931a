/**
 * A step of the choreography: a function on an event, with a consumer group of its own (H2). What it says is what the next one
 * reads, so a step is added without touching those before it.
 */
import type { JsonObject, LogEvent } from '#platform/log/event.ts';
import type { Call, CallRequest, CallStep } from '../calls/call.ts';
import type { ConnectorDefinition } from '../connector.ts';
import type { Job, JobResult } from '../evaluation/job.ts';
import type { IntegrationFailed, StepName } from '../events.ts';
import type { Integration, IntegrationStatus } from '../integration.ts';
import type { Said } from '../said.ts';

/** What every event that a step acts on tells. */
export interface Through {
  readonly connector: string;
  readonly connector_version: number;
}

export interface StepCommitted {
  readonly integrations: readonly Integration[];
  readonly calls: readonly Call[];
}

/** What a step decides of an event: that something is so, or that somebody has to be asked. */
export type StepEnd = Said | { readonly call: NewCall };

export interface NewCall {
  readonly destination: string;
  readonly request: CallRequest;
  readonly giveUpMs?: number | undefined;
  /** Of one try, whatever it asks. */
  readonly timeoutMs?: number | undefined;
}

export interface Step<Data extends Through & JsonObject> {
  readonly name: StepName;
  readonly group: string;
  /** The events that make it due, and what the integration then is. */
  readonly after: Readonly<Record<string, IntegrationStatus>>;
  readonly concerns?: (event: LogEvent) => boolean;
  /** If it may have to ask outside. */
  readonly calls?: CallStep;
  jobsOf(data: Data, definition: ConnectorDefinition): readonly Job[];
  /** What it says when what a tenant has written fails; default `integration.failed`. */
  fail?(data: Data, reason: Reason): Said;
  /** Pure. A result that says that it was stopped, or has failed, never comes here. */
  decide(data: Data, definition: ConnectorDefinition, results: readonly JobResult[]): StepEnd;
}

/** A step, whatever it acts on. */
export type AnyStep = Step<Through & JsonObject>;

export interface Reason {
  readonly code: string;
  readonly detail: string;
}

export function failed(
  step: StepName,
  { connector, connector_version }: Through,
  { code, detail }: Reason,
): Said {
  const data: IntegrationFailed = {
    connector,
    connector_version,
    step,
    code,
    detail,
    tries: 0,
    undo: null,
    message: null,
  };
  return { type: 'integration.failed', data, status: 'failed', failure: { step, code, detail } };
}

export function changedBy(integration: Integration, { status, failure, reference }: Said): Integration {
  return {
    ...integration,
    status,
    failure: failure ?? integration.failure,
    reference: reference ?? integration.reference,
  };
}
