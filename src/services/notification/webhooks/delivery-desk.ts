/** Deliveries that somebody asks for: a test, and one that is sent again. */
import type { Clock, EpochMs } from '#kernel/clock.ts';
import { toRfc3339 } from '#kernel/clock.ts';
import { idOf, newId, uuidOf } from '#kernel/ids.ts';
import { lockOpenWork, NOBODY, resolveWork } from '#platform/dead-letters/given-up.ts';
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
    return this.#transact(endpoint, async (tx, now) => {
      const uuid = await queue(tx, delivery, now);
      insertMessages(tx, [message]);
      return uuid;
    });
  }

  /** Behind what is waiting for its subject; with the number and the message id that it has. Its dead letter is resolved by it. */
  redeliver(
    endpoint: Endpoint,
    { id, event, type, subject, sequence }: DeliveryRow,
    actor: string | undefined,
  ): Promise<string> {
    const repeated = { endpointKey: endpoint.key, event, type, subject, sequence, repeats: id };
    return this.#transact(endpoint, async (tx, now) => {
      const letters = await lockOpenWork(tx, [{ tenant: endpoint.tenant, work: idOf('dlv', id) }]); // R3
      const uuid = await queue(tx, { ...repeated, isSkipped: false }, now);
      const replayedAs = idOf('dlv', uuid);
      resolveWork(
        tx,
        letters.map((letter) => ({ id: letter.id, actor: actor ?? NOBODY, replayedAs })),
        now,
      );
      return uuid;
    });
  }

  async #transact(
    { key }: Endpoint,
    work: (tx: Transaction, now: EpochMs) => Promise<string>,
  ): Promise<string> {
    const now = this.#clock.now();
    const uuid = await this.#session.transaction((tx) => work(tx, now));
    this.#onQueued([key]);
    return uuid;
  }
}

async function queue(tx: Transaction, delivery: NewDelivery, now: EpochMs): Promise<string> {
  const deliveries = await takeTurns(tx, [delivery], now);
  insertDeliveries(tx, deliveries, now);
  return deliveries[0]?.uuid ?? '';
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
