/** Deliveries that somebody asks for: a test, and one that is sent again. The id of each, queued when the transaction commits. */
import { type EpochMs, toRfc3339 } from '#kernel/clock.ts';
import { idOf, newId, uuidOf } from '#kernel/ids.ts';
import { lockOpenWork, resolveWork } from '#platform/dead-letters/given-up.ts';
import type { Transaction } from '#platform/postgres/session.ts';
import type { DeliveryRow } from './delivery-reads.ts';
import type { Endpoint } from './endpoint.ts';
import {
  type Delivery,
  insertDeliveries,
  insertMessages,
  keepMessages,
  type Message,
  type NewDelivery,
  takeTurns,
} from './lane-store.ts';

export const TEST_EVENT = 'webhook_endpoint.test';

export interface Asked {
  readonly correlationId: string;
  readonly traceparent: string | null;
}

export async function queueTest(
  tx: Transaction,
  endpoint: Endpoint,
  asked: Asked,
  now: EpochMs,
): Promise<string> {
  const message = testMessage(endpoint, asked, now);
  const { event, type, subject } = message;
  const delivery = {
    endpointKey: endpoint.key,
    firstAfter: endpoint.forgottenSequence,
    event,
    type,
    subject,
  };
  const uuid = await queue(tx, { ...delivery, isSkipped: false }, now);
  insertMessages(tx, [message], now);
  return uuid;
}

/** Its dead letter is resolved by it. Undefined if it was forgotten meanwhile. */
export async function queueAgain(
  tx: Transaction,
  endpoint: Endpoint,
  { row, actor, now }: { readonly row: DeliveryRow; readonly actor: string; readonly now: EpochMs },
): Promise<string | undefined> {
  const { id, event, type, subject, sequence } = row;
  const letters = await lockOpenWork(tx, [{ tenant: endpoint.tenant, work: idOf('dlv', id) }]); // R3: as orders do
  const { key: endpointKey, forgottenSequence: firstAfter } = endpoint;
  const [again] = await sendAgain(
    tx,
    [{ endpointKey, firstAfter, event, type, subject, sequence, repeats: id }],
    now,
  );
  if (again === undefined) return undefined;
  const replayedAs = idOf('dlv', again.uuid);
  const resolved = letters.map((letter) => ({ id: letter.id, actor, replayedAs }));
  resolveWork(tx, resolved, now);
  return again.uuid;
}

export type Repeated = Omit<Required<NewDelivery>, 'isSkipped'>;

/**
 * Each behind what is waiting for its subject, with the number and the message id that it has; the lane that it was in may be
 * forgotten. Undefined where the message is.
 */
export async function sendAgain(
  tx: Transaction,
  repeated: readonly Repeated[],
  now: EpochMs,
): Promise<(Delivery | undefined)[]> {
  const events = repeated.map(({ event }) => event);
  const kept = await keepMessages(tx, events, now);
  const present = repeated.filter(({ event }) => kept.has(event));
  const wanted = present.map((each) => ({ ...each, isSkipped: false }));
  const deliveries = await takeTurns(tx, wanted, now);
  insertDeliveries(tx, deliveries, now);
  const becomes = new Map(present.map((each, index) => [each, deliveries[index]]));
  return repeated.map((each) => becomes.get(each));
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
