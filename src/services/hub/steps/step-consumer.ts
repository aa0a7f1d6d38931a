/**
 * The consumer of a step: its events answered in batches.
 *
 * S1: an event is answered once: only where the integration stands where the event left it (H3). Delivered again it changes
 *     nothing.
 * S2: what a tenant has written runs before the transaction, in another process, bounded. What is stopped there is tried again
 *     alone; at the third time the integration has failed, and nothing else is held up.
 * S3: a step calls nobody. What has to be asked outside is a call: a row of this commit, whose request leaves after it.
 * S4: an event is carried through the steps behind it in the same commit, as far as nobody has to be asked: each says what it
 *     would have said, caused by what made it due. Whatever is in the way is left to the step's own group (carry.ts).
 * S5: what a tenant has written takes no more of a batch than a share, though it ends in time. What waits for the next one, or to be
 *     tried alone, is retained (W5), and nobody's batch fails for it (step-ways.ts).
 */
import type { EpochMs } from '#kernel/clock.ts';
import { type IntegrationId, uuidOf } from '#kernel/ids.ts';
import type { Consumer, ConsumerPlan } from '#platform/batch/consumer.ts';
import type { BatchObserver } from '#platform/batch/observer.ts';
import { Recording } from '#platform/batch/recording.ts';
import { type BuriedWork, buryGivenUp, type GivenUp, tellBuried } from '#platform/dead-letters/given-up.ts';
import { lockHeads } from '#platform/log/append.ts';
import { eventIdentity, type LogEvent } from '#platform/log/event.ts';
import { follow } from '#platform/log/follow.ts';
import type { Transaction } from '#platform/postgres/session.ts';
import {
  type Call,
  type CallStep,
  callRef,
  GIVE_UP_DEFAULT_MS,
  TAKEN_BESIDE_TIMEOUT_MS,
  TIMEOUT_DEFAULT_MS,
} from '../calls/call.ts';
import { findCalled, insertCalls } from '../calls/call-store.ts';
import { type Integration, integrationRef } from '../integration.ts';
import { givenUpByStep } from '../letters/bury-failures.ts';
import { lockIntegrations, updateIntegrations } from '../store.ts';
import type { Carrier, Way } from './carry.ts';
import { type AnyStep, changedBy, type NewCall, type StepCommitted } from './step.ts';
import { type PreparedWay, StepWays } from './step-ways.ts';

export interface StepContext {
  readonly carrier: Carrier;
  /** Whether this process takes another call now; what it does not take waits in the table. */
  readonly hasRoomFor: (tenant: string) => boolean;
  readonly onCommitted: (committed: StepCommitted) => void;
  readonly observer: Pick<BatchObserver, 'deadLettered'>;
}

interface Loaded {
  readonly integrations: Map<string, Integration>;
  /** By `callRef`. */
  readonly called: ReadonlySet<string>;
  /** As they were prepared. By identity. */
  readonly ways: ReadonlyMap<string, PreparedWay>;
  /** By partition, of those to which events are appended that name each other; locked. */
  readonly heads: ReadonlyMap<number, number>;
}

interface Plan extends ConsumerPlan, StepCommitted {
  /** Identities of the events that it is about. */
  readonly answered: readonly string[];
  /** Of those that it says and answers itself. */
  readonly carried: readonly string[];
  readonly givenUp: readonly GivenUp[];
  readonly now: EpochMs;
}

/** What a tenant wrote was stopped: by time, by memory, or by size; and its event may not wait to be tried alone. */
class ExpressionOverrun extends Error {
  override readonly name = 'hub.expression_overrun';
}

/** Someone may wait for it. */
const PACE_MS = 10;

export function stepConsumer(step: AnyStep, context: StepContext): Consumer<Loaded, Plan> {
  const { carrier, observer } = context;
  const ways = new StepWays(carrier, step);
  const buried = new WeakMap<Plan, readonly BuriedWork[]>();
  return {
    group: step.group,
    topics: ['hub'],
    emits: 'hub',
    handles: new Map(Object.keys(step.after).map((type) => [type, 1])),
    concerns: (event) => !carrier.hasCarried(event) && (step.concerns?.(event) ?? true),
    paceMs: PACE_MS,
    prepare: (events, reading) => ways.prepare(events, reading), // S2
    async load(tx, all) {
      const taken = ways.of(all);
      const events = all.filter((event) => !isLater(taken.get(eventIdentity(event)))); // S5
      const refs = events.map((event) => refOf(event));
      const { calls } = step;
      const [integrations, called, heads] = await Promise.all([
        lockIntegrations(tx, refs),
        calls === undefined
          ? new Set<string>()
          : findCalled(
              tx,
              refs.map(({ uuid }) => ({ uuid, step: calls })),
            ),
        lockHeadsFor(tx, events, taken),
      ]);
      return {
        integrations: new Map(integrations.map((each) => [integrationRef(each), each])),
        ways: taken,
        called,
        heads: new Map(heads.map(({ partition, position }) => [partition, position])),
      };
    },
    decide: (loaded, events, now) => decideAll(step, { loaded, events, now, context }),
    save(tx, plan) {
      const { integrations, calls, givenUp, now } = plan;
      updateIntegrations(tx, integrations, now);
      insertCalls(tx, calls, now);
      buried.set(plan, buryGivenUp(tx, givenUp, now));
    },
    committed(plan) {
      ways.forget(plan.answered);
      carrier.noteCarried(plan.carried);
      context.onCommitted(plan);
      tellBuried(observer, buried.get(plan) ?? []);
    },
  };
}

/**
 * S4: an event is named by its place, so what is caused by one of the same commit needs the heads, behind the rows (R3). If any
 * is carried, those of the whole batch: a head that the append would lock later, out of their order, is a deadlock.
 */
function lockHeadsFor(tx: Transaction, events: readonly LogEvent[], ways: ReadonlyMap<string, Way>) {
  const isCarried = [...ways.values()].some(({ answers }) => answers.length > 1);
  const partitions = new Set(isCarried ? events.map(({ partition }) => partition) : []);
  return lockHeads(
    tx,
    [...partitions].map((partition) => ({ topic: 'hub', partition })),
  );
}

interface Deciding {
  readonly loaded: Loaded;
  readonly events: readonly LogEvent[];
  readonly now: EpochMs;
  readonly context: StepContext;
}

interface Decided {
  readonly recording: Recording;
  readonly drafts: LogEvent[];
  readonly calls: Call[];
  readonly carried: string[];
  readonly givenUp: GivenUp[];
}

function decideAll(step: AnyStep, deciding: Deciding): Plan {
  const { loaded, events, now } = deciding;
  const head = (_topic: string, partition: number): number => loaded.heads.get(partition) ?? 0;
  const recording = new Recording({ occurredAt: now, head });
  const decided = { recording, drafts: [], calls: [], carried: [], givenUp: [] };
  const changed = new Map<string, Integration>();
  const retained = new Set<LogEvent>();
  for (const event of events) {
    const way = loaded.ways.get(eventIdentity(event));
    if (isLater(way)) {
      retained.add(event); // S5
      continue;
    }
    const ref = integrationRef(refOf(event));
    const integration = loaded.integrations.get(ref);
    if (integration === undefined || integration.status !== step.after[event.type]) continue; // S1
    if (step.calls !== undefined && loaded.called.has(callRef({ uuid: integration.uuid, step: step.calls })))
      continue;
    if (way === undefined) throw new Error(`${event.subject} goes through a connector that nobody has`);
    if (way.held !== undefined && way.mayWait) {
      retained.add(event); // S2
      continue;
    }
    const after = carryOne(decided, { event, integration, way, ...deciding });
    if (after === integration) continue;
    loaded.integrations.set(ref, after);
    changed.set(ref, after);
  }
  const answered = events.filter((event) => !retained.has(event)).map(eventIdentity);
  const integrations = [...changed.values()];
  return { ...decided, integrations, answered, retained: [...retained], goesOnAtOnce: true, now };
}

function isLater(way: PreparedWay | undefined): boolean {
  return way?.held?.kind === 'later';
}

/** S4: what the steps say one after the other, and what becomes of the integration. */
function carryOne({ recording, drafts, calls, carried, givenUp }: Decided, carrying: Carrying): Integration {
  const { way } = carrying;
  if (way.held?.kind === 'stopped') throw new ExpressionOverrun(way.held.detail); // S2
  let { event, integration } = carrying;
  for (const [index, { step, end }] of way.answers.entries()) {
    if (index > 0) carried.push(eventIdentity(event));
    if ('call' in end) calls.push(callFor(step.calls ?? 'delivery', { ...carrying, event, asked: end.call }));
    else {
      givenUp.push(...givenUpByStep(step.group, event, end, integration));
      event = recording.place(event, 'hub', follow(event, end));
      drafts.push(event);
      integration = changedBy(integration, end);
    }
  }
  return integration;
}

interface Carrying extends Pick<Deciding, 'now' | 'context'> {
  readonly event: LogEvent;
  readonly integration: Integration;
  readonly way: Way;
}

/** S3 */
function callFor(
  step: CallStep,
  { event, integration, asked, now, context }: Omit<Carrying, 'way'> & { readonly asked: NewCall },
): Call {
  const { tenant, uuid, origin, connector, connectorVersion } = integration;
  const isTaken = context.hasRoomFor(tenant);
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
