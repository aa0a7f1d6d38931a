/** What an integration begins with, and an undo: the events, of whoever asks. */
import type { EpochMs } from '#kernel/clock.ts';
import { idOf } from '#kernel/ids.ts';
import type { EventDraft, JsonObject } from '#platform/log/event.ts';
import type { IntegrationRequested, UndoRequested } from './events.ts';
import { type Integration, type IntegrationRef, originOfReplay } from './integration.ts';
import type { CurrentConnector } from './store.ts';

export interface Beginning extends IntegrationRef {
  readonly requestId: string;
  readonly correlationId: string;
  readonly traceparent: string | null;
}

/** An integration and the event that it begins with. */
export function begin(
  by: Beginning,
  {
    connector,
    message,
    replayed,
  }: {
    readonly connector: CurrentConnector;
    readonly message: string;
    readonly replayed: Integration | undefined;
  },
  now: EpochMs,
): { integration: Integration; draft: EventDraft } {
  const integration: Integration = {
    tenant: by.tenant,
    uuid: by.uuid,
    connector: connector.name,
    connectorVersion: connector.version,
    entry: connector.entry,
    status: 'requested',
    origin: replayed === undefined ? by.uuid : originOfReplay(replayed),
    replayOf: replayed?.uuid ?? null,
    failure: null,
    reference: null,
    correlationId: by.correlationId,
    createdAt: now,
    updatedAt: now,
  };
  const data: IntegrationRequested = {
    connector: connector.name,
    connector_version: connector.version,
    entry: connector.entry,
    message,
    replay_of: replayed === undefined ? null : idOf('int', replayed.uuid),
    origin: idOf('int', integration.origin),
  };
  return { integration, draft: draftOf(by, integration, { type: 'integration.requested', data }) };
}

export function undoRequest(
  by: Omit<Beginning, 'uuid' | 'tenant'>,
  integration: Integration,
  {
    message,
    destination,
    reason,
    actor,
  }: Pick<UndoRequested, 'message' | 'destination' | 'reason' | 'actor'>,
): EventDraft {
  const { connector, connectorVersion: connector_version } = integration;
  const data: UndoRequested = { connector, connector_version, message, destination, reason, actor };
  return draftOf(by, integration, { type: 'integration.undo_requested', data });
}

function draftOf(
  by: Omit<Beginning, 'uuid' | 'tenant'>,
  { tenant, uuid }: IntegrationRef,
  event: { readonly type: string; readonly data: JsonObject },
): EventDraft {
  const subject = idOf('int', uuid);
  return {
    ...event,
    version: 1,
    subject,
    tenant,
    key: subject,
    correlationId: by.correlationId,
    causation: by.requestId,
    traceparent: by.traceparent,
  };
}
