/** What the cards' events say, read with distrust: of a card transaction as a row, of a hold, of what moved. */
import type { EpochMs } from '#kernel/clock.ts';
import { derivedUuid } from '#kernel/derived-uuid.ts';
import type { JsonObject, JsonValue } from '#platform/log/event.ts';
import type { ExpectedRow } from '#platform/postgres/differences.ts';
import { entryOf, parseData, type TracedEntry, textOf } from './event-data.ts';
import type { LogRow } from './log-rows.ts';

export interface CardEvent {
  readonly type: string;
  readonly tenant: string;
  readonly subject: string;
  readonly occurredAt: EpochMs;
  readonly data: JsonObject;
}

/** Undefined if its data is no object. */
export function cardEventOf(row: LogRow): CardEvent | undefined {
  const data = parseData(row.data);
  if (data === undefined) return undefined;
  return { type: row.type, tenant: row.tenant, subject: row.subject, occurredAt: row.occurred_at, data };
}

/** What an event moves between accounts, and what it changes of what is held; neither if it cannot be read. */
export function cardMoneyOf(
  { type, tenant }: { readonly type: string; readonly tenant: string },
  data: JsonObject,
): {
  readonly entry?: TracedEntry | undefined;
  readonly held?: { readonly accountId: string; readonly amountMinor: number };
} {
  const entry = entryIn(tenant, data);
  const held = heldBy(type, data, entry);
  return { entry, ...(held === undefined ? {} : { held }) };
}

export function entryIn(tenant: string, { entry }: JsonObject): TracedEntry | undefined {
  return isObject(entry) ? entryOf(tenant, entry) : undefined;
}

function heldBy(
  type: string,
  data: JsonObject,
  entry: TracedEntry | undefined,
): { readonly accountId: string; readonly amountMinor: number } | undefined {
  switch (type) {
    case 'card.approved': {
      const accountId = payerOf(data);
      const amountMinor = amountOf(data['amount']);
      return 'entry' in data || accountId === undefined || amountMinor === undefined
        ? undefined
        : { accountId, amountMinor };
    }
    case 'card.captured': {
      const accountId = entry?.postings.find(({ amountMinor }) => amountMinor < 0)?.accountId;
      const held = amountOf(data['held']);
      return accountId === undefined || held === undefined ? undefined : { accountId, amountMinor: -held };
    }
    case 'card.released': {
      const accountId = textOf(data['account_id']);
      const released = amountOf(data['amount']);
      return accountId === null || released === undefined ? undefined : { accountId, amountMinor: -released };
    }
    default:
      return undefined;
  }
}

/** The account of the balance that pays. */
export function payerOf({ account, category }: JsonObject): string | undefined {
  return typeof account === 'string' && typeof category === 'string' ? `${account}:${category}` : undefined;
}

/** All of one subject, in the order of the log: the row that they add up to; undefined if none of them decides. */
export function expectedCardTransaction(uuid: string, events: readonly CardEvent[]): ExpectedRow | undefined {
  const decision = events.find(isDecision);
  if (decision === undefined) return undefined;
  const { data, tenant, occurredAt, type } = decision;
  const isApproved = type === 'card.approved';
  const later = laterOf(events, { isApproved, data });
  return {
    tenant,
    id: uuid,
    account: textOf(data['account']),
    external_id: textOf(data['external_id']),
    claim: claimOf(tenant, data),
    digest: textOf(data['digest']),
    mcc: textOf(data['mcc']),
    merchant: textOf(data['merchant']),
    amount: amountOf(data['amount']) ?? null,
    currency: textOf(data['currency']),
    category: textOf(data['category']),
    decided_by: textOf(data['decided_by']),
    detail: textOf(data['detail']),
    rules_version: wholeOf(data['rules_version']),
    latency_ms: wholeOf(data['latency_ms']),
    decided_at: occurredAt,
    ...later,
    expires: later.state === 'held' ? 'in time' : null,
  };
}

/** What keeps the network's id from being decided twice. */
function claimOf(tenant: string, { account, external_id: externalId, claimed }: JsonObject): string | null {
  return claimed === true && typeof account === 'string' && typeof externalId === 'string'
    ? derivedUuid(tenant, account, externalId)
    : null;
}

export function isDecision({ type }: Pick<CardEvent, 'type'>): boolean {
  return type === 'card.approved' || type === 'card.declined';
}

/** What steps after the decision change of it: an approval that was too late is a `07` in the end. */
function laterOf(
  events: readonly CardEvent[],
  { isApproved, data }: { readonly isApproved: boolean; readonly data: JsonObject },
): ExpectedRow {
  const row = {
    code: isApproved ? '00' : textOf(data['code']),
    reason: textOf(data['reason']),
    state: isApproved ? ('entry' in data ? 'captured' : 'held') : 'declined',
    captured: isApproved && 'entry' in data ? (amountOf(data['amount']) ?? 0) : 0,
    reversed: 0,
  };
  for (const { type, data: step } of events) {
    if (type === 'card.captured') {
      row.state = 'captured';
      row.captured = capturedBy(step);
    } else if (type === 'card.reversed') {
      row.reversed += amountOf(step['amount']) ?? 0;
    } else if (type === 'card.released') {
      row.state = step['because'] === 'expired' ? 'expired' : 'released';
    }
    if (step['because'] === 'late') {
      row.code = '07';
      row.reason = 'late';
    }
  }
  return row;
}

function capturedBy(step: JsonObject): number {
  const debit = entryIn('', step)?.postings.find(({ amountMinor }) => amountMinor < 0);
  return debit === undefined ? 0 : -debit.amountMinor;
}

/** The hold of a card transaction that was approved without being captured; undefined if it never had one. */
export function expectedCardHold(uuid: string, events: readonly CardEvent[]): ExpectedRow | undefined {
  const approved = events.find(({ type }) => type === 'card.approved');
  if (approved === undefined || 'entry' in approved.data) return undefined;
  const end = events.find(({ type }) => type === 'card.captured' || type === 'card.released');
  return {
    id: uuid,
    tenant: approved.tenant,
    account_id: payerOf(approved.data) ?? null,
    amount: amountOf(approved.data['amount']) ?? null,
    state: end === undefined ? 'open' : endState(end),
    opened_at: approved.occurredAt,
    closed_at: end?.occurredAt ?? null,
  };
}

function endState({ type, data }: CardEvent): string {
  if (type === 'card.captured') return 'captured';
  return data['because'] === 'expired' ? 'expired' : 'released';
}

/** The ids of the entries that the events tell of. */
export function entryUuidsOf(events: readonly CardEvent[]): string[] {
  return events.flatMap(({ tenant, data }) => entryIn(tenant, data)?.uuid ?? []);
}

/** Of one account, in the order of the log. */
export function expectedCard(account: string, events: readonly CardEvent[]): ExpectedRow | undefined {
  const created = events.find(({ type }) => type === 'card.created');
  if (created === undefined) return undefined;
  const changed = events.findLast(({ type }) => type === 'card.blocked' || type === 'card.unblocked');
  return {
    tenant: created.tenant,
    account,
    currency: textOf(created.data['currency']),
    status: changed === undefined ? 'active' : textOf(changed.data['status']),
    callback_url: textOf(events.findLast(({ type }) => type === 'card.callback_set')?.data['callback_url']),
    created_at: created.occurredAt,
  };
}

export function expectedRules({ tenant, data, occurredAt }: CardEvent): ExpectedRow {
  return {
    tenant,
    version: wholeOf(data['version']),
    rules: JSON.stringify(data['rules']),
    actor: textOf(data['actor']),
    replaced_at: occurredAt,
  };
}

export function amountOf(value: JsonValue | undefined): number | undefined {
  return Number.isSafeInteger(value) && (value as number) > 0 ? (value as number) : undefined;
}

function wholeOf(value: JsonValue | undefined): number | null {
  return Number.isSafeInteger(value) ? (value as number) : null;
}

function isObject(value: JsonValue | undefined): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
