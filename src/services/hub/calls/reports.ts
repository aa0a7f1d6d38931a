/** What came of calls, taken in batches: decided under the locks of their integrations, told in the same commit. */
import type { Clock, EpochMs } from '#kernel/clock.ts';
import { idOf } from '#kernel/ids.ts';
import { type AppliedBatch, GroupCommit, type GroupCommitOptions } from '#platform/batch/group-commit.ts';
import { sendDrafts } from '#platform/batch/send-drafts.ts';
import { buryGivenUp, type GivenUp, tellBuried } from '#platform/dead-letters/given-up.ts';
import type { EventDraft } from '#platform/log/event.ts';
import type { Transaction } from '#platform/postgres/session.ts';
import { type Connectors, versionRef } from '../connectors.ts';
import { type Integration, integrationRef, mayBecome } from '../integration.ts';
import { type Failing, givenUpByCall } from '../letters/bury-failures.ts';
import type { Said } from '../said.ts';
import { changedBy, type StepCommitted } from '../steps/step.ts';
import { lockIntegrations, updateIntegrations } from '../store.ts';
import { type Call, callRef } from './call.ts';
import { renewCalls, updateCalls } from './call-store.ts';
import { type CallEnd, type CallReport, endTry } from './decide-call.ts';

export interface ReportsOptions
  extends Pick<GroupCommitOptions<CallReport, void>, 'log' | 'session' | 'random' | 'batchMax' | 'observer'> {
  readonly clock: Clock;
  readonly connectors: Connectors;
  readonly onCommitted: (committed: StepCommitted) => void;
}

/** Someone may wait for it. */
const PACE_MS = 10;

export type Reports = GroupCommit<CallReport, void>;

export function createReports(options: ReportsOptions): Reports {
  return new GroupCommit({
    name: 'hub.reports',
    ...options,
    paceMs: PACE_MS,
    delayMs: () => 0,
    apply: (tx, reports) => applyReports(tx, reports, options),
  });
}

async function applyReports(
  tx: Transaction,
  reports: readonly CallReport[],
  options: ReportsOptions,
): Promise<AppliedBatch<void>> {
  const { clock, log, connectors, random, observer, onCommitted } = options;
  const reported = reports.map(({ call }) => call);
  // R2: the calls are read behind the locks
  const [locked, calls] = await Promise.all([lockIntegrations(tx, reported), renewCalls(tx, reported)]);
  const definitions = await connectors.load(
    calls.map(({ tenant, connector: name, connectorVersion: version }) => ({ tenant, name, version })),
  );
  const now = notBefore(locked, clock.now());
  const batch = new ReportBatch(locked, calls);
  for (const report of reports) {
    const call = batch.callOf(report);
    if (call === undefined) continue;
    const { tenant, connector: name, connectorVersion: version } = call;
    const definition = definitions.get(versionRef({ tenant, name, version }))?.definition;
    if (definition === undefined) continue;
    const end = endTry(call, report, { definition, now, random });
    if (end !== undefined) batch.take(end, { definition, lookUp: report.outcome.lookUp });
  }
  updateIntegrations(tx, batch.integrations, now);
  updateCalls(tx, batch.calls);
  const buried = buryGivenUp(tx, batch.givenUp, now);
  const { drafts } = batch;
  const segments = sendDrafts(tx, { topic: 'hub', partitions: log.partitions, occurredAt: now, drafts });
  const { integrations } = batch;
  return {
    outcomes: reports.map(() => undefined),
    segments,
    committed() {
      onCommitted({ integrations, calls: [] });
      tellBuried(observer, buried);
    },
  };
}

/** Another process' clock may be ahead of ours. */
function notBefore(integrations: readonly Integration[], now: EpochMs): EpochMs {
  return integrations.reduce((latest, { updatedAt }) => Math.max(latest, updatedAt), now);
}

/** What a batch of reports is about, as it changes. */
class ReportBatch {
  readonly drafts: EventDraft[] = [];
  readonly givenUp: GivenUp[] = [];
  readonly #integrations: Map<string, Integration>;
  readonly #calls: Map<string, Call>;
  readonly #changedIntegrations = new Set<string>();
  readonly #changedCalls = new Set<string>();

  constructor(integrations: readonly Integration[], calls: readonly Call[]) {
    this.#integrations = new Map(integrations.map((each) => [integrationRef(each), each]));
    this.#calls = new Map(calls.map((each) => [callRef(each), each]));
  }

  callOf(report: CallReport): Call | undefined {
    return this.#calls.get(callRef(report.call));
  }

  take({ call, said }: CallEnd, through: Omit<Failing, 'before'>): void {
    const ref = integrationRef(call);
    const integration = this.#integrations.get(ref);
    if (integration === undefined) return;
    this.#calls.set(callRef(call), call);
    this.#changedCalls.add(callRef(call));
    if (said === undefined || !mayBecome(integration.status, said.status)) return;
    this.#integrations.set(ref, changedBy(integration, said));
    this.#changedIntegrations.add(ref);
    this.drafts.push(draftOf(call, said));
    this.givenUp.push(...givenUpByCall(call, said, { before: integration, ...through }));
  }

  get integrations(): Integration[] {
    return [...this.#changedIntegrations].flatMap((ref) => this.#integrations.get(ref) ?? []);
  }

  get calls(): Call[] {
    return [...this.#changedCalls].flatMap((ref) => this.#calls.get(ref) ?? []);
  }
}

function draftOf(call: Call, { type, data }: Said): EventDraft {
  const subject = idOf('int', call.uuid);
  return {
    type,
    version: 1,
    subject,
    tenant: call.tenant,
    key: subject,
    data,
    correlationId: call.correlationId,
    causation: call.cause,
    traceparent: call.traceparent,
  };
}
