import { type EventDraft, eventIdentity, type JsonObject, type LogEvent } from './event.ts';

/** The event that answers another: same subject, tenant, key and correlation, caused by it. */
export function follow<Data extends JsonObject>(
  event: LogEvent,
  next: { readonly type: string; readonly data: Data; readonly version?: number },
): EventDraft<Data> {
  return {
    type: next.type,
    version: next.version ?? 1,
    subject: event.subject,
    tenant: event.tenant,
    key: event.key,
    data: next.data,
    correlationId: event.correlationId,
    causation: eventIdentity(event),
    traceparent: event.traceparent,
  };
}
