/** One notification for each ending, and what it says is what the ending said, byte for byte. */
import { idOf } from '#kernel/ids.ts';
import type { JsonObject } from '#platform/log/event.ts';
import type { AuditedNotification } from '#services/notification/contract.ts';
import { expectedPayload } from './expected-payload.ts';
import type { ExpectedNotification } from './expected-rows.ts';
import { payloadFaults } from './payload-faults.ts';
import type { Check } from './report.ts';

export interface Notifications {
  readonly expected: readonly ExpectedNotification[];
  readonly told: readonly AuditedNotification[];
}

/** By the ending's identity, its data as a person edited them. */
export type EditedData = ReadonlyMap<string, JsonObject>;

export function judgeNotifications(
  { expected, told }: Notifications,
  check: Check,
  edited: EditedData = new Map(),
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
    if (faults.length > 0 && !isToldAsEdited(notification, actual, edited))
      check.found({ kind: 'different_notification', subject, detail: faults.join('; ') });
  }
  for (const { subject, type } of unmatched.values()) {
    check.found({ kind: 'extra_notification', subject, detail: `no log says that ${type} was told` });
  }
}

/** Those that do not say what their endings say. */
export function unlikeEndings({ expected, told }: Notifications): readonly ExpectedNotification[] {
  const byKey = new Map(told.map((notification) => [keyOf(notification), notification]));
  return expected.filter((notification) => {
    const actual = byKey.get(keyOf(notification));
    return actual !== undefined && faultsOf(notification, actual).length > 0;
  });
}

function faultsOf(expected: ExpectedNotification, actual: AuditedNotification): string[] {
  const pairs: readonly (readonly [name: string, actual: unknown, expected: unknown])[] = [
    ['tenant', actual.tenant, expected.tenant],
    ['id', idOf('ntf', actual.uuid), expected.id],
    ['created_at', actual.createdAt, expected.createdAt],
  ];
  return [
    ...pairs
      .filter(([, is, should]) => is !== should)
      .map(([name, is, should]) => `${name} is ${String(is)}, not ${String(should)}`),
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
