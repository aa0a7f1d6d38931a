/** Events of the payments log, as data. Amounts are minor units. */
import type { JsonObject } from '#platform/log/event.ts';
export type PaymentRequested = {
  readonly wallet_id: string;
  readonly service_id: string;
  readonly amount: number;
  readonly currency: string;
  readonly method: 'balance';
  readonly reference: string | null;
  readonly description: string | null;
  readonly metadata: JsonObject | null;
};
