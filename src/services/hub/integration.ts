/** One request through a connector: where it stands, and where it may go from there (H3). */
import { type EpochMs, toRfc3339 } from '#kernel/clock.ts';
import { derivedUuid } from '#kernel/derived-uuid.ts';
import { idOf } from '#kernel/ids.ts';
import type { JsonObject } from '#platform/log/event.ts';
import type { Entry, StepName } from './events.ts';

export const INTEGRATION_STATUSES = [
  'requested',
  'validated',
  'rules_applied',
  'enriched',
  'delivered',
  'refused',
  'failed',
  'undoing',
  'undone',
  'undo_failed',
] as const;
export type IntegrationStatus = (typeof INTEGRATION_STATUSES)[number];

export interface IntegrationRef {
  readonly tenant: string;
  readonly uuid: string;
}

export interface Failure {
  readonly step: StepName;
  readonly code: string;
  readonly detail: string;
}

export interface Integration extends IntegrationRef {
  readonly connector: string;
  readonly connectorVersion: number;
  readonly entry: Entry;
  readonly status: IntegrationStatus;
  /** Under whose name destinations are called: its own uuid, or for a replay `originOfReplay`. */
  readonly origin: string;
  readonly replayOf: string | null;
  readonly failure: Failure | null;
  readonly reference: string | null;
  readonly correlationId: string;
  readonly createdAt: EpochMs;
  readonly updatedAt: EpochMs;
}

/** What an integration in a status can become; anything else is an event that was delivered again. */
const NEXT: Readonly<Record<IntegrationStatus, readonly IntegrationStatus[]>> = {
  requested: ['validated', 'refused', 'failed'],
  validated: ['rules_applied', 'refused', 'failed'],
  rules_applied: ['enriched', 'refused', 'failed'],
  enriched: ['delivered', 'failed', 'undoing'],
  delivered: ['undoing'],
  refused: [],
  failed: [],
  undoing: ['undone', 'undo_failed'],
  undone: [],
  undo_failed: ['undoing'],
};

export function mayBecome(from: IntegrationStatus, to: IntegrationStatus): boolean {
  return NEXT[from].includes(to);
}

const UNDER_WAY: ReadonlySet<string> = new Set([
  'requested',
  'validated',
  'rules_applied',
  'enriched',
  'undoing',
]);

/** Whether it has ended. A person may still have undone what was delivered. */
export function isEnded(status: string): boolean {
  return !UNDER_WAY.has(status);
}

/** After so long without a change something that stands still may be replayed: its event may be a dead letter. */
export const STANDS_STILL_AFTER_MS = 5 * 60_000;

export function mayBeReplayed({ status, updatedAt }: Integration, now: EpochMs): boolean {
  if (status === 'delivered' || status === 'undoing') return false;
  return isEnded(status) || now - updatedAt > STANDS_STILL_AFTER_MS;
}

/** Of Lastro's own refusals, those that say nothing of what stands under the key: it was not looked at, or something else does. */
const SAYS_NOTHING_OF_KEY = /^request\.|\.idempotency_key_reused$/;

/**
 * The uuid under whose name destinations are called for a replay: the first's, so that what may have been done is not done twice.
 * Under it the answer would stay the old one where that is known to be an end: what was undone would not be done again, and what
 * Lastro itself has refused it goes on refusing, whatever was mended (U1). There it is another, the same for whoever replays it.
 */
export function originOfReplay({ status, failure, origin }: Integration): string {
  const isRefusedByLastro =
    status === 'failed' &&
    failure?.step === 'delivery' &&
    !failure.code.startsWith('hub.') &&
    !SAYS_NOTHING_OF_KEY.test(failure.code);
  return status === 'undone' || isRefusedByLastro ? derivedUuid('hub.replay', origin) : origin;
}

export function integrationRef({ tenant, uuid }: IntegrationRef): string {
  return `${tenant}/${uuid}`;
}

export function renderIntegration(integration: Integration): JsonObject {
  const { uuid, failure, replayOf } = integration;
  return {
    id: idOf('int', uuid),
    status: integration.status,
    connector: integration.connector,
    connector_version: integration.connectorVersion,
    entry: integration.entry,
    correlation_id: integration.correlationId,
    reference: integration.reference,
    failure: failure === null ? null : { ...failure },
    replay_of: replayOf === null ? null : idOf('int', replayOf),
    created_at: toRfc3339(integration.createdAt),
    updated_at: toRfc3339(integration.updatedAt),
  };
}
