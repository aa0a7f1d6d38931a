/**
 * Proves every payment: its saga is judged again from its events, and everything the services keep of it is compared
 * with them.
 *
 * P1: a page is of one snapshot. Effects, events and positions are committed together, so in it nothing is ahead.
 * P2: a stage is missing only if its group has passed the event that made it due; until then the payment runs.
 */
import type { Reader } from '#platform/postgres/read-pool.ts';
import { balancePayment } from '#sagas/balance-payment.ts';
import { differingVerdicts } from '#services/integrity/contract.ts';
import { type AuditedNotification, listAuditedNotifications } from '#services/notification/contract.ts';
import {
  compareEntries,
  compareHolds,
  comparePayments,
  compareReferences,
  compareSagas,
  compareVerdicts,
  type JudgedPayment,
  type NamedDifferences,
  verdictDifferences,
} from './compare-payments.ts';
import { expectedNotifications } from './expected-rows.ts';
import { judgeNotifications } from './judge-notifications.ts';
import { judgeSaga, SagaMap } from './judge-saga.ts';
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
  STRAY_SUBJECTS,
  type SubjectRange,
  subjectsOf,
} from './payment-pages.ts';
import type { Phase } from './progress.ts';
import { type Checks, differenceFinding } from './report.ts';

/** Larger pages outlive the collector's nursery, and cost more than they save. */
const PAGE = { first: 1_000, least: 100, most: 2_000 };
const SAGA = new SagaMap(balancePayment);

/** A page of payments as read: events, and what of the tables differs from them. */
interface Page {
  readonly positions: Positions;
  readonly payments: readonly JudgedPayment[];
  readonly differences: readonly NamedDifferences[];
  readonly told: readonly AuditedNotification[];
}

export interface PaymentsProof {
  readonly checks: Checks;
  readonly phase: Phase;
}

export interface PaymentCounts {
  readonly payments: number;
  /** Under way: not judged yet. */
  readonly running: number;
}

/** All payments there are at the start, and some that come meanwhile. */
export async function verifyPayments(lanes: readonly Lane[], proof: PaymentsProof): Promise<PaymentCounts> {
  const walk = new PaymentWalk(lanes, proof);
  await walk.run();
  return walk.counts;
}

class PaymentWalk {
  readonly #lanes: readonly Lane[];
  readonly #checks: Checks;
  readonly #phase: Phase;
  readonly #pageSize = new PageSize(PAGE);
  #payments = 0;
  #running = 0;
  /** The range given out last; undefined when there are no more. */
  #given: Promise<IdRange | undefined> = Promise.resolve(FIRST_RANGE);
  #lastSuffix = '';

  constructor(lanes: readonly Lane[], { checks, phase }: PaymentsProof) {
    this.#lanes = lanes;
    this.#checks = checks;
    this.#phase = phase;
  }

  get counts(): PaymentCounts {
    return { payments: this.#payments, running: this.#running };
  }

  async run(): Promise<void> {
    const lane = this.#lanes[0] as Lane;
    this.#lastSuffix = await lastSuffix(lane);
    await inAllLanes(this.#lanes, (each) => this.#walk(each));
    for (const range of STRAY_SUBJECTS) await this.#findStrays(lane, range);
  }

  async #walk(lane: Lane): Promise<void> {
    for (let range = await this.#takeRange(lane); range !== undefined; range = await this.#takeRange(lane)) {
      const stretch = range;
      const startedAt = performance.now();
      const page = await lane.snapshot((reader) => readPage(reader, stretch));
      this.#pageSize.took(performance.now() - startedAt);
      this.#judge(page);
      this.#phase.advance(page.payments.length);
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

  #judge({ payments, positions, differences, told }: Page): void {
    this.#payments += payments.length;
    for (const payment of payments) this.#judgeSaga(payment, positions);
    for (const difference of differences) this.#report(difference);
    const expected = payments.flatMap(({ timeline }) => expectedNotifications(timeline));
    judgeNotifications({ expected, told }, this.#checks.notifications);
  }

  #judgeSaga({ timeline, judgement }: JudgedPayment, positions: Positions): void {
    const { subject } = timeline;
    const { faults, line, due } = judgement;
    for (const { kind, detail } of faults) this.#checks.sagas.found({ kind, subject, detail });
    const last = line.at(-1);
    if (last === undefined || due === undefined) return;
    if (!positions.hasPassed(due.service, last)) {
      this.#running++; // P2
      return;
    }
    const detail = `${due.service} has passed ${last.type} at ${last.identity}; its stage ${due.name} left no event`;
    this.#checks.sagas.found({ kind: 'missing_stage', subject, detail });
  }

  #report({ check, looked, noun, subjectOf, listed, total }: NamedDifferences): void {
    this.#checks[check].looked(looked);
    for (const difference of listed) {
      this.#checks[check].found(differenceFinding(noun, subjectOf(difference), difference));
    }
    this.#checks[check].foundMore(total - listed.length);
  }

  /** What stands outside the ids of payments. */
  async #findStrays(lane: Lane, range: SubjectRange): Promise<void> {
    const verdicts = await differingVerdicts(lane, range, { expected: [], undecided: [] });
    this.#report(verdictDifferences(verdicts, 0));
    const told = await listAuditedNotifications(lane, range);
    judgeNotifications({ expected: [], told }, this.#checks.notifications);
  }
}

/** P1 */
async function readPage(reader: Reader, range: IdRange): Promise<Page> {
  const [positions, timelines, manualEntries] = await Promise.all([
    Positions.read(reader),
    readTimelines(reader, range),
    readManualEntries(reader, range),
  ]);
  const payments = timelines.map((timeline) => ({ timeline, judgement: judgeSaga(SAGA, timeline.events) }));
  const [told, ...differences] = await Promise.all([
    listAuditedNotifications(reader, subjectsOf(range, 'pay')),
    comparePayments(reader, payments, positions),
    compareReferences(reader, payments),
    compareHolds(reader, range, payments),
    compareSagas(reader, range, payments),
    compareVerdicts(reader, range, { payments, positions }),
    compareEntries(reader, range, { payments, manualEntries }),
  ]);
  return { positions, payments, differences, told };
}
