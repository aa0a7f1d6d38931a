/**
 * Looks at the sagas under way for stages that will not answer any more, because their group has passed the event and
 * left nothing (P5). A group that is behind, for whatever reason and however long, is no finding.
 *
 * SS1: positions are read before the logs: a position and what follows from it are of one commit, so an answer that the
 *      group gave is there.
 * SS2: what looks missing is looked at again later, and is a finding only if it is missing still.
 * SS3: what a person has had its group pass over for good is a finding of its own, which nothing repairs.
 * SS4: a turn looks at one page, and rests long enough to take a few percent of a connection.
 */
import type { Clock } from '#kernel/clock.ts';
import {
  type AbandonedEvent,
  findAbandonedEvents,
  findOrderedEvents,
  findWaitingEvents,
  type GroupedEvent,
  type WaitingEvent,
} from '#platform/dead-letters/redelivery.ts';
import { eventIdentity, type LogEvent } from '#platform/log/event.ts';
import { type Session, statement } from '#platform/postgres/session.ts';
import type { Sighting, StoredFinding } from './finding.ts';
import type { FindingDesk } from './finding-desk.ts';
import { FINDING_COLUMNS, type FindingRow, storedFinding } from './finding-store.ts';
import { stagesOwing } from './saga-tree.ts';
import { type SeenEvent, sagaOf } from './seen-event.ts';
import { settleGone } from './settle-finding.ts';
import { readSagaEvents } from './store.ts';
import {
  describeUnanswered,
  isPassed,
  ordersFor,
  type PositionOf,
  type Unanswered,
  unansweredIn,
} from './unanswered-stages.ts';

const PAGE = 500;
/** Of a page, sagas whose events are read again: the others come with the next round. */
const DOUBTED_MAX = 100;
/** SS2 */
const CONFIRMED_AFTER_MS = 1500;
/** Remembered for SS2; what is beyond is remembered a round later. */
const SUSPECTED_MAX = 10_000;
/** Findings about stages that are looked at again in a turn. */
const RECHECKED_MAX = 100;

/** The next ones by primary key, without those that were stored just now: what is said next may be on its way. */
export const LIST_FOLLOWED = statement(
  'integrity.list_followed',
  `select f.subject, f.events from integrity.followed f where f.subject > $1 order by f.subject limit ${PAGE}`,
);

/** All there are: some hundred rows. */
export const READ_POSITIONS = statement(
  'integrity.read_positions',
  'select consumer_group, topic, partition, position from log.positions',
);

/** Those that nobody repairs, and that may have gone away. By the index on live findings. */
export const LIST_STAGE_FINDINGS = statement(
  'integrity.list_stage_findings',
  `select ${FINDING_COLUMNS} from integrity.findings f
   where f.closed_at is null and f.source = 'stages' and f.next_attempt_at is null and f.subject > $1
   order by f.subject limit ${RECHECKED_MAX}`,
);

/** Of what is missing: behind a dead letter, or given up by a person. */
interface Standing {
  readonly waiting: readonly WaitingEvent[];
  readonly abandoned: readonly AbandonedEvent[];
}

interface Suspect {
  readonly subject: string;
  readonly unanswered: Unanswered;
}

export class StageSweeper {
  readonly #session: Session;
  readonly #desk: FindingDesk;
  readonly #clock: Clock;
  #after = '';
  #recheckedAfter = '';
  /** SS2: what was missing, and since when by the clock. */
  readonly #suspected = new Map<string, number>();

  constructor(options: { session: Session; desk: FindingDesk; clock: Clock }) {
    this.#session = options.session;
    this.#desk = options.desk;
    this.#clock = options.clock;
  }

  /** One page; whether it was the last one of the round. */
  async sweep(): Promise<boolean> {
    const rows = await this.#session.query<{ subject: string; events: string }>(LIST_FOLLOWED, [this.#after]);
    const doubted = rows.filter((row) => mayOwe(row.subject, JSON.parse(row.events) as SeenEvent[]));
    const page = doubted.slice(0, DOUBTED_MAX);
    await this.#report(await this.#findMissing(page.map(({ subject }) => subject)));
    const isLast = rows.length < PAGE && doubted.length <= DOUBTED_MAX;
    this.#after = isLast ? '' : ((doubted.length > DOUBTED_MAX ? page : rows).at(-1)?.subject ?? '');
    await this.#recheck();
    return isLast;
  }

  /** What the groups have passed without an answer, as it is now. SS1 */
  async missingOf(subject: string): Promise<readonly Unanswered[]> {
    return (await this.#findMissing([subject])).map(({ unanswered }) => unanswered);
  }

  /** Of them, those that wait behind a dead letter. */
  waitingOf(missing: readonly Unanswered[]): Promise<WaitingEvent[]> {
    return findWaitingEvents(this.#session, missing.flatMap(ordersFor));
  }

  /** Those that are ordered to be delivered again and have still to be. */
  orderedOf(events: readonly GroupedEvent[]): Promise<GroupedEvent[]> {
    return findOrderedEvents(this.#session, events);
  }

  /** Of them, those that a person has had their group pass over for good. SS3 */
  abandonedOf(missing: readonly Unanswered[]): Promise<AbandonedEvent[]> {
    return findAbandonedEvents(this.#session, missing.flatMap(ordersFor));
  }

  async #standingOf(missing: readonly Suspect[]): Promise<Standing> {
    const unanswered = missing.map((suspect) => suspect.unanswered);
    const [waiting, abandoned] = await Promise.all([
      this.waitingOf(unanswered),
      this.abandonedOf(unanswered),
    ]);
    return { waiting, abandoned };
  }

  async #findMissing(subjects: readonly string[]): Promise<Suspect[]> {
    if (subjects.length === 0) return [];
    const positionOf = await this.#readPositions();
    const bySubject = await readSagaEvents(this.#session, subjects);
    const now = this.#clock.now();
    return [...bySubject].flatMap(([subject, events]) =>
      unansweredIn(subject, events, now)
        .filter((unanswered) => isPassed(unanswered, positionOf))
        .map((unanswered) => ({ subject, unanswered })),
    );
  }

  async #readPositions(): Promise<PositionOf> {
    const rows = await this.#session.query<PositionRow>(READ_POSITIONS, []);
    const positions = new Map(rows.map((row) => [placeOf(row.consumer_group, row), Number(row.position)]));
    return (place) => positions.get(placeOf(place.group, place)) ?? 0;
  }

  async #report(missing: readonly Suspect[]): Promise<void> {
    const confirmed = missing.filter((suspect) => this.#isConfirmed(suspect.unanswered));
    this.#forgetOld();
    if (confirmed.length === 0) return;
    const standing = await this.#standingOf(confirmed);
    await this.#desk.open(confirmed.map((suspect) => sightingOf(suspect, standing)));
  }

  /** SS2 */
  #isConfirmed({ event }: Unanswered): boolean {
    const identity = eventIdentity(event);
    const now = this.#clock.now();
    const since = this.#suspected.get(identity);
    if (since !== undefined) return now - since >= CONFIRMED_AFTER_MS;
    if (this.#suspected.size < SUSPECTED_MAX) this.#suspected.set(identity, now);
    return false;
  }

  /** What was answered after all is met no more. */
  #forgetOld(): void {
    const before = this.#clock.now() - SUSPECTED_FOR_MS;
    for (const [identity, since] of this.#suspected) if (since < before) this.#suspected.delete(identity);
  }

  /** Findings about stages that have answered meanwhile, or whose dead letter is out of the way. */
  async #recheck(): Promise<void> {
    const rows = await this.#session.query<FindingRow>(LIST_STAGE_FINDINGS, [this.#recheckedAfter]);
    this.#recheckedAfter = rows.length < RECHECKED_MAX ? '' : (rows.at(-1)?.subject ?? '');
    const findings = rows.map(storedFinding);
    if (findings.length === 0) return;
    const missing = await this.#findMissing([...new Set(findings.map(({ subject }) => subject))]);
    const standing = await this.#standingOf(missing);
    await Promise.all(
      findings
        .filter((each) => isGone(each, missing, standing))
        .map((finding) =>
          this.#desk.settle(finding, (now, at) => settleGone(now, 'The stage has gone on.', at)),
        ),
    );
  }
}

/** Longer than a round takes while there is much to look at. */
const SUSPECTED_FOR_MS = 600_000;

interface PositionRow {
  consumer_group: string;
  topic: string;
  partition: number;
  position: bigint;
}

function placeOf(
  group: string,
  { topic, partition }: { readonly topic: string; readonly partition: number },
): string {
  return `${group} ${topic}/${partition}`;
}

/** From what is kept of the saga alone; most wait for the outside, and owe nothing. */
function mayOwe(subject: string, seen: readonly SeenEvent[]): boolean {
  const saga = sagaOf(subject, seen);
  if (saga === undefined) return false;
  const answered = new Set(seen.map(({ causation }) => causation));
  return seen.some((event) => !answered.has(event.identity) && stagesOwing(saga, event).length > 0);
}

function sightingOf({ subject, unanswered }: Suspect, { waiting, abandoned }: Standing): Sighting {
  const { event } = unanswered;
  const behind = ofStages(unanswered, waiting);
  const given = ofStages(unanswered, abandoned);
  const about = {
    tenant: event.tenant,
    subject,
    key: event.key,
    evidence: [eventIdentity(event)],
    source: 'stages' as const,
  };
  if (behind !== undefined) {
    const letter = behind.deadLetter ?? 'one that is being worked off';
    const detail = `${behind.group} has ${event.type} at ${eventIdentity(event)} wait behind the dead letter ${letter}.`;
    return { ...about, kind: 'parked_stage', detail };
  }
  // SS3
  if (given !== undefined) {
    const detail = `A person had ${given.group} pass over ${event.type} at ${eventIdentity(event)} for good, with the dead letter ${given.deadLetter}.`;
    return { ...about, kind: 'abandoned_stage', detail };
  }
  return { ...about, kind: 'missing_stage', detail: describeUnanswered(unanswered) };
}

function ofStages<Place extends GroupedEvent>(
  { event, stages }: Unanswered,
  places: readonly Place[],
): Place | undefined {
  return places.find((place) => isAt(place, event) && stages.some(({ group }) => group === place.group));
}

function isAt(place: GroupedEvent, { topic, partition, position }: LogEvent): boolean {
  return place.topic === topic && place.partition === partition && place.position === position;
}

function isGone(
  { subject, kind }: StoredFinding,
  missing: readonly Suspect[],
  { waiting, abandoned }: Standing,
): boolean {
  const own = missing.filter((suspect) => suspect.subject === subject);
  const places = kind === 'parked_stage' ? waiting : abandoned;
  if (kind === 'missing_stage') return own.length === 0;
  return !own.some(({ unanswered }) => ofStages(unanswered, places) !== undefined);
}
