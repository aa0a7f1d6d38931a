/**
 * What is sent to webhooks says what its event says: the body as it is kept, byte for byte, and what is shown of it. Bodies are
 * forgotten after a while, so none is missing; one that tells of no event was sent by nobody of ours, unless it is a test. And
 * what waits to be sent will be.
 */
import type { JsonObject } from '#platform/log/event.ts';
import { int2Array, int8Array } from '#platform/postgres/arrays.ts';
import { placeBehind } from '#platform/postgres/place-behind.ts';
import type { Reader } from '#platform/postgres/read-pool.ts';
import { listLanes, listMessages, type Message } from '#services/notification/contract.ts';
import { readEditedData } from './edited-data.ts';
import { parseData } from './event-data.ts';
import { schemaOf } from './installation.ts';
import { instantText } from './instant-text.ts';
import type { Lane } from './lane.ts';
import { type Page, pages, reportTo } from './paged-findings.ts';
import { payloadFaults, valueFaults } from './payload-faults.ts';
import type { Check, Finding } from './report.ts';
import type { TracedEvent } from './traced-event.ts';

const PAGE = 1_000;
const LANES_PAGE = 10_000;
/** The group that makes them. */
const GROUP = 'webhooks';
/** What somebody has sent to try an endpoint. */
const OF_A_TEST = /^test\//;
const IDENTITY = /^([a-z]+)\/(\d{1,4})\/(\d{1,18})$/;

export async function verifyMessages(
  lane: Lane,
  { check, topics }: { readonly check: Check; readonly topics: readonly string[] },
): Promise<void> {
  for await (const page of pages(lane, (reader, after: string | undefined) =>
    comparePage(reader, after, topics),
  ))
    reportTo(check, page.findings);
  for await (const page of pages(lane, findStalled)) reportTo(check, page.findings);
}

/** What waits to be sent has a time at which it is. */
async function findStalled(reader: Reader, after: bigint | undefined): Promise<Page<bigint>> {
  const lanes = await listLanes(reader, after, LANES_PAGE);
  const listed = lanes
    .filter(({ isStalled }) => isStalled)
    .map(({ laneKey, tenant, subject }): Finding => {
      const detail = `what waits in lane ${laneKey} to be told is never due, or far too late`;
      return { kind: 'stalled_delivery', subject, tenant, detail };
    });
  return {
    findings: { looked: 0, listed, unlisted: 0 },
    passed: lanes.length,
    next: placeBehind(lanes, LANES_PAGE)?.laneKey,
  };
}

async function comparePage(
  reader: Reader,
  after: string | undefined,
  topics: readonly string[],
): Promise<Page<string>> {
  const messages = await listMessages(reader, after, PAGE);
  const told = messages.filter(({ event }) => !OF_A_TEST.test(event));
  const events = await readEvents(reader, told, topics);
  const judged = told.map((message) => {
    const event = events.get(message.event);
    return { message, event, faults: event === undefined ? [] : faultsOf(message, event) };
  });
  const unlike = judged.flatMap(({ event, faults }) =>
    event !== undefined && faults.length > 0 ? [event] : [],
  );
  const edited = await readEditedData(reader, GROUP, unlike);
  const listed = judged.flatMap(({ message, event, faults }): Finding[] => {
    const { event: subject, tenant } = message;
    if (event === undefined)
      return [{ kind: 'extra_message', subject, tenant, detail: 'no log has the event that it tells of' }];
    if (faults.length === 0 || isToldAsEdited(message, event, edited.get(subject))) return [];
    return [{ kind: 'different_message', subject, tenant, detail: faults.join('; ') }];
  });
  return {
    // Notifications are what is counted.
    findings: { looked: 0, listed, unlisted: 0 },
    passed: messages.length,
    next: placeBehind(messages, PAGE)?.event,
  };
}

/** A dead letter can be replayed with another text for people. */
function isToldAsEdited(message: Message, event: ToldEvent, edited: JsonObject | undefined): boolean {
  const detail = edited?.['detail'];
  if (detail === undefined || event.data === undefined) return false;
  return faultsOf(message, { ...event, data: { ...event.data, detail } }).length === 0;
}

interface ToldEvent extends TracedEvent {
  readonly version: number;
  readonly subject: string;
  readonly key: string;
  readonly correlationId: string;
  readonly traceparent: string | null;
}

type EventRow = Omit<ToldEvent, 'topic' | 'identity' | 'position' | 'data'> & {
  readonly position: bigint;
  readonly data: string;
};

/** By primary key, a statement for each log that they tell of. */
async function readEvents(
  reader: Reader,
  messages: readonly Message[],
  topics: readonly string[],
): Promise<ReadonlyMap<string, ToldEvent>> {
  const places = messages.flatMap(({ event }) => {
    const [, topic = '', partition, position] = IDENTITY.exec(event) ?? [];
    return topics.includes(topic)
      ? [{ topic, partition: Number(partition), position: BigInt(position ?? 0) }]
      : [];
  });
  const events = new Map<string, ToldEvent>();
  for (const [topic, own] of Map.groupBy(places, (place) => place.topic)) {
    const rows = await reader.query<EventRow>(
      `select e.partition, e.position, e.type, e.version, e.subject, e.tenant, e.key, e.data, e.occurred_at as at,
              e.correlation_id as "correlationId", e.causation, e.traceparent
       from unnest($1::smallint[], $2::bigint[]) as wanted(partition, position)
       cross join lateral (
         select * from ${schemaOf(topic)}.events e
         where e.partition = wanted.partition and e.position = wanted.position offset 0
       ) e`,
      [int2Array(own.map(({ partition }) => partition)), int8Array(own.map(({ position }) => position))],
    );
    for (const row of rows) {
      const identity = `${topic}/${row.partition}/${row.position}`;
      events.set(identity, {
        ...row,
        topic,
        identity,
        position: Number(row.position),
        data: parseData(row.data),
      });
    }
  }
  return events;
}

function faultsOf(message: Message, event: ToldEvent): string[] {
  const told = toldOf(event);
  return [
    ...valueFaults([
      ['tenant', message.tenant, event.tenant],
      ['type', message.type, told.type],
      ['subject', message.subject, event.subject],
      ['correlation_id', message.correlationId, event.correlationId],
      ['traceparent', message.traceparent, event.traceparent],
      ['occurred_at', message.occurredAt, event.at],
    ]),
    ...payloadFaults(message.body, told.data && bodyOf(event, told.type, told.data)),
  ];
}

/** An answer that is owed to a caller is told without the address that it is told to. */
function toldOf({ type, data }: ToldEvent): { readonly type: string; readonly data: JsonObject | undefined } {
  if (type !== 'card.answer_owed' || data === undefined) return { type, data };
  const { callback_url: _address, ...answer } = data;
  return { type: 'card.answered', data: answer };
}

/** A CloudEvent without the sequence, which every endpoint counts for itself. */
function bodyOf(event: ToldEvent, type: string, data: JsonObject): JsonObject {
  return {
    specversion: '1.0',
    id: event.identity,
    source: `/v1/events?topic=${event.topic}`,
    type: `lastro.${type}.v${event.version}`,
    subject: event.subject,
    time: instantText(event.at),
    datacontenttype: 'application/json',
    tenantid: event.tenant,
    partitionkey: event.key,
    correlationid: event.correlationId,
    causationid: event.causation,
    ...(event.traceparent === null ? {} : { traceparent: event.traceparent }),
    data,
  };
}
