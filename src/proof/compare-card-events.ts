/**
 * Compares events of the cards' log with each other and with the tables: what they began, and all that came of it. In one
 * snapshot, as a row and its events are of one commit.
 */
import { type Id, idOf, isId, uuidOf } from '#kernel/ids.ts';
import type { ExpectedRow } from '#platform/postgres/differences.ts';
import type { Reader } from '#platform/postgres/read-pool.ts';
import { differingCards, differingCardTransactions, differingRules } from '#services/cards/contract.ts';
import { differingCardHolds } from '#services/ledger/contract.ts';
import {
  type CardEvent,
  cardEventOf,
  expectedCard,
  expectedCardHold,
  expectedCardTransaction,
  expectedRules,
  isDecision,
} from './card-events.ts';
import { type CardFault, judgeCardTransaction, judgeTopUp } from './judge-card-transaction.ts';
import { type LogRow, ROW_COLUMNS, readAbout } from './log-rows.ts';
import { type Findings, found } from './paged-findings.ts';
import { unreadableEvent } from './report.ts';
import { compareCardNotifications, type PlacedCardEvent } from './verify-card-notifications.ts';

/** What stands in the log one behind the other, of every partition that it has rows of. */
export interface EventsPage {
  readonly rows: readonly LogRow[];
  readonly events: readonly PlacedCardEvent[];
  /** Those of the rows that are no events. */
  readonly unreadable: readonly LogRow[];
}

export function pageOf(rows: readonly LogRow[]): EventsPage {
  const events: PlacedCardEvent[] = [];
  const unreadable: LogRow[] = [];
  for (const row of rows) {
    const event = placedEventOf(row);
    if (event === undefined) unreadable.push(row);
    else events.push(event);
  }
  return { rows, events, unreadable };
}

function placedEventOf(row: LogRow): PlacedCardEvent | undefined {
  const event = cardEventOf(row);
  const { partition, position, key, correlation_id: correlationId } = row;
  return event && { ...event, partition, position: Number(position), key, correlationId };
}

/** What the events of a page began, with all that came of it, against the tables; `isAll`: whatever they are about. */
export async function compareEvents(
  reader: Reader,
  page: EventsPage,
  { isAll = false } = {},
): Promise<Findings[]> {
  const unreadable = page.unreadable.map(({ partition, position, type }) =>
    unreadableEvent(`cards/${partition}/${position}`, type),
  );
  const notifications = await compareCardNotifications(reader, page.events);
  return [
    { looked: 0, listed: [...unreadable, ...notifications], unlisted: 0 },
    ...(await compareDecided(reader, page, isAll)),
  ];
}

async function compareDecided(reader: Reader, page: EventsPage, isAll: boolean): Promise<Findings[]> {
  const { events } = page;
  const subjectsOf = (concerns: (event: CardEvent) => boolean): string[] => [
    ...new Set(events.filter(concerns).map(({ subject }) => subject)),
  ];
  const asked = subjectsOf(({ subject }) => isId('ctx', subject));
  const topUps = subjectsOf(({ type }) => type === 'card.topped_up');
  const accounts = subjectsOf(({ type }) => type === 'card.created');
  const timelines = await readTimelinesBeside(reader, page, [...asked, ...topUps, ...accounts]);
  const decided = new Set(subjectsOf(isDecision));
  const subjects = asked.filter((subject) => isAll || decided.has(subject));
  // With the page that decides it; what nothing decides is wrong wherever it stands.
  const judged = asked.filter(
    (subject) => isAll || decided.has(subject) || !timelines.get(subject)?.some(isDecision),
  );
  const rowsOf = (
    of: readonly string[],
    expect: (name: string, events: readonly CardEvent[]) => ExpectedRow | undefined,
  ): ExpectedRow[] =>
    of
      .flatMap((subject) => tenantsOf(timelines, subject).map((own) => expect(subject, own)))
      .filter((row) => row !== undefined);
  const cardTransactions = rowsOf(subjects, (subject, own) => expectedCardTransaction(uuidIn(subject), own));
  const holds = rowsOf(subjects, (subject, own) => expectedCardHold(uuidIn(subject), own));
  const cards = rowsOf(accounts, expectedCard);
  const rules = events.filter(({ type }) => type === 'merchant_rules.replaced').map(expectedRules);
  return [
    faultsOf(timelines, judged, (subject, own) => judgeCardTransaction(uuidIn(subject), own).faults),
    { ...faultsOf(timelines, topUps, judgeTopUp), looked: topUps.length },
    found(
      'card_transaction',
      cardTransactions,
      await differingCardTransactions(reader, cardTransactions),
      idIn,
    ),
    found('hold', holds, await differingCardHolds(reader, holds), idIn),
    found('card', cards, await differingCards(reader, cards), (key) => `${key['tenant']}/${key['account']}`),
    found('rules', rules, await differingRules(reader, rules), (key) => `${key['tenant']}/${key['version']}`),
  ];
}

function faultsOf(
  timelines: Timelines,
  subjects: readonly string[],
  judge: (subject: string, events: readonly CardEvent[]) => readonly CardFault[],
): Findings {
  const listed = subjects.flatMap((subject) =>
    tenantsOf(timelines, subject).flatMap((own) =>
      judge(subject, own).map((fault) => ({ ...fault, subject, tenant: own[0]?.tenant })),
    ),
  );
  return { looked: 0, listed, unlisted: 0 };
}

type Key = Readonly<Record<string, string>>;

export type Timelines = ReadonlyMap<string, readonly CardEvent[]>;

/** In the order of the log. */
export async function readTimelines(reader: Reader, subjects: readonly string[]): Promise<Timelines> {
  const rows = await readAbout(reader, 'cards', subjects);
  return Map.groupBy(
    rows.flatMap((row) => cardEventOf(row) ?? []),
    ({ subject }) => subject,
  );
}

/** The same, where a page of them is there: of most subjects nothing stands elsewhere. By the index on the events' subject. */
async function readTimelinesBeside(
  reader: Reader,
  { rows, events }: EventsPage,
  subjects: readonly string[],
): Promise<Timelines> {
  if (subjects.length === 0) return new Map();
  const ends = [...Map.groupBy(rows, ({ partition }) => partition).values()].map((own) => ({
    partition: own[0]?.partition,
    first: own[0]?.position,
    last: own.at(-1)?.position,
  }));
  const elsewhere = await reader.query<LogRow>(
    `select ${ROW_COLUMNS}
     from (select unnest($1::text[]) as subject) as wanted
     cross join lateral (select * from cards.events e where e.subject = wanted.subject offset 0) e
     where not exists (
       select from unnest($2::smallint[], $3::bigint[], $4::bigint[]) as page(partition, first, last)
       where page.partition = e.partition and e.position between page.first and page.last)`,
    [
      subjects,
      ends.map(({ partition }) => partition),
      ends.map(({ first }) => first),
      ends.map(({ last }) => last),
    ],
  );
  const wanted = new Set(subjects);
  const all = [
    ...events.filter(({ subject }) => wanted.has(subject)),
    ...elsewhere.flatMap((row) => placedEventOf(row) ?? []),
  ];
  if (elsewhere.length > 0) all.sort(inOrderOfTheLog);
  return Map.groupBy(all, ({ subject }) => subject);
}

function inOrderOfTheLog(a: PlacedCardEvent, b: PlacedCardEvent): number {
  return a.partition === b.partition ? a.position - b.position : a.partition - b.partition;
}

/** The events of a subject by tenant: two tenants may call their cards the same. */
function tenantsOf(timelines: Timelines, subject: string): CardEvent[][] {
  return [...Map.groupBy(timelines.get(subject) ?? [], ({ tenant }) => tenant).values()];
}

function uuidIn(subject: string): string {
  return uuidOf(subject as Id<'ctx'>);
}

function idIn(key: Key): string {
  return idOf('ctx', key['id'] ?? '');
}
