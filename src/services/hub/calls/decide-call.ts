/**
 * What follows from the end of one try of a call. Pure.
 *
 * D1: what has ended has ended: a report about it changes nothing.
 * D2: an answer that says that it is done is believed whenever it comes; a failure only of the try that is the last one,
 *     and is not noted yet: one whose commit was lost from sight is reported again.
 * D3: nothing is given up as failed while nobody knows whether it was delivered, if it can be undone: then it is undone.
 */
import type { EpochMs } from '#kernel/clock.ts';
import { assertNever } from '#kernel/fault.ts';
import type { ConnectorDefinition, HttpDestination } from '../connector.ts';
import { enrich, type Found } from '../enrich.ts';
import type { IntegrationDelivered, IntegrationFailed, IntegrationUndone, UndoFailed } from '../events.ts';
import type { Said } from '../said.ts';
import { ATTEMPTS_DEFAULT, type Call, type CallTry, HISTORY_MAX, retryDelayMs } from './call.ts';

export type CallOutcome = {
  /** For people. */
  readonly detail: string;
  readonly latencyMs: number;
  readonly status?: number;
  /** Which one has failed. */
  readonly lookUp?: number;
} & (
  | { readonly kind: 'delivered'; readonly reference?: string; readonly found?: readonly Found[] }
  | { readonly kind: 'transient'; readonly retryAfterMs?: number }
  | { readonly kind: 'permanent'; readonly code?: string }
  | { readonly kind: 'unknown' }
  /** It has not left, and counts as no try. */
  | { readonly kind: 'not_called'; readonly retryAfterMs: number }
);

export interface CallReport {
  /** As it was when the try was begun. */
  readonly call: Call;
  readonly at: EpochMs;
  readonly outcome: CallOutcome;
}

export interface CallEnd {
  readonly call: Call;
  /** Nothing if it is tried again. */
  readonly said: Said | undefined;
}

export interface DecidingOn {
  readonly definition: ConnectorDefinition;
  readonly now: EpochMs;
  readonly random: () => number;
}

export function endTry(call: Call, report: CallReport, on: DecidingOn): CallEnd | undefined {
  const { outcome } = report;
  const begunAs = report.call.tries;
  if (call.state === 'done') return undefined; // D1
  const isUnderWay = call.state === 'sending' && begunAs === call.tries;
  if (outcome.kind !== 'delivered' && !isUnderWay) return undefined; // D2
  const noted = withTry(call, report);
  if (outcome.kind === 'delivered') return ended(noted, doneBy(noted, outcome, on));
  if (outcome.kind === 'permanent') return ended(noted, failedBy(noted, outcome, on));
  if (isGivenUp(noted, on)) return ended(noted, failedBy(noted, outcome, on));
  const askedForMs = 'retryAfterMs' in outcome ? outcome.retryAfterMs : undefined;
  const delayMs = retryDelayMs(noted.tries, on.random, askedForMs);
  const dueAt = Math.min(on.now + delayMs, noted.giveUpAt);
  return { call: { ...noted, state: 'waiting', dueAt }, said: undefined };
}

function ended(call: Call, said: Said): CallEnd {
  return { call: { ...call, state: 'done', dueAt: null }, said };
}

function withTry(call: Call, { at, outcome }: CallReport): Call {
  const tried: CallTry = {
    at,
    outcome: outcome.kind,
    status: outcome.status ?? null,
    latency_ms: Math.round(outcome.latencyMs),
    detail: outcome.detail,
  };
  return {
    ...call,
    tries: outcome.kind === 'not_called' ? call.tries - 1 : call.tries,
    isUnknown: call.isUnknown || outcome.kind === 'unknown',
    history: [...call.history, tried].slice(-HISTORY_MAX),
  };
}

function isGivenUp(call: Call, { definition, now }: DecidingOn): boolean {
  const destination = destinationOf(call, definition);
  return now >= call.giveUpAt || call.tries >= (destination?.attempts ?? ATTEMPTS_DEFAULT);
}

function destinationOf(call: Call, { destinations }: ConnectorDefinition): HttpDestination | undefined {
  const found = destinations[call.destination];
  return found?.type === 'http' ? found : undefined;
}

function doneBy(
  call: Call,
  outcome: CallOutcome & { readonly kind: 'delivered' },
  { definition }: DecidingOn,
): Said {
  const { tries, destination } = call;
  const status = outcome.status ?? 200;
  switch (call.step) {
    case 'enrichment':
      return enrich({ ...throughOf(call), ...call.request }, definition, outcome.found ?? []);
    case 'delivery': {
      const reference = outcome.reference ?? null;
      const data: IntegrationDelivered = { ...throughOf(call), destination, tries, status, reference };
      return { type: 'integration.delivered', data, status: 'delivered', reference };
    }
    case 'undo': {
      const data: IntegrationUndone = { ...throughOf(call), destination, tries, status };
      return { type: 'integration.undone', data, status: 'undone' };
    }
    default:
      return assertNever(call.step);
  }
}

function failedBy(call: Call, outcome: CallOutcome, { definition }: DecidingOn): Said {
  const code = codeOf(call, outcome);
  const { tries, destination, step } = call;
  const { detail } = outcome;
  if (step === 'undo') {
    const data: UndoFailed = { ...throughOf(call), destination, tries, code, detail };
    return { type: 'integration.undo_failed', data, status: 'undo_failed', failure: { step, code, detail } };
  }
  // D3
  const isUndone =
    step === 'delivery' && call.isUnknown && destinationOf(call, definition)?.undo !== undefined;
  const data: IntegrationFailed = {
    ...throughOf(call),
    step,
    code,
    detail,
    tries,
    undo: isUndone ? destination : null,
    message: isUndone ? call.request.message : null,
  };
  const status = isUndone ? 'undoing' : 'failed';
  return { type: 'integration.failed', data, status, failure: { step, code, detail } };
}

function codeOf(call: Call, outcome: CallOutcome): string {
  if (outcome.kind === 'permanent') return outcome.code ?? 'hub.destination_refuses';
  return call.isUnknown ? 'hub.outcome_unknown' : 'hub.destination_fails';
}

function throughOf(call: Pick<Call, 'connector' | 'connectorVersion'>) {
  return { connector: call.connector, connector_version: call.connectorVersion };
}
