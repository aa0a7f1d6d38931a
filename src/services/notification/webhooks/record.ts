/** What became of attempts, committed in batches: the lane goes on, waits, or its endpoint is disabled. */
import type { EpochMs } from '#kernel/clock.ts';
import { idOf } from '#kernel/ids.ts';
import type { AppliedBatch } from '#platform/batch/group-commit.ts';
import type { BatchObserver } from '#platform/batch/observer.ts';
import { sendDrafts } from '#platform/batch/send-drafts.ts';
import { tellBuried } from '#platform/dead-letters/given-up.ts';
import type { EgressOutcome } from '#platform/egress/outcome.ts';
import type { EventDraft } from '#platform/log/event.ts';
import type { Transaction } from '#platform/postgres/session.ts';
import type { Claim } from './claim-store.ts';
import type { Endpoint } from './endpoint.ts';
import type { WebhookEndpointDisabled } from './events.ts';
import { buryExhausted } from './letters/bury-exhausted.ts';
import { type EndedClaim, type EndpointNews, endClaims, noteEndpoints } from './record-store.ts';
import { type Decided, decideAfterAttempt } from './retry-schedule.ts';

export interface Answered {
  readonly claim: Claim;
  readonly outcome: EgressOutcome;
}

export interface RecordOptions {
  readonly partitions: number;
  readonly now: EpochMs;
  readonly random: () => number;
  readonly observer: Pick<BatchObserver, 'deadLettered'>;
  /** After the commit: endpoints that have more to send. */
  readonly onDue: (endpointKeys: Iterable<bigint>) => void;
}

interface Recorded extends Answered {
  readonly decided: Decided;
}

export async function recordAnswers(
  tx: Transaction,
  answered: readonly Answered[],
  { partitions, now, random, observer, onDue }: RecordOptions,
): Promise<AppliedBatch<undefined>> {
  const recorded = answered.map((each) => ({ ...each, decided: decide(each, now, random()) }));
  const { due, held } = await endClaims(tx, recorded.map(endedOf), now);
  const disabled = await noteEndpoints(tx, newsOf(recorded), now);
  const exhausted = recorded.filter(
    ({ claim, decided }) => decided.step.kind === 'exhausted' && held.has(claim),
  );
  const { drafts: told, buried } = await buryExhausted(tx, exhausted, now);
  const drafts = [...disabled.map((endpoint) => disabledEvent(endpoint, recorded)), ...told];
  return {
    outcomes: answered.map(() => undefined),
    segments: sendDrafts(tx, { topic: 'notification', partitions, occurredAt: now, drafts }),
    committed() {
      onDue(due);
      tellBuried(observer, buried);
    },
  };
}

function decide({ claim, outcome }: Answered, now: EpochMs, random: number): Decided {
  const { failures, endpoint } = claim;
  const { failingSince, kind } = endpoint;
  return decideAfterAttempt({
    outcome,
    failures,
    failingSince,
    canBeDisabled: kind === 'endpoint',
    now,
    random,
  });
}

function endedOf({ claim, outcome, decided: { step } }: Recorded): EndedClaim {
  const failures = claim.failures + (isFailed(step) ? 1 : 0);
  return {
    claim,
    outcome,
    failures,
    step: step.kind === 'retry' ? { kind: 'again', at: step.at } : { kind: 'over', status: step.kind },
  };
}

function isFailed(step: Decided['step']): boolean {
  return step.kind === 'exhausted' || (step.kind === 'retry' && step.counts);
}

function isFailure({ decided }: Recorded): boolean {
  return isFailed(decided.step);
}

/** A change only: most say what is known. */
function newsOf(recorded: readonly Recorded[]): EndpointNews {
  const isFailing = ({ claim }: Recorded): boolean => claim.endpoint.failingSince !== null;
  return {
    succeeded: keysOf(recorded.filter((each) => each.outcome.kind === 'delivered' && isFailing(each))),
    failed: keysOf(recorded.filter((each) => isFailure(each) && !isFailing(each))),
    disabled: toDisable(recorded),
  };
}

function keysOf(recorded: readonly Recorded[]): bigint[] {
  return [...new Set(recorded.map(({ claim }) => claim.endpoint.key))];
}

function toDisable(recorded: readonly Recorded[]) {
  const reasons = new Map<bigint, 'gone' | 'failing'>();
  for (const { claim, decided } of recorded)
    if (decided.disables !== undefined) reasons.set(claim.endpoint.key, decided.disables);
  return [...reasons].map(([key, reason]) => ({ key, reason }));
}

/** Caused by what was not delivered last. */
function disabledEvent(endpoint: Endpoint, recorded: readonly Recorded[]): EventDraft {
  const last = recorded.findLast(({ claim }) => claim.endpoint.key === endpoint.key) as Recorded;
  const subject = idOf('whe', endpoint.uuid);
  const data: WebhookEndpointDisabled = {
    endpoint_id: subject,
    url: endpoint.url,
    reason: endpoint.disabledReason === 'gone' ? 'gone' : 'failing',
    detail: last.outcome.detail,
  };
  return {
    type: 'webhook_endpoint.disabled',
    version: 1,
    subject,
    tenant: endpoint.tenant,
    key: subject,
    data,
    correlationId: last.claim.correlationId,
    causation: idOf('dlv', last.claim.uuid),
    traceparent: last.claim.traceparent,
  };
}
