import type { EpochMs } from '#kernel/clock.ts';
import type { JsonObject } from '#platform/log/event.ts';

/** An event as a proof has it: what it is judged by, and its data as far as they can be read. */
export interface TracedEvent {
  readonly topic: string;
  readonly partition: number;
  readonly position: number;
  /** `payments/3/1041` */
  readonly identity: string;
  readonly type: string;
  readonly tenant: string;
  readonly at: EpochMs;
  readonly causation: string;
  /** Of what is told to somebody, and of requests; not read of the others. */
  readonly correlationId?: string | undefined;
  /** Undefined: not JSON. */
  readonly data: JsonObject | undefined;
}
