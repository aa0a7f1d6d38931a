/**
 * Proves the cards: each decision, capture, reversal and top-up has the entry that it promises; what the log tells of cards,
 * card transactions, holds and merchant rules stands in the tables, and the other way round, each row and each entry and
 * hold of a card has its event. Balances and sums are proved with those of all accounts.
 *
 * A row and its events are of one commit, so each page is one snapshot.
 */
import { type Id, idOf, isId, uuidOf } from '#kernel/ids.ts';
import type { Differences, ExpectedRow } from '#platform/postgres/differences.ts';
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
  type CardRows,
  differingCardHolds,
  listCardEntries,
  listCardHolds,
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
import { type CardFault, judgeCardTransaction, judgeTopUp } from './judge-card-transaction.ts';
import type { Lane } from './lane.ts';
import type { Phase } from './progress.ts';
import { type Check, differenceFinding, type Finding } from './report.ts';
import { RulesTold, type RulesVersion, rulesRef } from './rules-told.ts';

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
  const report = (findings: Findings): void => {
    check.looked(findings.looked);
    for (const finding of findings.listed) check.found(finding);
    check.foundMore(findings.unlisted);
  };
  const rulesTold = new RulesTold();
  for (let partition = 0; partition < partitions; partition++) {
    for await (const page of pages(lane, (reader, after: bigint | undefined) =>
      compareEvents(reader, { partition, after: after ?? 0n, rulesTold }),
    )) {
      phase.advance(page.passed);
      report(page.findings);
    }
  }
  const backwards: readonly Backwards[] = [...BACKWARDS, rulesBackwards(rulesTold)];
  for (const read of backwards) for await (const page of pages(lane, read)) report(page.findings);
}

type Backwards = (reader: Reader, after: unknown) => Promise<Page<unknown>>;

interface Findings {
  readonly looked: number;
  readonly listed: readonly Finding[];
  readonly unlisted: number;
}

interface Page<Cursor> {
  readonly findings: Findings;
  readonly passed: number;
  /** Undefined at the end. */
  readonly next: Cursor | undefined;
}

async function* pages<Cursor>(
  lane: Lane,
  read: (reader: Reader, after: Cursor | undefined) => Promise<Page<Cursor>>,
): AsyncGenerator<Page<Cursor>> {
  for (let after: Cursor | undefined; ; ) {
    const cursor = after;
    const page = await lane.snapshot((reader) => read(reader, cursor));
    yield page;
    after = page.next;
    if (after === undefined) return;
  }
}

/** What the events of a page began, with all that came of it, against the tables. */
async function compareEvents(
  reader: Reader,
  {
    partition,
    after,
    rulesTold,
  }: { readonly partition: number; readonly after: bigint; readonly rulesTold: RulesTold },
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
  rulesTold.passed(partition, rows);
  return {
    findings: joined([{ looked: 0, listed: unreadable, unlisted: 0 }, ...compared]),
    passed: rows.length,
    next: rows.length < PAGE ? undefined : rows.at(-1)?.position,
  };
}

async function compareDecided(reader: Reader, events: readonly CardEvent[]): Promise<Findings[]> {
  const subjectsOf = (concerns: (event: CardEvent) => boolean): string[] => [
    ...new Set(events.filter(concerns).map(({ subject }) => subject)),
  ];
  const asked = subjectsOf(({ subject }) => isId('ctx', subject));
  const topUps = subjectsOf(({ type }) => type === 'card.topped_up');
  const accounts = subjectsOf(({ type }) => type === 'card.created');
  const timelines = await readTimelines(reader, [...asked, ...topUps, ...accounts]);
  const decided = new Set(subjectsOf(isDecision));
  const subjects = asked.filter((subject) => decided.has(subject));
  // With the page that decides it; what nothing decides is wrong wherever it stands.
  const judged = asked.filter((subject) => decided.has(subject) || !timelines.get(subject)?.some(isDecision));
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
    faultsOf(timelines, judged, (subject, own) => judgeCardTransaction(uuidIn(subject), own)),
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

function found(
  noun: string,
  expected: readonly ExpectedRow[],
  { listed, total }: Differences,
  nameOf: (key: Key) => string,
): Findings {
  return {
    looked: expected.length,
    listed: listed.map((difference) => ({
      ...differenceFinding(noun, nameOf(difference.key), difference),
      tenant: difference.key['tenant'],
    })),
    unlisted: total - listed.length,
  };
}

function joined(findings: readonly Findings[]): Findings {
  return {
    looked: findings.reduce((sum, { looked }) => sum + looked, 0),
    listed: findings.flatMap(({ listed }) => listed),
    unlisted: findings.reduce((sum, { unlisted }) => sum + unlisted, 0),
  };
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
] as const satisfies readonly Backwards[];

function rulesBackwards(told: RulesTold): Backwards {
  return async (reader, after) => {
    const rows = await listRulesVersions(reader, after as RulesVersion | undefined, PAGE);
    const extra = await told.untold(reader, rows);
    return {
      findings: extraOf('rules', extra.map(rulesRef)),
      passed: rows.length,
      next: rows.length < PAGE ? undefined : rows.at(-1),
    };
  };
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
  list: (reader: Reader, after: string | null, limit: number) => Promise<CardRows>,
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

function extraOf(noun: string, names: readonly string[]): Findings {
  const listed = names.map((name) => differenceFinding(noun, name, { key: {}, kind: 'extra', detail: '' }));
  return { looked: 0, listed, unlisted: 0 };
}

type Timelines = ReadonlyMap<string, readonly CardEvent[]>;

/** In the order of the log; by its index on the events' subject. */
async function readTimelines(reader: Reader, subjects: readonly string[]): Promise<Timelines> {
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
function tenantsOf(timelines: Timelines, subject: string): CardEvent[][] {
  return [...Map.groupBy(timelines.get(subject) ?? [], ({ tenant }) => tenant).values()];
}

function uuidIn(subject: string): string {
  return uuidOf(subject as Id<'ctx'>);
}

function idIn(key: Key): string {
  return idOf('ctx', key['id'] ?? '');
}
