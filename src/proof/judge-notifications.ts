/** One notification for each ending, and what it says is what the ending said. */
import { idOf } from '#kernel/ids.ts';
import type { AuditedNotification } from '#services/notification/contract.ts';
import { parseData, refundedPaymentOf, termsOf, textOf } from './event-data.ts';
import type { ExpectedNotification } from './expected-rows.ts';
import type { Check } from './report.ts';

export function judgeNotifications(
  {
    expected,
    told,
  }: { readonly expected: readonly ExpectedNotification[]; readonly told: readonly AuditedNotification[] },
  check: Check,
): void {
  check.looked(told.length);
  const unmatched = new Map(told.map((notification) => [keyOf(notification), notification]));
  for (const notification of expected) {
    const key = keyOf(notification);
    const actual = unmatched.get(key);
    unmatched.delete(key);
    const { subject, type } = notification;
    if (actual === undefined) {
      check.found({ kind: 'missing_notification', subject, detail: `the log says that ${type} was told` });
      continue;
    }
    const faults = faultsOf(notification, actual);
    if (faults.length > 0)
      check.found({ kind: 'different_notification', subject, detail: faults.join('; ') });
  }
  for (const { subject, type } of unmatched.values()) {
    check.found({ kind: 'extra_notification', subject, detail: `no log says that ${type} was told` });
  }
}

function faultsOf(expected: ExpectedNotification, actual: AuditedNotification): string[] {
  const payload = parseData(actual.payload);
  const data = payload === undefined ? undefined : parseData(JSON.stringify(payload['data'] ?? null));
  if (payload === undefined || data === undefined) return ['the payload is not what a notification says'];
  const terms = expected.ending?.data === undefined ? undefined : termsOf(expected.ending.data);
  const failure = data['failure'];
  const code = failure === null || failure === undefined ? null : textOf((failure as { code?: string }).code);
  const pairs: readonly (readonly [name: string, actual: unknown, expected: unknown])[] = [
    ['tenant', actual.tenant, expected.tenant],
    ['id', idOf('ntf', actual.uuid), expected.id],
    ['created_at', actual.createdAt, expected.createdAt],
    ['type', payload['type'], expected.ending?.type],
    ...idsOf(expected).map(([member, id]) => [member, data[member], id] as const),
    ['corrects', data['corrects'] ?? null, expected.corrects],
    ['wallet_id', data['wallet_id'], terms?.walletId],
    ['service_id', data['service_id'], terms?.serviceId],
    ['amount', data['amount'], terms?.amountMinor],
    ['currency', data['currency'], terms?.currency],
    ['failure', code, textOf(expected.ending?.data?.['code'])],
  ];
  return pairs
    .filter(([, is, should]) => is !== should)
    .map(([name, is, should]) => `${name} is ${String(is)}, not ${String(should)}`);
}

/** A refund is told of with the payment that it gives back. */
function idsOf({
  subject,
  ending,
}: ExpectedNotification): (readonly [member: string, id: string | undefined])[] {
  if (!subject.startsWith('ref_')) return [['payment_id', subject]];
  return [
    ['refund_id', subject],
    ['payment_id', ending?.data && refundedPaymentOf(ending.data)],
  ];
}

function keyOf({ subject, type }: { readonly subject: string; readonly type: string }): string {
  return `${subject} ${type}`;
}
