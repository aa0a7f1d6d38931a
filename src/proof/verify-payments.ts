/**
 * Proves every payment and every refund: its saga is judged again from its events, and everything the services keep of
 * it is compared with them.
 *
 * P1: a page is of one snapshot. Effects, events and positions are committed together, so in it nothing is ahead.
 * P2: a stage of ours is missing only if its group has passed the event that made it due; until then the payment runs. An
 *     event that is a dead letter of the group, or parked behind one, is not passed by it: its payment is counted as parked.
 *     What waits for the outside world is never missing; the attempt is that waits for it.
 * P3: what a person has had its group pass over for good is missing too, and is reported by the dead letter that it was.
 * P4: a payment that is plain is accepted by the database (plain-payments.ts). It is asked more there than would be here:
 *     also that everybody has passed all of it. Whatever is not plain, and what stands beside it, is judged here.
 */
import { type PaymentId, uuidOf } from '#kernel/ids.ts';
import type { Range } from '#platform/postgres/ranges.ts';
import { differingVerdicts } from '#services/integrity/contract.ts';
import { listAuditedNotifications } from '#services/notification/contract.ts';
import type { RowRef } from '#services/payments/contract.ts';
import { listAttempts } from '#services/providers/contract.ts';
import type { Ask } from './asked-attempts.ts';
import { type JudgedSaga, type NamedDifferences, verdictDifferences } from './compare-payments.ts';
import { kindOf } from './expected-rows.ts';
import { FIRST_RANGE, type IdRange, isLast, lastSuffix, nextRange, STRAY_SUBJECTS } from './id-ranges.ts';
import { judgeIdentities } from './judge-attempt-identities.ts';
import { judgeWords } from './judge-attempt-words.ts';
import { judgeAttempts, strayAttempts } from './judge-attempts.ts';
import { compareNotifications, judgeNotifications } from './judge-notifications.ts';
import { judgeRetry } from './judge-retries.ts';
import { isMissing, isParked, isPassed, type Page, readPage } from './judged-page.ts';
import { inAllLanes, type Lane } from './lane.ts';
import { PageSize } from './page-size.ts';
import { findPlain, nothingPlain, type PlainPayments } from './plain-payments.ts';
import type { Phase } from './progress.ts';
import { RefundBook, verifyRefunds } from './refund-book.ts';
import { type Checks, differenceFinding } from './report.ts';
import type { SagaTimeline } from './saga-timelines.ts';
import type { ProvedRows } from './verify-payment-rows.ts';
import { verifyReconciliations, waitsForPerson } from './verify-reconciliations.ts';
import { isToBeUndone, verifyUndoRequests } from './verify-undo-requests.ts';

/** A page is looked at in the database as a whole, and here as far as it is not plain. */
const PAGE = { first: 1_000, least: 100, most: 8_000 };
/** Looked at here; larger ones outlive the collector's nursery, and cost more than they save. */
const EXHAUSTIVE_PAGE = { ...PAGE, most: 2_000 };

export interface PaymentsProof {
  readonly checks: Checks;
  readonly phase: Phase;
  /** Every payment is judged here, also the plain ones. Default no. */
  readonly exhaustive?: boolean;
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
export async function verifyPayments(
  lanes: readonly Lane[],
  proof: PaymentsProof,
): Promise<{ counts: PaymentCounts; proved: ProvedRows | undefined }> {
  const walk = new PaymentWalk(lanes, proof);
  await walk.run();
  return { counts: walk.counts, proved: walk.proved };
}

/** The payments and refunds of one range, and what the tables have in it, as they are now. */
export function verifyRange(lane: Lane, range: IdRange, proof: PaymentsProof): Promise<void> {
  return new PaymentWalk([lane], proof).judgeRange(lane, range);
}

class PaymentWalk {
  readonly #lanes: readonly Lane[];
  readonly #checks: Checks;
  readonly #phase: Phase;
  readonly #exhaustive: boolean;
  readonly #pageSize: PageSize;
  readonly #book = new RefundBook();
  /** Payments that wait for a person. */
  readonly #waiting: SagaTimeline['subject'][] = [];
  /** Payments that a person wanted undone as a whole. */
  readonly #undone: RowRef[] = [];
  #payments = 0;
  #refunds = 0;
  #running = 0;
  #parked = 0;
  /** The range given out last; undefined when there are no more. */
  #given: Promise<IdRange | undefined> = Promise.resolve(FIRST_RANGE);
  #lastSuffix = '';
  /** Up to the last suffix. */
  #withRow = 0;

  constructor(lanes: readonly Lane[], { checks, phase, exhaustive = false }: PaymentsProof) {
    this.#lanes = lanes;
    this.#pageSize = new PageSize(exhaustive ? EXHAUSTIVE_PAGE : PAGE, lanes[0]?.pace.pageMs);
    this.#checks = checks;
    this.#phase = phase;
    this.#exhaustive = exhaustive;
  }

  /** Of one range alone, as it is now. */
  async judgeRange(lane: Lane, range: IdRange): Promise<void> {
    const page = await lane.snapshot((reader) => readPage(reader, [range]));
    this.#judge(page);
    await verifyRefunds(lane, this.#book, this.#checks.refunds);
    await verifyReconciliations(lane, this.#waiting, this.#checks.payments);
    const payments = page.sagas.filter(isPayment).flatMap(({ timeline }) => rowRefsOf(timeline));
    await verifyUndoRequests(lane, payments, this.#checks.refunds);
  }

  get counts(): PaymentCounts {
    return {
      payments: this.#payments,
      refunds: this.#refunds,
      running: this.#running,
      parked: this.#parked,
    };
  }

  /** Payments that were asked for at the start. Undefined if there were none. */
  get proved(): ProvedRows | undefined {
    if (this.#lastSuffix === '') return undefined;
    return { payments: this.#withRow, upTo: uuidOf(`pay_${this.#lastSuffix}` as PaymentId) };
  }

  async run(): Promise<void> {
    const lane = this.#lanes[0] as Lane;
    this.#lastSuffix = await lastSuffix(lane);
    await inAllLanes(this.#lanes, (each) => this.#walk(each));
    for (const range of STRAY_SUBJECTS) await this.#findStrays(lane, range);
    await verifyRefunds(lane, this.#book, this.#checks.refunds);
    await verifyReconciliations(lane, this.#waiting, this.#checks.payments);
    await verifyUndoRequests(lane, this.#undone, this.#checks.refunds);
  }

  async #walk(lane: Lane): Promise<void> {
    for (let range = await this.#takeRange(lane); range !== undefined; range = await this.#takeRange(lane)) {
      const stretch = range;
      const isProved = stretch.upTo <= this.#lastSuffix;
      const startedAt = performance.now();
      const plain = this.#exhaustive
        ? nothingPlain(stretch)
        : await lane.snapshot((reader) => findPlain(reader, stretch));
      this.#accept(plain);
      if (isProved) this.#withRow += plain.payments;
      for (const ranges of plain.rest) {
        const page = await lane.snapshot((reader) => readPage(reader, ranges));
        this.#judge(page);
        if (isProved) this.#withRow += page.withRow;
        this.#phase.advance(page.sagas.filter(isPayment).length);
      }
      this.#pageSize.took(performance.now() - startedAt);
    }
  }

  /** P4 */
  #accept({ payments, referenced }: PlainPayments): void {
    this.#payments += payments;
    for (const check of ONE_FOR_EACH) this.#checks[check].looked(payments);
    this.#checks.references.looked(referenced);
    this.#phase.advance(payments);
  }

  /** Each range begins where the one before it ends. One more after the last payment: what follows it may be forged. */
  #takeRange(lane: Lane): Promise<IdRange | undefined> {
    this.#given = this.#given.then((range) =>
      range === undefined || isLast(range) || range.after > this.#lastSuffix
        ? undefined
        : this.#nextRange(lane, range),
    );
    return this.#given;
  }

  /** One of them ends with the last payment there was. */
  async #nextRange(lane: Lane, previous: IdRange): Promise<IdRange> {
    const range = await nextRange(lane, previous, this.#pageSize.rows);
    const isAcross = range.after < this.#lastSuffix && this.#lastSuffix < range.upTo;
    return isAcross ? { after: range.after, upTo: this.#lastSuffix } : range;
  }

  #judge(page: Page): void {
    const { sagas, differences, notifications, edited } = page;
    const payments = sagas.filter(isPayment).length;
    this.#payments += payments;
    this.#refunds += sagas.length - payments;
    for (const saga of sagas) this.#judgeSaga(saga, page);
    for (const { timeline } of sagas) {
      this.#book.enter(timeline);
      if (waitsForPerson(timeline)) this.#waiting.push(timeline.subject);
      if (isToBeUndone(timeline)) this.#undone.push(...rowRefsOf(timeline));
    }
    for (const difference of differences) this.#report(difference);
    judgeNotifications(notifications, this.#checks.notifications, edited);
    this.#judgeAttempts(page);
    const retries = new Map(page.retries.map((retry) => [retry.paymentUuid, retry]));
    for (const { timeline } of sagas.filter(isPayment)) {
      const retry = retries.get(timeline.uuid);
      if (retry !== undefined) judgeRetry(timeline, retry, this.#checks.sagas);
    }
  }

  #judgeAttempts({ sagas, attempts, positions, abandoned }: Page): void {
    const isTakenUp = (ask: Ask): boolean => isPassed(ask, positions) && abandoned.of(ask) === undefined;
    const bySubject = Map.groupBy(attempts, ({ subject }) => subject);
    for (const { timeline } of sagas) {
      const own = bySubject.get(timeline.subject) ?? [];
      judgeAttempts({ timeline, attempts: own, isTakenUp }, this.#checks.attempts);
      judgeIdentities(timeline, own, this.#checks.attempts);
      judgeWords(timeline, own, this.#checks.attempts);
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
  async #findStrays(lane: Lane, range: Range): Promise<void> {
    const verdicts = await differingVerdicts(lane, [range], { expected: [], undecided: [] });
    this.#report(verdictDifferences(verdicts, 0));
    const told = await listAuditedNotifications(lane, [range]);
    judgeNotifications(compareNotifications([], told), this.#checks.notifications);
    strayAttempts({ timelines: [], attempts: await listAttempts(lane, [range]) }, this.#checks.attempts);
  }
}

function isPayment({ timeline }: JudgedSaga): boolean {
  return kindOf(timeline) === 'pay';
}

/** None without events, which say whose it is. */
function rowRefsOf({ uuid, events: [first] }: SagaTimeline): RowRef[] {
  return first === undefined ? [] : [{ tenant: first.tenant, uuid }];
}

/** What a plain payment has one of. */
const ONE_FOR_EACH = ['holds', 'sagas', 'payments', 'verdicts', 'notifications'] as const;
