/**
 * Proves the cards: each decision, capture, reversal and top-up has the entry that it promises; what the log tells of cards,
 * card transactions, holds, merchant rules and notifications stands in the tables, and the other way round, each row and
 * each entry and hold of a card has its event, and what waits to be given back is held. Balances and sums are proved with those
 * of all accounts.
 *
 * A row and its events are of one commit, so each page is one snapshot.
 */
import { idOf } from '#kernel/ids.ts';
import { placeBehind } from '#platform/postgres/place-behind.ts';
import type { Reader } from '#platform/postgres/read-pool.ts';
import {
  listCards,
  listCardTransactionRefs,
  listOpenHoldRefs,
  listRulesVersions,
} from '#services/cards/contract.ts';
import { listCardEntries, listCardHolds, type WalkedRows } from '#services/ledger/contract.ts';
import type { CardEventPlace } from '#services/notification/contract.ts';
import { type CardEvent, entryUuidsOf, expectedCardHold, isDecision } from './card-events.ts';
import { compareEvents, pageOf, readTimelines } from './compare-card-events.ts';
import type { Lane } from './lane.ts';
import { readNext } from './log-rows.ts';
import { extraOf, type Findings, joined, pages, pagesOfLog, reportTo } from './paged-findings.ts';
import type { Phase } from './progress.ts';
import type { Check } from './report.ts';
import { RulesTold, type RulesVersion, rulesRef } from './rules-told.ts';
import { listExtraCardNotifications } from './verify-card-notifications.ts';

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
  const rulesTold = new RulesTold();
  const events = pagesOfLog(lane, partitions, async (reader, place) => {
    const rows = await readNext(reader, 'cards', { ...place, limit: PAGE });
    rulesTold.passed(place.partition, rows);
    const next = placeBehind(rows, PAGE)?.position;
    return { findings: joined(await compareEvents(reader, pageOf(rows))), passed: rows.length, next };
  });
  for await (const page of events) {
    phase.advance(page.passed);
    reportTo(check, page.findings);
  }
  for (const read of [...BACKWARDS, rulesBackwards(rulesTold)])
    for await (const { findings } of read(lane)) reportTo(check, findings);
}

/** The pages of a table, each with what is extra in it. */
type Backwards = (lane: Lane) => AsyncGenerator<{ readonly findings: Findings }>;

/** From the tables to the log: what no event tells of. */
const BACKWARDS: readonly Backwards[] = [
  backwards(listCardTransactionRefs, 'card_transaction', {
    subjectOf: ({ uuid }) => idOf('ctx', uuid),
    isTold: ({ tenant }, events) => events.some((event) => isDecision(event) && event.tenant === tenant),
    nameOf: ({ uuid }) => idOf('ctx', uuid),
  }),
  // Who waits for nothing is looked at for ever, before those that are to be given back.
  backwards(listOpenHoldRefs, 'open_hold', {
    subjectOf: ({ uuid }) => idOf('ctx', uuid),
    isTold: ({ tenant, uuid }, events) => {
      const own = events.filter((event) => event.tenant === tenant);
      return expectedCardHold(uuid, own)?.['state'] === 'open';
    },
    nameOf: ({ uuid }) => idOf('ctx', uuid),
  }),
  backwards(listCards, 'card', {
    subjectOf: ({ account }) => account,
    isTold: ({ tenant }, events) =>
      events.some((event) => event.type === 'card.created' && event.tenant === tenant),
    nameOf: ({ tenant, account }) => `${tenant}/${account}`,
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
  notificationsBackwards,
];

function notificationsBackwards(lane: Lane) {
  return pages(lane, async (reader, after: CardEventPlace | undefined) => {
    const { rows, extra } = await listExtraCardNotifications(reader, after, PAGE);
    return { findings: extraOf('card_notification', extra), next: placeBehind(rows, PAGE) };
  });
}

function rulesBackwards(told: RulesTold): Backwards {
  return (lane) =>
    pages(lane, async (reader, after: RulesVersion | undefined) => {
      const rows = await listRulesVersions(reader, after, PAGE);
      const extra = await told.untold(reader, rows);
      return { findings: extraOf('rules', extra.map(rulesRef)), next: placeBehind(rows, PAGE) };
    });
}

interface Telling<Row> {
  readonly subjectOf: (row: Row) => string;
  readonly isTold: (row: Row, events: readonly CardEvent[]) => boolean;
  readonly nameOf: (row: Row) => string;
}

function backwards<Row>(
  list: (reader: Reader, after: Row | undefined, limit: number) => Promise<readonly Row[]>,
  noun: string,
  { subjectOf, isTold, nameOf }: Telling<Row>,
): Backwards {
  return (lane) =>
    pages(lane, async (reader, after: Row | undefined) => {
      const rows = await list(reader, after, PAGE);
      const timelines = await readTimelines(reader, [...new Set(rows.map(subjectOf))]);
      const extra = rows.filter((row) => !isTold(row, timelines.get(subjectOf(row)) ?? []));
      return { findings: extraOf(noun, extra.map(nameOf)), next: placeBehind(rows, PAGE) };
    });
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
): Backwards {
  const subjectsOf = ({ cause }: { readonly cause: string }) => causes.map((prefix) => idOf(prefix, cause));
  return (lane) =>
    pages(lane, async (reader, after: string | undefined) => {
      const { rows, last } = await list(reader, after ?? null, WALK);
      const timelines = await readTimelines(reader, rows.flatMap(subjectsOf));
      const eventsOf = (row: { readonly cause: string }) =>
        subjectsOf(row).flatMap((subject) => timelines.get(subject) ?? []);
      const extra = rows.filter((row) => !isTold(row.uuid, eventsOf(row)));
      return {
        findings: extraOf(
          noun,
          extra.map(({ uuid }) => nameOf(uuid)),
        ),
        next: last,
      };
    });
}
