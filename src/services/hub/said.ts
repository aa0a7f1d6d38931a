import type { JsonObject } from '#platform/log/event.ts';
import type { Failure, IntegrationStatus } from './integration.ts';

/** What a step says: an event, and what the integration becomes. */
export interface Said {
  readonly type: string;
  readonly data: JsonObject;
  readonly status: IntegrationStatus;
  readonly failure?: Failure;
  readonly reference?: string | null;
}
