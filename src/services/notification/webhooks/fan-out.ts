/**
 * From events to deliveries: what happened is written once, and queued for every endpoint of its tenant that wants it, in
 * the commit that moves the positions.
 */
import type { EpochMs } from '#kernel/clock.ts';
import type { Consumer, ConsumerPlan } from '#platform/batch/consumer.ts';
import { renderCloudEvent } from '#platform/log/cloud-event.ts';
import { eventIdentity, type LogEvent } from '#platform/log/event.ts';
import type { Transaction } from '#platform/postgres/session.ts';
import { ANSWER_OWED, answerTold, callbackUrlOf } from './card-answer.ts';
import type { Endpoint } from './endpoint.ts';
import { ensureCallbackEndpoints, findEndpointsOf } from './endpoint-store.ts';
import { matches, TOLD_EVENTS } from './event-patterns.ts';
import {
  type Delivery,
  findMessages,
  insertDeliveries,
  insertMessages,
  type Message,
  type NewDelivery,
  takeTurns,
} from './lane-store.ts';
import type { Subscribers } from './subscribers.ts';

export const WEBHOOK_GROUP = 'webhooks';
export const WEBHOOK_TOPICS = ['authorization', 'validation', 'cards', 'notification'] as const;

interface Loaded {
  /** By the event's identity; absent where there is nobody to tell, or who was told before. */
  readonly deliveries: ReadonlyMap<string, readonly Delivery[]>;
}

interface Plan extends ConsumerPlan {
  readonly messages: readonly Message[];
  readonly deliveries: readonly Delivery[];
  readonly now: EpochMs;
}

export interface FanOutOptions {
  readonly subscribers: Pick<Subscribers, 'has'>;
  readonly clock: { now(): EpochMs };
  /** After the commit: the endpoints that have something new. */
  readonly onQueued: (endpointKeys: Iterable<bigint>) => void;
}

export function webhookConsumer({ subscribers, clock, onQueued }: FanOutOptions): Consumer<Loaded, Plan> {
  return {
    group: WEBHOOK_GROUP,
    topics: WEBHOOK_TOPICS,
    emits: null,
    handles: new Map([...TOLD_EVENTS, [ANSWER_OWED, 1]]),
    concerns: ({ tenant, type }) => type === ANSWER_OWED || subscribers.has(tenant),
    paceMs: 40,
    load: (tx, events) => loadDeliveries(tx, events, clock.now()),
    decide({ deliveries }, events, now) {
      const told = events.filter((event) => deliveries.has(eventIdentity(event)));
      return {
        drafts: [],
        messages: told.map(messageOf),
        deliveries: told.flatMap((event) => deliveries.get(eventIdentity(event)) ?? []),
        now,
      };
    },
    save(tx, { messages, deliveries, now }) {
      insertMessages(tx, messages);
      insertDeliveries(tx, deliveries, now);
    },
    committed: ({ deliveries }) => onQueued(new Set(deliveries.map(({ endpointKey }) => endpointKey))),
  };
}

async function loadDeliveries(tx: Transaction, events: readonly LogEvent[], now: EpochMs): Promise<Loaded> {
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
  const byTenant = Map.groupBy([...endpoints, ...callbacks], ({ tenant }) => tenant);
  const wanted = fresh.flatMap((event) => deliveriesOf(event, byTenant.get(event.tenant) ?? []));
  const deliveries = await takeTurns(tx, wanted, now);
  return { deliveries: Map.groupBy(deliveries, ({ event }) => event) };
}

function deliveriesOf(event: LogEvent, endpoints: readonly Endpoint[]): NewDelivery[] {
  const { type, subject } = event;
  return endpoints
    .filter((endpoint) => isFor(event, endpoint))
    .map(({ key, status }) => ({
      endpointKey: key,
      event: eventIdentity(event),
      type,
      subject,
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
