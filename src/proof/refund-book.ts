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
import { type Check, differenceFinding } from './report.ts';
import { readTimelinesOf, type SagaTimeline } from './saga-timelines.ts';
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
  const paid = payment && paidOf(payment);
  for (const refund of refunds) {
    const fault = objectionTo(refund, paid);
    if (fault !== undefined) check.found({ ...fault, subject: refund.subject });
  }
  if (paid === undefined) return;
  const back = refunds.filter(({ isCompleted }) => isCompleted).map(({ terms }) => terms.amountMinor);
  if (paid.isReversed) back.push(paid.terms.amountMinor);
  const backMinor = back.reduce((sum, amountMinor) => sum + BigInt(amountMinor), 0n);
  if (backMinor <= BigInt(paid.terms.amountMinor)) return;
  const detail = `${backMinor} was given back of ${paid.terms.amountMinor}`;
  check.found({ kind: 'refunded_too_much', subject: paid.subject, detail });
}

interface Paid {
  readonly subject: string;
  readonly tenant: string;
  readonly terms: Terms;
  readonly isPosted: boolean;
  readonly isReversed: boolean;
}

/** Undefined if the log has no request, or none that can be read. */
function paidOf({ subject, events }: SagaTimeline): Paid | undefined {
  const requested = events.find(({ type }) => type === 'payment.requested');
  const terms = requested?.data && termsOf(requested.data);
  if (requested === undefined || terms === undefined) return undefined;
  const { tenant } = requested;
  const has = (purpose: string) => events.some((event) => isPosting(event, purpose));
  return { subject, tenant, terms, isPosted: has('payment'), isReversed: has('reversal') };
}

function objectionTo(
  { tenant, terms, isCompleted }: TracedRefund,
  paid: Paid | undefined,
): { readonly kind: string; readonly detail: string } | undefined {
  if (paid === undefined) return { kind: 'refund_of_nothing', detail: 'no log tells of its payment' };
  if (tenant !== paid.tenant || !isOnTermsOf(terms, paid.terms)) {
    const detail = `it is not between the accounts of ${paid.subject}, or not in its currency`;
    return { kind: 'refund_on_other_terms', detail };
  }
  return isCompleted && !paid.isPosted
    ? { kind: 'refund_of_unpaid', detail: `${paid.subject} has moved no money` }
    : undefined;
}

function isPosting({ type, data }: TracedEvent, purpose: string): boolean {
  return type === 'entry.posted' && textOf(data?.['purpose']) === purpose;
}

function isOnTermsOf(terms: Terms, paid: Terms): boolean {
  return (
    terms.walletId === paid.walletId &&
    terms.serviceId === paid.serviceId &&
    terms.currency === paid.currency &&
    terms.method === paid.method
  );
}
