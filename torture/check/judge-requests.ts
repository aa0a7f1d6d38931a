/** T1 of different requests under one key, T2, T9. */
import { COMPLETED, type Problem } from './documents.ts';
import type { Finding } from './finding.ts';
import { isKeyReused, type OrderStory, type Recollection } from './recollection.ts';

export function judgeRequests({ orders, payments }: Recollection): Finding[] {
  return [...[...orders.values()].flatMap(judgeOrder), ...judgeReferences({ orders, payments })];
}

function judgeOrder({ operation, key, requests }: OrderStory): Finding[] {
  const subject = `${operation} ${key}`;
  const open = requests.filter(({ answer }) => answer === undefined);
  const taken = requests.filter((request) => request.answer !== undefined && !isKeyReused(request));
  return [
    ...open.map(({ body }) => ({ rule: 'T2', subject, what: `was never answered; asked ${body}` })),
    ...(taken.length > 1
      ? [
          {
            rule: 'T1',
            subject,
            what: `was taken for two requests: ${taken.map(({ body }) => body).join(' and ')}`,
          },
        ]
      : []),
  ];
}

interface PaymentOrder {
  readonly wallet_id: string;
  readonly service_id: string;
  readonly reference?: string;
}

/** T9: of the payments with one reference one has moved money at most, and who was told of it is told the right one. */
function judgeReferences({ orders, payments }: Pick<Recollection, 'orders' | 'payments'>): Finding[] {
  const completed = new Map<string, string>();
  const findings: Finding[] = [];
  for (const { id, request, last } of payments.values()) {
    const reference = referenceOf(request?.body);
    if (reference === undefined || last?.status !== COMPLETED) continue;
    const other = completed.get(reference);
    if (other !== undefined)
      findings.push({
        rule: 'T9',
        subject: id,
        what: `is completed beside ${other}, with the same reference`,
      });
    completed.set(reference, id);
  }
  for (const { operation, key, requests } of orders.values())
    for (const { body, answer } of operation === 'payment' ? requests : []) {
      const problem = answer?.status === 409 ? (JSON.parse(answer.body) as Problem) : undefined;
      if (problem === undefined) continue;
      const named = payments.get(problem.payment_id ?? '');
      if (named === undefined || referenceOf(named.request?.body) !== referenceOf(body))
        findings.push({
          rule: 'T9',
          subject: key,
          what: `was refused for ${problem.payment_id}, which has not its reference`,
        });
    }
  return findings;
}

function referenceOf(body: string | undefined): string | undefined {
  if (body === undefined) return undefined;
  const { wallet_id, service_id, reference } = JSON.parse(body) as PaymentOrder;
  return reference === undefined ? undefined : `${wallet_id} ${service_id} ${reference}`;
}
