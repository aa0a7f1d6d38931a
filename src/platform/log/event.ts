import type { EpochMs } from '#kernel/clock.ts';

/** JSON as `JSON.parse` gives it. Amounts in events are integers of minor units, within 2^53−1; sums may be beyond (kernel/exact-integer.ts). */
export type JsonValue = string | number | boolean | null | readonly JsonValue[] | JsonObject;
export interface JsonObject {
  readonly [member: string]: JsonValue;
}

/** An event as a service decides it; where it ends up in the log is known at commit. */
export interface EventDraft<Data extends JsonObject = JsonObject> {
  /** `payment.requested`. */
  readonly type: string;
  readonly version: number;
  /** The resource it is about: the payment's id, the account's id. */
  readonly subject: string;
  readonly tenant: string;
  /** Its partition is the hash of tenant and key; events of one key are in order. */
  readonly key: string;
  readonly data: Data;
  readonly correlationId: string;
  /** Identity of the event, or of the request, that caused it. */
  readonly causation: string;
  /** W3C trace context of the request that began it all. */
  readonly traceparent: string | null;
}

/** An event of the log: committed, immutable. Its identity is (topic, partition, position). */
export interface LogEvent<Data extends JsonObject = JsonObject> extends EventDraft<Data> {
  readonly topic: string;
  readonly partition: number;
  readonly position: number;
  readonly occurredAt: EpochMs;
}

/** `payments/3/1041`: an event's identity in timelines, causations and CloudEvents. */
export function eventIdentity(event: Pick<LogEvent, 'topic' | 'partition' | 'position'>): string {
  return `${event.topic}/${event.partition}/${event.position}`;
}

/** The instant of what follows from the events: another process' clock may be ahead of ours, and no effect is stamped before its cause. */
export function notBefore(causes: readonly LogEvent[], now: EpochMs): EpochMs {
  return causes.reduce((latest, { occurredAt }) => Math.max(latest, occurredAt), now);
}
