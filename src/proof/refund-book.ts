/**
 * What the logs say is given back of payments, added up by payment over all pages, and compared at the end with what
 * each of them moved (D5).
 *
 * A page is of one instant and the next of a later one: a refund seen while it was pending may have failed since, and
 * made room for another. What is completed stays so, and is all that is added up here.
 */
import { idOf, type PaymentId } from '#kernel/ids.ts';
import type { Differences, ExpectedRow } from '#platform/postgres/differences.ts';
import type { Reader } from '#platform/postgres/read-pool.ts';
import { differingRefundTotals, sumRefunds } from '#services/payments/contract.ts';
import { refundedPaymentOf, type Terms, termsOf, textOf } from './event-data.ts';
import { kindOf } from './expected-rows.ts';
import type { Lane } from './lane.ts';
import { readTimelinesOf, type SagaTimeline } from './payment-pages.ts';
import { type Check, differenceFinding } from './report.ts';
import type { TracedEvent } from './traced-event.ts';

const PAGE = 1_000;

/** One refund, as its request and its end tell of it. */
interface TracedRefund {
  readonly subject: string;
  readonly tenant: string;
  readonly terms: Terms;
  readonly isCompleted: boolean;
}

export class RefundBook {
  readonly #byPayment = new Map<PaymentId, TracedRefund[]>();

  /** A refund; of anything else nothing is kept. One that cannot be read is a fault of its saga. */
  enter(timeline: SagaTimeline): void {
    if (kindOf(timeline) !== 'ref') return;
    const requested = timeline.events.find(({ type }) => type === 'refund.requested');
    const terms = requested?.data && termsOf(requested.data);
    const payment = requested?.data && refundedPaymentOf(requested.data);
    if (requested === undefined || terms === undefined || payment === undefined) return;
    const isCompleted = timeline.events.some(({ type }) => type === 'refund.completed');
    const { subject } = timeline;
    const refunds = this.#byPayment.get(payment) ?? [];
    this.#byPayment.set(payment, refunds);
    refunds.push({ subject, tenant: requested.tenant, terms, isCompleted });
  }

  get payments(): readonly PaymentId[] {
    return [...this.#byPayment.keys()];
  }

  refundsOf(payment: PaymentId): readonly TracedRefund[] {
    return this.#byPayment.get(payment) ?? [];
  }
}

/** Payment by payment: what was given back, and the totals by which it is decided how much is left. */
export async function verifyRefunds(lane: Lane, book: RefundBook, check: Check): Promise<void> {
  const { payments } = book;
  for (let at = 0; at < payments.length; at += PAGE) {
    const page = payments.slice(at, at + PAGE);
    const { timelines, totals } = await lane.snapshot((reader) => readPayments(reader, page));
    for (const difference of totals.listed) {
      const subject = idOf('pay', difference.key['payment_id'] ?? '');
      check.found(differenceFinding('refund_totals', subject, difference));
    }
    check.foundMore(totals.total - totals.listed.length);
    const bySubject = new Map<string, SagaTimeline>(timelines.map((each) => [each.subject, each]));
    for (const payment of page) {
      judgeRefunds({ payment: bySubject.get(payment), refunds: book.refundsOf(payment) }, check);
    }
  }
}

/** Of one instant: the rows of refunds, which their pages were compared with, and their totals are of the same commits. */
async function readPayments(
  reader: Reader,
  payments: readonly PaymentId[],
): Promise<{ timelines: SagaTimeline[]; totals: Differences }> {
  const timelines = await readTimelinesOf(reader, payments, ['payments', 'ledger']);
  const paid = timelines.flatMap(({ uuid, events }) => {
    const requested = events.find(({ type }) => type === 'payment.requested');
    const terms = requested?.data && termsOf(requested.data);
    return requested && terms ? [{ tenant: requested.tenant, uuid, amountMinor: terms.amountMinor }] : [];
  });
  const sums = new Map((await sumRefunds(reader, paid)).map((sum) => [sum.uuid, sum]));
  const expected = paid.flatMap(({ tenant, uuid, amountMinor }): ExpectedRow[] => {
    const sum = sums.get(uuid);
    if (sum === undefined) return [];
    const { promisedMinor: promised, refundedMinor: refunded } = sum;
    return [{ tenant, payment_id: uuid, captured: amountMinor, promised, refunded }];
  });
  return { timelines, totals: await differingRefundTotals(reader, expected) };
}

/** `payment`: its timeline, undefined if no log tells of it. */
export function judgeRefunds(
  {
    payment,
    refunds,
  }: { readonly payment: SagaTimeline | undefined; readonly refunds: readonly TracedRefund[] },
  check: Check,
): void {
  const entry = payment?.events.find(isPosting);
  const requested = payment?.events.find(({ type }) => type === 'payment.requested');
  const paid = requested?.data && termsOf(requested.data);
  for (const { subject, tenant, terms, isCompleted } of refunds) {
    const found = (kind: string, detail: string): void => check.found({ kind, subject, detail });
    if (requested === undefined || paid === undefined)
      found('refund_of_nothing', 'no log tells of its payment');
    else if (tenant !== requested.tenant || !isOnTermsOf(terms, paid))
      found(
        'refund_on_other_terms',
        `it is not between the accounts of ${payment?.subject}, or not in its currency`,
      );
    else if (isCompleted && entry === undefined)
      found('refund_of_unpaid', `${payment?.subject} has moved no money`);
  }
  const reversed = payment?.events.some(isReversal) === true ? BigInt(paid?.amountMinor ?? 0) : 0n;
  const refunded = refunds.reduce(
    (sum, { terms, isCompleted }) => (isCompleted ? sum + BigInt(terms.amountMinor) : sum),
    0n,
  );
  if (payment !== undefined && paid !== undefined && refunded + reversed > BigInt(paid.amountMinor)) {
    const detail = `${refunded + reversed} was given back of ${paid.amountMinor}`;
    check.found({ kind: 'refunded_too_much', subject: idOf('pay', payment.uuid), detail });
  }
}

function isPosting({ type, data }: TracedEvent): boolean {
  return type === 'entry.posted' && textOf(data?.['purpose']) === 'payment';
}

function isReversal({ type, data }: TracedEvent): boolean {
  return type === 'entry.posted' && textOf(data?.['purpose']) === 'reversal';
}

function isOnTermsOf(terms: Terms, paid: Terms): boolean {
  return (
    terms.walletId === paid.walletId &&
    terms.serviceId === paid.serviceId &&
    terms.currency === paid.currency &&
    terms.method === paid.method
  );
}
