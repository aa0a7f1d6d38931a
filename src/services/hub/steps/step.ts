/**
 * A step of the choreography: a function on an event, with a consumer group of its own (H2). What it says is what the next one
 * reads, so a step is added without touching those before it.
 *
 * S1: an event is answered once: only where the integration stands where the event left it (H3). Delivered again it changes
 *     nothing.
 * S2: what a tenant has written runs before the transaction, in another thread, bounded. What is stopped there fails the event
 *     alone: it becomes a dead letter, and nothing else is held up.
 * S3: a step calls nobody. What has to be asked outside is a call: a row of this commit, whose request leaves after it.
 */
import type { EpochMs } from '#kernel/clock.ts';
import { type IntegrationId, uuidOf } from '#kernel/ids.ts';
import type { Consumer, ConsumerPlan } from '#platform/batch/consumer.ts';
import { buryGivenUp, type GivenUp } from '#platform/dead-letters/given-up.ts';
import { type EventDraft, eventIdentity, type JsonObject, type LogEvent } from '#platform/log/event.ts';
import { follow } from '#platform/log/follow.ts';
import {
  type Call,
  type CallRequest,
  type CallStep,
  callRef,
  GIVE_UP_DEFAULT_MS,
  TAKEN_BESIDE_TIMEOUT_MS,
  TIMEOUT_DEFAULT_MS,
} from '../calls/call.ts';
import { findCalls, insertCalls } from '../calls/call-store.ts';
import type { ConnectorDefinition } from '../connector.ts';
import { type Connectors, versionRef } from '../connectors.ts';
import type { Evaluator } from '../evaluation/evaluator.ts';
import type { Job, JobResult } from '../evaluation/job.ts';
import type { IntegrationFailed, StepName } from '../events.ts';
import { type Integration, type IntegrationStatus, integrationRef } from '../integration.ts';
import { givenUpByStep } from '../letters/bury-failures.ts';
import type { Said } from '../said.ts';
import { lockIntegrations, updateIntegrations } from '../store.ts';

/** What every event that a step acts on tells. */
export interface Through {
  readonly connector: string;
  readonly connector_version: number;
}

export interface StepContext {
  readonly connectors: Connectors;
  readonly evaluator: Evaluator;
  /** Whether this process takes another call now; what it does not take waits in the table. */
  readonly hasRoom: () => boolean;
  readonly onCommitted: (committed: StepCommitted) => void;
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
  readonly fail?: (data: Data, reason: Reason) => Said;
  /** Pure. A result that says that it was stopped, or has failed, never comes here. */
  decide(data: Data, definition: ConnectorDefinition, results: readonly JobResult[]): StepEnd;
}

export interface Reason {
  readonly code: string;
  readonly detail: string;
}

interface Loaded {
  readonly integrations: Map<string, Integration>;
  /** By `callRef`. */
  readonly called: ReadonlySet<string>;
}

interface Plan extends ConsumerPlan, StepCommitted {
  /** Identities of the events that it is about. */
  readonly answered: readonly string[];
  readonly givenUp: readonly GivenUp[];
  readonly now: EpochMs;
}

interface Prepared {
  readonly definition: ConnectorDefinition;
  readonly results: readonly JobResult[];
}

/** What a tenant wrote was stopped: by time, by memory, or by size. */
class ExpressionOverrun extends Error {
  override readonly name = 'hub.expression_overrun';
}

/** Someone may wait for it. */
const PACE_MS = 10;
/** Of events whose batch failed and went to another process, some may be left. */
const PREPARED_MAX = 20_000;

export function stepConsumer<Data extends Through & JsonObject>(
  step: Step<Data>,
  context: StepContext,
): Consumer<Loaded, Plan> {
  const prepared = new Map<string, Prepared>();
  return {
    group: step.group,
    topics: ['hub'],
    emits: 'hub',
    handles: new Map(Object.keys(step.after).map((type) => [type, 1])),
    ...(step.concerns === undefined ? {} : { concerns: step.concerns }),
    paceMs: PACE_MS,
    // S2. A redelivery may be prepared while a batch is: neither takes from the other.
    async prepare(events) {
      if (prepared.size > PREPARED_MAX) prepared.clear();
      for (const [identity, found] of await prepareAll(step, events, context)) prepared.set(identity, found);
    },
    async load(tx, events) {
      const refs = events.map((event) => refOf(event));
      const integrations = lockIntegrations(tx, refs);
      const { calls } = step;
      const called =
        calls === undefined
          ? []
          : await findCalls(
              tx,
              refs.map(({ uuid }) => ({ uuid, step: calls })),
            );
      return {
        integrations: new Map((await integrations).map((each) => [integrationRef(each), each])),
        called: new Set(called.map(callRef)),
      };
    },
    decide: (loaded, events, now) => decideAll(step, { loaded, events, prepared, now, context }),
    save(tx, { integrations, calls, givenUp, now }) {
      updateIntegrations(tx, integrations, now);
      insertCalls(tx, calls, now);
      buryGivenUp(tx, givenUp, now);
    },
    committed(plan) {
      for (const identity of plan.answered) prepared.delete(identity);
      context.onCommitted(plan);
    },
  };
}

async function prepareAll<Data extends Through & JsonObject>(
  step: Step<Data>,
  events: readonly LogEvent[],
  { connectors, evaluator }: StepContext,
): Promise<Map<string, Prepared>> {
  const found = await connectors.load(events.map(connectorOf));
  const works = events.flatMap((event) => {
    const definition = found.get(versionRef(connectorOf(event)))?.definition;
    if (definition === undefined) return [];
    return { identity: eventIdentity(event), definition, jobs: step.jobsOf(event.data as Data, definition) };
  });
  const jobsOfAll = works.flatMap(({ jobs }) => jobs);
  const results = await evaluator.run(jobsOfAll, { isShared: works.length > 1 });
  let at = 0;
  return new Map(
    works.map(({ identity, definition, jobs }) => {
      const own = results.slice(at, at + jobs.length);
      at += jobs.length;
      return [identity, { definition, results: own }];
    }),
  );
}

interface Deciding {
  readonly loaded: Loaded;
  readonly events: readonly LogEvent[];
  readonly prepared: ReadonlyMap<string, Prepared>;
  readonly now: EpochMs;
  readonly context: StepContext;
}

function decideAll<Data extends Through & JsonObject>(step: Step<Data>, deciding: Deciding): Plan {
  const { loaded, events, now } = deciding;
  const drafts: EventDraft[] = [];
  const integrations: Integration[] = [];
  const calls: Call[] = [];
  const givenUp: GivenUp[] = [];
  for (const event of events) {
    const ref = integrationRef(refOf(event));
    const integration = loaded.integrations.get(ref);
    if (integration === undefined || integration.status !== step.after[event.type]) continue; // S1
    if (step.calls !== undefined && loaded.called.has(callRef({ uuid: integration.uuid, step: step.calls })))
      continue;
    const end = endOf(step, event, deciding.prepared.get(eventIdentity(event)));
    if ('call' in end) {
      calls.push(callFor(step.calls ?? 'delivery', { event, integration, asked: end.call, ...deciding }));
      continue;
    }
    const changed = changedBy(integration, end);
    loaded.integrations.set(ref, changed);
    integrations.push(changed);
    drafts.push(follow(event, end));
    givenUp.push(...givenUpByStep(step.group, event, end, integration));
  }
  return { drafts, integrations, calls, givenUp, answered: events.map(eventIdentity), now };
}

function endOf<Data extends Through & JsonObject>(
  step: Step<Data>,
  event: LogEvent,
  prepared: Prepared | undefined,
): StepEnd {
  if (prepared === undefined) throw new Error(`${event.subject} goes through a connector that nobody has`);
  const data = event.data as Data;
  const { definition, results } = prepared;
  const stopped = results.find((result) => result.kind === 'overrun');
  if (stopped?.kind === 'overrun') {
    if (stopped.isShunned !== true) throw new ExpressionOverrun(stopped.detail);
    return failOf(step, data, { code: 'hub.expression_overrun', detail: stopped.detail });
  }
  const faulty = results.find((result) => result.kind === 'faulty');
  if (faulty?.kind === 'faulty')
    return failOf(step, data, {
      code: 'hub.expression_failed',
      detail: `${faulty.at} ${faulty.detail}`.trim(),
    });
  return step.decide(data, definition, results);
}

function failOf<Data extends Through & JsonObject>(step: Step<Data>, data: Data, reason: Reason): Said {
  return step.fail?.(data, reason) ?? failed(step.name, data, reason);
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

/** S3 */
function callFor(
  step: CallStep,
  {
    event,
    integration,
    asked,
    now,
    context,
  }: Deciding & {
    readonly event: LogEvent;
    readonly integration: Integration;
    readonly asked: NewCall;
  },
): Call {
  const { tenant, uuid, origin, connector, connectorVersion } = integration;
  const isTaken = context.hasRoom();
  const { timeoutMs = TIMEOUT_DEFAULT_MS, giveUpMs = GIVE_UP_DEFAULT_MS } = asked;
  return {
    tenant,
    uuid,
    step,
    connector,
    connectorVersion,
    destination: asked.destination,
    request: asked.request,
    state: isTaken ? 'sending' : 'waiting',
    tries: isTaken ? 1 : 0,
    isUnknown: false,
    history: [],
    dueAt: isTaken ? now + timeoutMs + TAKEN_BESIDE_TIMEOUT_MS : now,
    giveUpAt: now + giveUpMs,
    timeoutMs,
    cause: eventIdentity(event),
    origin,
    correlationId: event.correlationId,
    traceparent: event.traceparent,
  };
}

function refOf({ tenant, subject }: LogEvent): { tenant: string; uuid: string } {
  return { tenant, uuid: uuidOf(subject as IntegrationId) };
}

function connectorOf({ tenant, data }: LogEvent) {
  const { connector, connector_version: version } = data as Through & JsonObject;
  return { tenant, name: connector, version };
}
