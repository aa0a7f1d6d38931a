/** One notification for each ending, and what it says is what the ending said, byte for byte. */
import { idOf } from '#kernel/ids.ts';
import type { JsonObject } from '#platform/log/event.ts';
import type { AuditedNotification } from '#services/notification/contract.ts';
import { expectedPayload } from './expected-payload.ts';
import type { ExpectedNotification } from './expected-rows.ts';
import { payloadFaults, valueFaults } from './payload-faults.ts';
import type { Check } from './report.ts';

/** What should have been told, beside what was, and where the two differ. */
export interface ComparedNotifications {
  /** How many there are. */
  readonly told: number;
  readonly missing: readonly ExpectedNotification[];
  readonly different: readonly Different[];
  readonly extra: readonly AuditedNotification[];
}

interface Different {
  readonly expected: ExpectedNotification;
  readonly actual: AuditedNotification;
  readonly faults: readonly string[];
}

/** By the ending's identity, its data as a person edited them. */
export type EditedData = ReadonlyMap<string, JsonObject>;

export function compareNotifications(
  expected: readonly ExpectedNotification[],
  told: readonly AuditedNotification[],
): ComparedNotifications {
  const unmatched = new Map(told.map((notification) => [keyOf(notification), notification]));
  const missing: ExpectedNotification[] = [];
  const different: Different[] = [];
  for (const notification of expected) {
    const key = keyOf(notification);
    const actual = unmatched.get(key);
    unmatched.delete(key);
    if (actual === undefined) {
      missing.push(notification);
      continue;
    }
    const faults = faultsOf(notification, actual);
    if (faults.length > 0) different.push({ expected: notification, actual, faults });
  }
  return { told: told.length, missing, different, extra: [...unmatched.values()] };
}

export function judgeNotifications(
  { told, missing, different, extra }: ComparedNotifications,
  check: Check,
  edited: EditedData = new Map(),
): void {
  check.looked(told);
  for (const { subject, type } of missing)
    check.found({ kind: 'missing_notification', subject, detail: `the log says that ${type} was told` });
  for (const { expected, actual, faults } of different)
    if (!isToldAsEdited(expected, actual, edited))
      check.found({ kind: 'different_notification', subject: expected.subject, detail: faults.join('; ') });
  for (const { subject, type } of extra)
    check.found({ kind: 'extra_notification', subject, detail: `no log says that ${type} was told` });
}

function faultsOf(expected: ExpectedNotification, actual: AuditedNotification): string[] {
  return [
    ...valueFaults([
      ['tenant', actual.tenant, expected.tenant],
      ['id', idOf('ntf', actual.uuid), expected.id],
      ['created_at', actual.createdAt, expected.createdAt],
    ]),
    ...payloadFaults(actual.payload, expectedPayload(expected)),
  ];
}

/** A dead letter can be replayed with another text for people: that is what was told then, and nothing else of it is other. */
function isToldAsEdited(
  expected: ExpectedNotification,
  actual: AuditedNotification,
  edited: EditedData,
): boolean {
  const { ending } = expected;
  const detail = ending && edited.get(ending.identity)?.['detail'];
  if (ending?.data === undefined || detail === undefined) return false;
  const asEdited = { ...expected, ending: { ...ending, data: { ...ending.data, detail } } };
  return faultsOf(asEdited, actual).length === 0;
}

function keyOf({ subject, type }: { readonly subject: string; readonly type: string }): string {
  return `${subject} ${type}`;
}
