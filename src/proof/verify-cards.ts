/**
 * Proves the cards: what the log tells of cards, card transactions, holds and merchant rules stands in the tables, and the
 * other way round, each row and each entry and hold of a card has its event. Balances and sums are proved with those of all
 * accounts.
 *
 * A row and its events are of one commit, so each page is one snapshot.
 */
import { type Id, idOf, isId, uuidOf } from '#kernel/ids.ts';
import type { ExpectedRow } from '#platform/postgres/differences.ts';
import type { Reader } from '#platform/postgres/read-pool.ts';
import {
  differingCards,
  differingCardTransactions,
  differingRules,
  listCards,
  listCardTransactionRefs,
  listRulesVersions,
} from '#services/cards/contract.ts';
import {
  differingCardHolds,
  listCardEntries,
  listCardHolds,
  type WalkedRows,
} from '#services/ledger/contract.ts';
import {
  type CardEvent,
  type CardEventRow,
  cardEventOf,
  entryUuidsOf,
  expectedCard,
  expectedCardHold,
  expectedCardTransaction,
  expectedRules,
  isDecision,
} from './card-events.ts';
import type { Lane } from './lane.ts';
import {
  extraOf,
  type Findings,
  found,
  joined,
  type Key,
  type Page,
  pages,
  reportTo,
} from './paged-findings.ts';
import type { Phase } from './progress.ts';
import type { Check, Finding } from './report.ts';

/** Events or rows of one snapshot. */
const PAGE = 1_000;
/** Entries and holds passed at a time, of which a card's are looked at. */
const WALK = 20_000;

interface CardsProof {
  readonly check: Check;
  readonly phase: Phase;
  readonly partitions: number;
}

export async function verifyCards(lane: Lane, { check, phase, partitions }: CardsProof): Promise<void> {
  for (let partition = 0; partition < partitions; partition++) {
    for await (const page of pages(lane, (reader, after: bigint | undefined) =>
      compareEvents(reader, { partition, after: after ?? 0n }),
    )) {
      phase.advance(page.passed);
      reportTo(check, page.findings);
    }
  }
  for (const read of BACKWARDS) for await (const page of pages(lane, read)) reportTo(check, page.findings);
}

/** What the events of a page began, with all that came of it, against the tables. */
async function compareEvents(
  reader: Reader,
  { partition, after }: { readonly partition: number; readonly after: bigint },
): Promise<Page<bigint>> {
  const rows = await reader.query<CardEventRow>(
    `select e.position, e.type, e.subject, e.tenant, e.data, e.occurred_at from cards.events e
     where e.partition = $1 and e.position > $2 order by e.position limit $3`,
    [partition, after, PAGE],
  );
  const events = rows.flatMap((row) => cardEventOf(row) ?? []);
  const unreadable = rows
    .filter((row) => cardEventOf(row) === undefined)
    .map(({ position, type }): Finding => {
      const detail = `the data of ${type} is not what such an event tells`;
      return { kind: 'unreadable_event', subject: `cards/${partition}/${position}`, detail };
    });
  const compared = await compareDecided(reader, events);
  return {
    findings: joined([{ looked: 0, listed: unreadable, unlisted: 0 }, ...compared]),
    passed: rows.length,
    next: rows.length < PAGE ? undefined : rows.at(-1)?.position,
  };
}

async function compareDecided(reader: Reader, events: readonly CardEvent[]): Promise<Findings[]> {
  const subjects = events
    .filter((event) => isDecision(event) && isId('ctx', event.subject))
    .map(({ subject }) => subject);
  const accounts = events.filter(({ type }) => type === 'card.created').map(({ subject }) => subject);
  const timelines = await readTimelines(reader, [...subjects, ...accounts]);
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

/** From the tables to the log: what no event tells of. */
const BACKWARDS = [
  backwards(listCardTransactionRefs, 'card_transaction', {
    subjectOf: ({ uuid }) => idOf('ctx', uuid),
    isTold: ({ tenant }, events) => events.some((event) => isDecision(event) && event.tenant === tenant),
    nameOf: ({ uuid }) => idOf('ctx', uuid),
  }),
  backwards(listCards, 'card', {
    subjectOf: ({ account }) => account,
    isTold: ({ tenant }, events) =>
      events.some((event) => event.type === 'card.created' && event.tenant === tenant),
    nameOf: ({ tenant, account }) => `${tenant}/${account}`,
  }),
  backwards(listRulesVersions, 'rules', {
    subjectOf: () => 'merchant-rules',
    isTold: ({ tenant, version }, events) =>
      events.some((event) => event.tenant === tenant && event.data['version'] === version),
    nameOf: ({ tenant, version }) => `${tenant}/${version}`,
  }),
  walk(listCardEntries, 'entry', {
    isTold: (uuid, events) => entryUuidsOf(events).includes(uuid),
    nameOf: (uuid) => idOf('jen', uuid),
    causes: ['ctx', 'ctu'],
  }),
  walk(listCardHolds, 'hold', {
    isTold: (uuid, events) => expectedCardHold(uuid, events) !== undefined,
    nameOf: (uuid) => idOf('ctx', uuid),
    causes: ['ctx'],
  }),
] as readonly ((reader: Reader, after: unknown) => Promise<Page<unknown>>)[];

interface Telling<Row> {
  readonly subjectOf: (row: Row) => string;
  readonly isTold: (row: Row, events: readonly CardEvent[]) => boolean;
  readonly nameOf: (row: Row) => string;
}

function backwards<Row>(
  list: (reader: Reader, after: Row | undefined, limit: number) => Promise<readonly Row[]>,
  noun: string,
  { subjectOf, isTold, nameOf }: Telling<Row>,
) {
  return async (reader: Reader, after: unknown): Promise<Page<unknown>> => {
    const rows = await list(reader, after as Row | undefined, PAGE);
    const timelines = await readTimelines(reader, [...new Set(rows.map(subjectOf))]);
    const extra = rows.filter((row) => !isTold(row, timelines.get(subjectOf(row)) ?? []));
    return {
      findings: extraOf(noun, extra.map(nameOf)),
      passed: rows.length,
      next: rows.length < PAGE ? undefined : rows.at(-1),
    };
  };
}

function walk(
  list: (reader: Reader, after: string | null, limit: number) => Promise<WalkedRows>,
  noun: string,
  {
    isTold,
    nameOf,
    causes,
  }: {
    readonly isTold: (uuid: string, events: readonly CardEvent[]) => boolean;
    readonly nameOf: (uuid: string) => string;
    readonly causes: readonly ('ctx' | 'ctu')[];
  },
) {
  return async (reader: Reader, after: unknown): Promise<Page<unknown>> => {
    const { rows, last } = await list(reader, (after as string | undefined) ?? null, WALK);
    const subjectsOf = ({ cause }: { readonly cause: string }) => causes.map((prefix) => idOf(prefix, cause));
    const timelines = await readTimelines(reader, rows.flatMap(subjectsOf));
    const extra = rows.filter(
      (row) =>
        !isTold(
          row.uuid,
          subjectsOf(row).flatMap((subject) => timelines.get(subject) ?? []),
        ),
    );
    return {
      findings: extraOf(
        noun,
        extra.map(({ uuid }) => nameOf(uuid)),
      ),
      passed: rows.length,
      next: last,
    };
  };
}

/** In the order of the log; by its index on the events' subject. */
async function readTimelines(
  reader: Reader,
  subjects: readonly string[],
): Promise<ReadonlyMap<string, readonly CardEvent[]>> {
  const timelines = new Map<string, CardEvent[]>();
  if (subjects.length === 0) return timelines;
  const rows = await reader.query<CardEventRow>(
    `select e.position, e.type, e.subject, e.tenant, e.data, e.occurred_at
     from (select unnest($1::text[]) as subject) as wanted
     cross join lateral (select * from cards.events e where e.subject = wanted.subject offset 0) e
     order by e.partition, e.position`,
    [subjects],
  );
  for (const event of rows.flatMap((row) => cardEventOf(row) ?? [])) {
    const known = timelines.get(event.subject);
    if (known === undefined) timelines.set(event.subject, [event]);
    else known.push(event);
  }
  return timelines;
}

/** The events of a subject by tenant: two tenants may call their cards the same. */
function tenantsOf(timelines: ReadonlyMap<string, readonly CardEvent[]>, subject: string): CardEvent[][] {
  return [...Map.groupBy(timelines.get(subject) ?? [], ({ tenant }) => tenant).values()];
}

function uuidIn(subject: string): string {
  return uuidOf(subject as Id<'ctx'>);
}

function idIn(key: Key): string {
  return idOf('ctx', key['id'] ?? '');
}
