/** T3, T5, T6: what became of payments and refunds. */
import { COMPLETED, isFinal, type PaymentDocument, type RefundDocument } from './documents.ts';
import type { Finding } from './finding.ts';
import type { Recollection, Story } from './recollection.ts';

const ENDINGS = /^(payment|refund)\.(completed|rejected|declined|failed|cancelled|compensated)$/;

export function judgePayments(recollection: Recollection): Finding[] {
  const { payments, refunds, listed } = recollection;
  const refundsOf = Map.groupBy(refunds.values(), ({ last }) => last?.payment_id ?? '');
  const cancelled = new Set([...recollection.orders.values()].flatMap(cancelledBy));
  return [
    ...judgeListed(payments, listed),
    ...[...payments.values()].flatMap((story) => [
      ...judgeEnd(story),
      ...judgeTerms(story),
      ...judgeRefunds(story, refundsOf.get(story.id) ?? []),
      ...judgeReason(story, cancelled),
    ]),
    ...[...refunds.values()].flatMap((story) => judgeEnd(story)),
  ];
}

/** T3: what is listed is what was acknowledged, neither more nor less. */
function judgeListed(
  payments: ReadonlyMap<string, Story<PaymentDocument>>,
  listed: ReadonlySet<string> | undefined,
): Finding[] {
  const stories = [...payments.values()];
  const alien = stories.filter(({ request }) => request === undefined);
  const lost = stories.filter(({ id, request }) => request !== undefined && listed?.has(id) === false);
  return [
    ...(listed === undefined ? [finding('T3', 'payments', 'were not listed to the end')] : []),
    ...alien.map(({ id, last }) => finding('T3', id, `nobody asked for it: ${JSON.stringify(last)}`)),
    ...lost.map(({ id, request }) =>
      finding('T3', id, `was acknowledged and is not listed; asked ${request?.body}`),
    ),
  ];
}

/** T3: it has an end, exactly one, and its verdict is complete. */
function judgeEnd<T extends { readonly status: string }>(story: Story<T>): Finding[] {
  const { id, last, isLastFinal, verdict, timeline } = story;
  if (last === undefined || !isLastFinal)
    return [finding('T3', id, 'was acknowledged and is not there at the end')];
  if (!isFinal(last.status)) return [finding('T3', id, `has no end: ${JSON.stringify(last)}`)];
  const endings = timeline?.filter((type) => ENDINGS.test(type)) ?? [];
  return [
    ...(verdict?.verdict === 'complete'
      ? []
      : [finding('T3', id, `is ${last.status}, and its verdict is ${JSON.stringify(verdict)}`)]),
    ...(timeline === undefined || endings.length === 1
      ? []
      : [finding('T3', id, `ended by ${endings.join(', ') || 'nothing'}`)]),
  ];
}

/** T5: what is read is what was asked for. */
function judgeTerms({ id, request, last }: Story<PaymentDocument>): Finding[] {
  if (request === undefined || last === undefined) return [];
  const asked = JSON.parse(request.body) as Readonly<Record<string, unknown>>;
  const seen: Readonly<Record<string, unknown>> = { ...last };
  const differing = Object.keys(asked).filter((name) => asked[name] !== seen[name]);
  return differing.length === 0
    ? []
    : [
        finding(
          'T5',
          id,
          `${differing.join(', ')} differ: asked ${request.body}, is ${JSON.stringify(last)}`,
        ),
      ];
}

/** T6: no more is given back than was paid, and the payment says how much. */
function judgeRefunds(
  { id, last }: Story<PaymentDocument>,
  refunds: readonly Story<RefundDocument>[],
): Finding[] {
  const back = refunds.filter((refund) => refund.last?.status === COMPLETED);
  const total = back.reduce((sum, refund) => sum + (refund.last?.amount ?? 0), 0);
  if (last === undefined || (total === last.refunded && total <= last.amount)) return [];
  return [
    finding('T6', id, `of ${last.amount} says ${last.refunded} were given back, its refunds say ${total}`),
  ];
}

/** T6: an end has its reason. */
function judgeReason(
  { id, request, last }: Story<PaymentDocument>,
  cancelled: ReadonlySet<string>,
): Finding[] {
  if (last === undefined || request === undefined) return [];
  const { status, method, failure } = last;
  const asked = JSON.parse(request.body) as { readonly service_id: string };
  const isWrong =
    (status === 'cancelled' && !cancelled.has(id)) ||
    ((status === 'compensated' || status === 'failed') && method !== 'gateway') ||
    (status === 'rejected') !== asked.service_id.startsWith('nobody') ||
    (status === COMPLETED && failure !== null);
  return isWrong ? [finding('T6', id, `is ${status}, for no reason: ${JSON.stringify(last)}`)] : [];
}

function cancelledBy({
  operation,
  requests,
}: {
  readonly operation: string;
  readonly requests: readonly { readonly path: string }[];
}): string[] {
  return operation === 'cancel' ? requests.map(({ path }) => path.split('/')[3] ?? '') : [];
}

function finding(rule: string, subject: string, what: string): Finding {
  return { rule, subject, what };
}
