/** A card transaction of nobody, by which a process that starts has its statements planned; it is never committed. */
import type { Asked } from './authorize-card-transaction.ts';
import type { Origin } from './render-events.ts';

/** Undoes the warm-up. */
export class WarmedUp extends Error {}

/** Of no tenant. */
export const WARM_UP: Asked = {
  tenant: '',
  uuid: '00000000-0000-7000-8000-000000000000',
  reading: {
    received: { account: '-', externalId: '-', mcc: null, merchant: null, digest: null },
    request: { reason: 'unreadable', detail: null },
    callbackUrl: null,
    isSentAsCardSays: false,
  },
};
export const ORIGIN_OF_WARM_UP: Origin = { correlationId: '-', causation: '-', traceparent: null };
