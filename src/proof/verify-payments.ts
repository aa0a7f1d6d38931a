/**
 * Proves every payment and every refund: its saga is judged again from its events, and everything the services keep of
 * it is compared with them.
 *
 * P1: a page is of one snapshot. Effects, events and positions are committed together, so in it nothing is ahead.
 * P2: a stage of ours is missing only if its group has passed the event that made it due; until then the payment runs. An
 *     event that is a dead letter of the group, or parked behind one, is not passed by it: its payment is counted as parked.
 *     What waits for the outside world is never missing.
 * P3: what a person has had its group pass over for good is missing too, and is reported by the dead letter that it was.
 */
import type { Reader } from '#platform/postgres/read-pool.ts';
import { differingVerdicts } from '#services/integrity/contract.ts';
import { type AuditedNotification, listAuditedNotifications } from '#services/notification/contract.ts';
import { type AuditedAttempt, listAttempts } from '#services/providers/contract.ts';
import { AbandonedEvents } from './abandoned-events.ts';
import {
  compareEntries,
  compareHolds,
  comparePayments,
  compareReferences,
  compareRefunds,
  compareSagas,
  compareVerdicts,
  type JudgedSaga,
  type NamedDifferences,
  verdictDifferences,
} from './compare-payments.ts';
import { expectedNotifications, kindOf } from './expected-rows.ts';
import { judgeAttempts, strayAttempts } from './judge-attempts.ts';
import { judgeNotifications } from './judge-notifications.ts';
import { judgeSaga, type OwedAnswer } from './judge-saga.ts';
import { inAllLanes, type Lane } from './lane.ts';
import { PageSize } from './page-size.ts';
import {
  FIRST_RANGE,
  type IdRange,
  isLast,
  lastSuffix,
  nextRange,
  Positions,
  readManualEntries,
  readTimelines,
  type SagaTimeline,
  STRAY_SUBJECTS,
  type SubjectRange,
  subjectsOf,
} from './payment-pages.ts';
import type { Phase } from './progress.ts';
import { RefundBook, verifyRefunds } from './refund-book.ts';
import { type Checks, differenceFinding } from './report.ts';
import { sagaMapFor } from './saga-map.ts';
import { verifyReconciliations, waitsForPerson } from './verify-reconciliations.ts';

/** Larger pages outlive the collector's nursery, and cost more than they save. */
const PAGE = { first: 1_000, least: 100, most: 2_000 };

/** A page of payments and refunds as read: events, and what of the tables differs from them. */
interface Page {
  readonly positions: Positions;
  readonly abandoned: AbandonedEvents;
  readonly sagas: readonly JudgedSaga[];
  readonly differences: readonly NamedDifferences[];
  readonly told: readonly AuditedNotification[];
  readonly attempts: readonly AuditedAttempt[];
}

export interface PaymentsProof {
  readonly checks: Checks;
  readonly phase: Phase;
}

export interface PaymentCounts {
  readonly payments: number;
  readonly refunds: number;
  /** Of both, those under way: not judged yet. */
  readonly running: number;
  /** Of those, the ones that wait behind a dead letter. */
  readonly parked: number;
}

/** All payments and refunds there are at the start, and some that come meanwhile. */
export async function verifyPayments(lanes: readonly Lane[], proof: PaymentsProof): Promise<PaymentCounts> {
  const walk = new PaymentWalk(lanes, proof);
  await walk.run();
  return walk.counts;
}

/** The payments and refunds of one range, and what the tables have in it, as they are now. */
export function verifyRange(lane: Lane, range: IdRange, proof: PaymentsProof): Promise<void> {
  return new PaymentWalk([lane], proof).judgeRange(lane, range);
}

class PaymentWalk {
  readonly #lanes: readonly Lane[];
  readonly #checks: Checks;
  readonly #phase: Phase;
  readonly #pageSize: PageSize;
  readonly #book = new RefundBook();
  /** Payments that wait for a person. */
  readonly #waiting: SagaTimeline['subject'][] = [];
  #payments = 0;
  #refunds = 0;
  #running = 0;
  #parked = 0;
  /** The range given out last; undefined when there are no more. */
  #given: Promise<IdRange | undefined> = Promise.resolve(FIRST_RANGE);
  #lastSuffix = '';

  constructor(lanes: readonly Lane[], { checks, phase }: PaymentsProof) {
    this.#lanes = lanes;
    this.#pageSize = new PageSize(PAGE, lanes[0]?.pace.pageMs);
    this.#checks = checks;
    this.#phase = phase;
  }

  /** Of one range alone, as it is now. */
  async judgeRange(lane: Lane, range: IdRange): Promise<void> {
    this.#judge(await lane.snapshot((reader) => readPage(reader, range)));
    await verifyRefunds(lane, this.#book, this.#checks.refunds);
    await verifyReconciliations(lane, this.#waiting, this.#checks.payments);
  }

  get counts(): PaymentCounts {
    return {
      payments: this.#payments,
      refunds: this.#refunds,
      running: this.#running,
      parked: this.#parked,
    };
  }

  async run(): Promise<void> {
    const lane = this.#lanes[0] as Lane;
    this.#lastSuffix = await lastSuffix(lane);
    await inAllLanes(this.#lanes, (each) => this.#walk(each));
    for (const range of STRAY_SUBJECTS) await this.#findStrays(lane, range);
    await verifyRefunds(lane, this.#book, this.#checks.refunds);
    await verifyReconciliations(lane, this.#waiting, this.#checks.payments);
  }

  async #walk(lane: Lane): Promise<void> {
    for (let range = await this.#takeRange(lane); range !== undefined; range = await this.#takeRange(lane)) {
      const stretch = range;
      const startedAt = performance.now();
      const page = await lane.snapshot((reader) => readPage(reader, stretch));
      this.#pageSize.took(performance.now() - startedAt);
      this.#judge(page);
      this.#phase.advance(page.sagas.filter(isPayment).length);
    }
  }

  /** Each range begins where the one before it ends. One more after the last payment: what follows it may be forged. */
  #takeRange(lane: Lane): Promise<IdRange | undefined> {
    this.#given = this.#given.then((range) =>
      range === undefined || isLast(range) || range.after > this.#lastSuffix
        ? undefined
        : nextRange(lane, range, this.#pageSize.rows),
    );
    return this.#given;
  }

  #judge(page: Page): void {
    const { sagas, differences, told } = page;
    const payments = sagas.filter(isPayment).length;
    this.#payments += payments;
    this.#refunds += sagas.length - payments;
    for (const saga of sagas) this.#judgeSaga(saga, page);
    for (const { timeline } of sagas) {
      this.#book.enter(timeline);
      if (waitsForPerson(timeline)) this.#waiting.push(timeline.subject);
    }
    for (const difference of differences) this.#report(difference);
    const expected = sagas.flatMap(({ timeline }) => expectedNotifications(timeline));
    judgeNotifications({ expected, told }, this.#checks.notifications);
    this.#judgeAttempts(page);
  }

  #judgeAttempts({ sagas, attempts }: Page): void {
    const bySubject = Map.groupBy(attempts, ({ subject }) => subject);
    for (const { timeline } of sagas) {
      const own = bySubject.get(timeline.subject) ?? [];
      judgeAttempts({ timeline, attempts: own }, this.#checks.attempts);
    }
    strayAttempts({ timelines: sagas.map(({ timeline }) => timeline), attempts }, this.#checks.attempts);
  }

  #judgeSaga({ timeline, judgement }: JudgedSaga, { positions, abandoned }: Page): void {
    const { subject } = timeline;
    const { faults, line, owed, ended } = judgement;
    for (const { kind, detail } of faults) this.#checks.sagas.found({ kind, subject, detail });
    const missing = owed.filter((answer) => isMissing(answer, positions));
    for (const answer of missing) {
      const { event, stages } = answer;
      const given = abandoned.of(answer); // P3
      if (given !== undefined) {
        const detail = `a person had ${given.group} pass over ${event.type} at ${event.identity} for good, with the dead letter ${given.deadLetter}`;
        this.#checks.sagas.found({ kind: 'abandoned_stage', subject, detail });
        continue;
      }
      const detail = `${stages.map(({ service }) => service).join(' and ')} passed ${event.type} at ${event.identity}; its stage ${stages.map(({ name }) => name).join(' or ')} left no event`;
      this.#checks.sagas.found({ kind: 'missing_stage', subject, detail });
    }
    if (line.length === 0 || ended || missing.length > 0) return;
    this.#running++; // P2
    if (owed.some((answer) => isParked(answer, positions))) this.#parked++;
  }

  #report({ check, looked, noun, subjectOf, listed, total }: NamedDifferences): void {
    this.#checks[check].looked(looked);
    for (const difference of listed) {
      this.#checks[check].found(differenceFinding(noun, subjectOf(difference), difference));
    }
    this.#checks[check].foundMore(total - listed.length);
  }

  /** What stands outside the ids of payments and refunds. */
  async #findStrays(lane: Lane, range: SubjectRange): Promise<void> {
    const verdicts = await differingVerdicts(lane, range, { expected: [], undecided: [] });
    this.#report(verdictDifferences(verdicts, 0));
    const told = await listAuditedNotifications(lane, range);
    judgeNotifications({ expected: [], told }, this.#checks.notifications);
    strayAttempts({ timelines: [], attempts: await listAttempts(lane, range) }, this.#checks.attempts);
  }
}

function isPayment({ timeline }: JudgedSaga): boolean {
  return kindOf(timeline) === 'pay';
}

/** P2. A counter-entry that was refused is asked for again after a pause: nothing is missing meanwhile. */
function isMissing({ event, stages }: OwedAnswer, positions: Positions): boolean {
  if (event.type === 'posting.refused' && event.data?.['purpose'] === 'reversal') return false;
  return stages.every(({ service }) => positions.hasPassed(service, event));
}

function isParked({ event, stages }: OwedAnswer, positions: Positions): boolean {
  return stages.some(({ service }) => positions.isWaiting(service, event));
}

/** P1 */
async function readPage(reader: Reader, range: IdRange): Promise<Page> {
  const [positions, timelines, manualEntries] = await Promise.all([
    Positions.read(reader),
    readTimelines(reader, range),
    readManualEntries(reader, range),
  ]);
  const sagas = timelines.map((timeline) => ({
    timeline,
    judgement: judgeSaga(sagaMapFor(timeline.subject, timeline.events), timeline.events),
  }));
  const missing = sagas.flatMap(({ judgement }) =>
    judgement.owed.filter((answer) => isMissing(answer, positions)),
  );
  const [abandoned, told, attempts, verdicts, coordinated, ...differences] = await Promise.all([
    AbandonedEvents.read(reader, missing),
    listOfBoth(range, (subjects) => listAuditedNotifications(reader, subjects)),
    listOfBoth(range, (subjects) => listAttempts(reader, subjects)),
    compareVerdicts(reader, range, { sagas, positions }),
    compareSagas(reader, range, sagas),
    comparePayments(reader, sagas, positions),
    compareRefunds(reader, sagas, positions),
    compareReferences(reader, sagas),
    compareHolds(reader, range, sagas),
    compareEntries(reader, range, { sagas, manualEntries }),
  ]);
  return {
    positions,
    abandoned,
    sagas,
    differences: [...differences, ...coordinated, ...verdicts],
    told,
    attempts,
  };
}

/** What is about the payments and the refunds of a range. */
async function listOfBoth<Row>(
  range: IdRange,
  list: (subjects: { readonly after: string; readonly upTo: string }) => Promise<Row[]>,
): Promise<Row[]> {
  const listed = await Promise.all((['pay', 'ref'] as const).map((kind) => list(subjectsOf(range, kind))));
  return listed.flat();
}
