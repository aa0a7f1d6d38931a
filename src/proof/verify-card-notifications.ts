/** What holders of cards are told: one notification for each event that the saga's definition names, about that event. */
import type { Reader } from '#platform/postgres/read-pool.ts';
import { CARD_NOTIFICATION_GROUP, NOTIFIED_CARD_EVENTS } from '#sagas/card-transaction.ts';
import {
  type CardEventPlace,
  findCardNotifications,
  listCardNotifications,
  type StoredCardNotification,
} from '#services/notification/contract.ts';
import { expectedCardPayload, type ToldCardEvent } from './expected-card-payload.ts';
import { payloadFaults } from './payload-faults.ts';
import type { Finding } from './report.ts';

export interface PlacedCardEvent extends ToldCardEvent, CardEventPlace {}

/** What the group has still to pass, and what it has left behind a dead letter, is no finding. */
export async function compareCardNotifications(
  reader: Reader,
  events: readonly PlacedCardEvent[],
): Promise<Finding[]> {
  const due = events.filter(({ type }) => NOTIFIED_CARD_EVENTS.includes(type));
  const told = new Map((await findCardNotifications(reader, due)).map((each) => [placeOf(each), each]));
  const missing = await passedOver(
    reader,
    due.filter((event) => !told.has(placeOf(event))),
  );
  const different = due.flatMap((event) => {
    const notification = told.get(placeOf(event));
    const faults = notification === undefined ? [] : faultsOf(notification, event);
    const what = `what was told of ${event.type} at ${placeOf(event)}`;
    return faults.length === 0 ? [] : [finding('different', event, `${what}: ${faults.join('; ')}`)];
  });
  return [
    ...missing.map((event) =>
      finding('missing', event, `nothing was told of ${event.type} at ${placeOf(event)}`),
    ),
    ...different,
  ];
}

function finding(what: string, { subject, tenant }: PlacedCardEvent, detail: string): Finding {
  return { kind: `${what}_card_notification`, subject, detail, tenant };
}

function placeOf({ partition, position }: CardEventPlace): string {
  return `cards/${partition}/${position}`;
}

function keyOf({ partition, position }: { readonly partition: number; readonly position: bigint }): string {
  return placeOf({ partition, position: Number(position) });
}

function faultsOf({ tenant, payload }: StoredCardNotification, event: PlacedCardEvent): string[] {
  return [
    ...(tenant === event.tenant ? [] : [`tenant is ${tenant}, not ${event.tenant}`]),
    ...payloadFaults(payload, expectedCardPayload(event)),
  ];
}

/** Of what was not told, what should have been. By primary keys, and the index on the identities of what waits. */
async function passedOver(reader: Reader, untold: readonly PlacedCardEvent[]): Promise<PlacedCardEvent[]> {
  if (untold.length === 0) return [];
  const rows = await reader.query<{ partition: number; position: bigint }>(
    `select w.partition, w.position from unnest($2::smallint[], $3::bigint[]) as w(partition, position)
     join log.positions p on p.consumer_group = $1 and p.topic = 'cards' and p.partition = w.partition
       and p.position >= w.position
     where not exists (
         select from log.parked_keys k
         where k.consumer_group = $1 and k.partition = w.partition and k.topic = 'cards' and k.position = w.position)
       and not exists (
         select from log.parked_events e
         where e.consumer_group = $1 and e.topic = 'cards' and e.partition = w.partition and e.position = w.position)
       and not exists (
         select from log.abandoned_events a
         where a.consumer_group = $1 and a.topic = 'cards' and a.partition = w.partition and a.position = w.position)`,
    [
      CARD_NOTIFICATION_GROUP,
      untold.map(({ partition }) => partition),
      untold.map(({ position }) => position),
    ],
  );
  const passed = new Set(rows.map(keyOf));
  return untold.filter((event) => passed.has(placeOf(event)));
}

/** The next notifications in the order of the key that no event of the log asks for. */
export async function listExtraCardNotifications(
  reader: Reader,
  after: CardEventPlace | undefined,
  limit: number,
): Promise<{ readonly rows: readonly StoredCardNotification[]; readonly extra: readonly string[] }> {
  const rows = await listCardNotifications(reader, after, limit);
  const known = await reader.query<{ partition: number; position: bigint }>(
    `select e.partition, e.position from unnest($1::smallint[], $2::bigint[]) as w(partition, position)
     join cards.events e on e.partition = w.partition and e.position = w.position where e.type = any ($3)`,
    [rows.map(({ partition }) => partition), rows.map(({ position }) => position), NOTIFIED_CARD_EVENTS],
  );
  const places = new Set(known.map(keyOf));
  return { rows, extra: rows.map(placeOf).filter((place) => !places.has(place)) };
}
