/** An event of ours as the world knows events: CloudEvents 1.0, JSON format. */
import { toRfc3339 } from '#kernel/clock.ts';
import { eventIdentity, type JsonObject, type LogEvent } from './event.ts';

/** Reverse-DNS-like prefix of our types: `lastro.payment.requested.v1`. */
const TYPE_PREFIX = 'lastro.';
/** CloudEvents' sequence extension compares as text, so it is padded to the digits of 2^63. */
const SEQUENCE_DIGITS = 19;

export function renderCloudEvent(event: LogEvent): JsonObject {
  return {
    specversion: '1.0',
    id: eventIdentity(event),
    source: `/v1/events?topic=${event.topic}`,
    type: `${TYPE_PREFIX}${event.type}.v${event.version}`,
    subject: event.subject,
    time: toRfc3339(event.occurredAt),
    datacontenttype: 'application/json',
    tenantid: event.tenant,
    partitionkey: event.key,
    sequence: String(event.position).padStart(SEQUENCE_DIGITS, '0'),
    correlationid: event.correlationId,
    causationid: event.causation,
    ...(event.traceparent === null ? {} : { traceparent: event.traceparent }),
    data: event.data,
  };
}
