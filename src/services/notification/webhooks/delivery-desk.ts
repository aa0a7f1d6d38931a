/** Deliveries that somebody asks for: a test, and one that is sent again. */
import type { Clock } from '#kernel/clock.ts';
import { toRfc3339 } from '#kernel/clock.ts';
import { idOf, newId, uuidOf } from '#kernel/ids.ts';
import type { Session, Transaction } from '#platform/postgres/session.ts';
import type { DeliveryRow } from './delivery-reads.ts';
import type { Endpoint } from './endpoint.ts';
import { insertDeliveries, insertMessages, type Message, type NewDelivery, takeTurns } from './lane-store.ts';

export const TEST_EVENT = 'webhook_endpoint.test';

export interface Asked {
  readonly correlationId: string;
  readonly traceparent: string | null;
}

export class DeliveryDesk {
  readonly #session: Session;
  readonly #clock: Clock;
  readonly #onQueued: (endpointKeys: Iterable<bigint>) => void;

  constructor(options: {
    readonly session: Session;
    readonly clock: Clock;
    readonly onQueued: (endpointKeys: Iterable<bigint>) => void;
  }) {
    this.#session = options.session;
    this.#clock = options.clock;
    this.#onQueued = options.onQueued;
  }

  /** The id of the delivery. */
  test(endpoint: Endpoint, asked: Asked): Promise<string> {
    const message = testMessage(endpoint, asked, this.#clock.now());
    const { event, type, subject } = message;
    const delivery = { endpointKey: endpoint.key, event, type, subject, isSkipped: false };
    return this.#queue(delivery, (tx) => insertMessages(tx, [message]));
  }

  /** Behind what is waiting for its subject; with the number and the message id that it has. */
  redeliver(endpoint: Endpoint, { id, event, type, subject, sequence }: DeliveryRow): Promise<string> {
    const repeated = { endpointKey: endpoint.key, event, type, subject, sequence, repeats: id };
    return this.#queue({ ...repeated, isSkipped: false }, () => undefined);
  }

  async #queue(delivery: NewDelivery, before: (tx: Transaction) => void): Promise<string> {
    const now = this.#clock.now();
    const uuid = await this.#session.transaction(async (tx) => {
      const deliveries = await takeTurns(tx, [delivery], now);
      before(tx);
      insertDeliveries(tx, deliveries, now);
      return deliveries[0]?.uuid ?? '';
    });
    this.#onQueued([delivery.endpointKey]);
    return uuid;
  }
}

function testMessage(
  { tenant, uuid }: Endpoint,
  { correlationId, traceparent }: Asked,
  now: number,
): Message {
  const subject = idOf('whe', uuid);
  const event = `test/${uuidOf(newId('msg'))}`;
  const body = JSON.stringify({
    specversion: '1.0',
    id: event,
    source: '/v1/webhook-endpoints',
    type: `lastro.${TEST_EVENT}.v1`,
    subject,
    time: toRfc3339(now),
    datacontenttype: 'application/json',
    tenantid: tenant,
    correlationid: correlationId,
    data: { endpoint_id: subject },
  });
  return { event, tenant, type: TEST_EVENT, subject, body, correlationId, traceparent, occurredAt: now };
}
