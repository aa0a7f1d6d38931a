/**
 * From events to deliveries: what happened is written once, and queued for every endpoint of its tenant that wants it, in
 * the commit that moves the positions. Where nothing is before it and the endpoint has room, the same commit takes it: it is
 * sent as soon as that is durable.
 */
import type { EpochMs } from '#kernel/clock.ts';
import type { Consumer, ConsumerPlan } from '#platform/batch/consumer.ts';
import { renderCloudEvent } from '#platform/log/cloud-event.ts';
import { eventIdentity, type LogEvent } from '#platform/log/event.ts';
import type { Transaction } from '#platform/postgres/session.ts';
import { ANSWER_OWED, answerTold, callbackUrlOf } from './card-answer.ts';
import { beginAttempts, type Claim } from './claim-store.ts';
import type { Endpoint } from './endpoint.ts';
import { ensureCallbackEndpoints, findEndpointsOf } from './endpoint-store.ts';
import { matches, TOLD_EVENTS, WEBHOOK_GROUP } from './event-patterns.ts';
import {
  type Delivery,
  findMessages,
  insertDeliveries,
  insertMessages,
  MARKS,
  type Message,
  type NewDelivery,
  takeTurns,
} from './lane-store.ts';
import { LEASE_MS } from './request.ts';
import { isBornSince } from './retention.ts';
import type { Sender } from './sender.ts';
import type { Subscribers } from './subscribers.ts';

export const WEBHOOK_TOPICS = ['authorization', 'validation', 'cards', 'notification'] as const;

interface Loaded {
  /** By the event's identity; absent where there is nobody to tell, or who was told before. */
  readonly deliveries: ReadonlyMap<string, readonly Delivery[]>;
  readonly endpoints: ReadonlyMap<bigint, Endpoint>;
}

interface Plan extends ConsumerPlan {
  readonly messages: readonly Message[];
  readonly deliveries: readonly Delivery[];
  /** Those that are taken already. */
  readonly claims: readonly Claim[];
  readonly now: EpochMs;
}

export interface FanOutOptions {
  readonly subscribers: Pick<Subscribers, 'has'>;
  readonly clock: { now(): EpochMs };
  readonly random: () => number;
  /** How long what was told is remembered. */
  readonly retentionMs: number;
  readonly sender: Pick<Sender, 'roomOf' | 'roomOfTenant' | 'take' | 'wake'>;
}

export function webhookConsumer(options: FanOutOptions): Consumer<Loaded, Plan> {
  const { subscribers, sender } = options;
  return {
    group: WEBHOOK_GROUP,
    topics: WEBHOOK_TOPICS,
    emits: null,
    handles: new Map([...TOLD_EVENTS, [ANSWER_OWED, 1]]),
    concerns: ({ tenant, type }) => type === ANSWER_OWED || subscribers.has(tenant),
    paceMs: 40,
    load: (tx, events) => loadDeliveries(tx, events, options),
    decide({ deliveries, endpoints }, events, now) {
      const told = events.filter((event) => deliveries.has(eventIdentity(event)));
      const messages = told.map(messageOf);
      const all = messages.flatMap((message) => deliveries.get(message.event) ?? []);
      const claims = messages.flatMap((message) =>
        (deliveries.get(message.event) ?? []).flatMap((delivery) => claimOf(delivery, message, endpoints)),
      );
      return { drafts: [], messages, deliveries: all, claims, now };
    },
    save(tx, { messages, deliveries, claims, now }) {
      insertMessages(tx, messages, now);
      insertDeliveries(tx, deliveries, now);
      beginAttempts(tx, claims, now);
    },
    committed({ deliveries, claims }) {
      sender.take(claims);
      sender.wake(new Set(deliveries.flatMap(({ endpointKey, isDue }) => (isDue ? endpointKey : []))));
    },
  };
}

async function loadDeliveries(
  tx: Transaction,
  events: readonly LogEvent[],
  { clock, random, sender, retentionMs }: FanOutOptions,
): Promise<Loaded> {
  const now = clock.now();
  const owed = events.filter(({ type }) => type === ANSWER_OWED);
  const [told, endpoints, callbacks] = await Promise.all([
    findMessages(tx, events.map(eventIdentity)),
    findEndpointsOf(tx, [...new Set(events.map(({ tenant }) => tenant))]),
    ensureCallbackEndpoints(
      tx,
      owed.map((event) => ({ tenant: event.tenant, url: callbackUrlOf(event) })),
      now,
    ),
  ]);
  const fresh = events.filter((event) => !told.has(eventIdentity(event)));
  const all = [...endpoints, ...callbacks];
  const byTenant = Map.groupBy(all, ({ tenant }) => tenant);
  const oldestAt = now - retentionMs;
  const wanted = fresh.flatMap((event) => deliveriesOf(event, byTenant.get(event.tenant) ?? [], oldestAt));
  const byKey = new Map(all.map((endpoint) => [endpoint.key, endpoint]));
  const deliveries = await takeTurns(tx, wanted, now, {
    mark: 1 + Math.floor(random() * (MARKS - 1)),
    leaseUntil: now + LEASE_MS,
    mayTake: withinRoom(sender, byKey),
  });
  return {
    deliveries: Map.groupBy(deliveries, ({ event }) => event),
    endpoints: byKey,
  };
}

/** As often as the endpoint and its tenant have room. What is begun meanwhile by others is not seen: who is too many waits (sender.ts). */
function withinRoom(
  { roomOf, roomOfTenant }: Pick<Sender, 'roomOf' | 'roomOfTenant'>,
  endpoints: ReadonlyMap<bigint, Endpoint>,
): (endpointKey: bigint) => boolean {
  const rooms = new Map<bigint | string, number>();
  return (key) => {
    const endpoint = endpoints.get(key);
    if (endpoint === undefined) return false;
    const { tenant } = endpoint;
    const room = rooms.get(key) ?? roomOf(endpoint);
    const ofTenant = rooms.get(tenant) ?? roomOfTenant(tenant);
    if (room <= 0 || ofTenant <= 0) return false;
    rooms.set(key, room - 1);
    rooms.set(tenant, ofTenant - 1);
    return true;
  };
}

function claimOf(
  delivery: Delivery,
  { body, correlationId, traceparent }: Message,
  endpoints: ReadonlyMap<bigint, Endpoint>,
): Claim[] {
  const endpoint = endpoints.get(delivery.endpointKey);
  if (delivery.claims === 0 || endpoint === undefined) return [];
  return [{ ...delivery, endpoint, number: 1, failures: 0, body, correlationId, traceparent }];
}

function deliveriesOf(event: LogEvent, endpoints: readonly Endpoint[], oldestAt: EpochMs): NewDelivery[] {
  const { type, subject, occurredAt } = event;
  // Whether it was told of is not known any more.
  if (occurredAt < oldestAt) return [];
  return endpoints
    .filter((endpoint) => isFor(event, endpoint))
    .map(({ key, status, forgottenSequence }) => ({
      endpointKey: key,
      event: eventIdentity(event),
      type,
      subject,
      firstAfter: isBornSince(subject, oldestAt) ? 0 : forgottenSequence,
      isSkipped: status !== 'enabled',
    }));
}

/** What happened before there was the endpoint is not told, also if the event comes again. */
function isFor(event: LogEvent, { kind, url, events, createdAt }: Endpoint): boolean {
  if (event.type === ANSWER_OWED) return kind === 'callback' && url === callbackUrlOf(event);
  return kind === 'endpoint' && event.occurredAt >= createdAt && matches(events, event.type);
}

function messageOf(event: LogEvent): Message {
  const told = event.type === ANSWER_OWED ? answerTold(event) : event;
  const { sequence: _position, ...body } = renderCloudEvent(told);
  const { tenant, type, subject, correlationId, traceparent, occurredAt } = told;
  return {
    event: eventIdentity(event),
    tenant,
    type,
    subject,
    body: JSON.stringify(body),
    correlationId,
    traceparent,
    occurredAt,
  };
}
