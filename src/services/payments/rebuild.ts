/** The payments made anew from the logs, and with them which of them wait for a person. */
import { idOf, type PaymentId, uuidOf } from '#kernel/ids.ts';
import type { LogEvent } from '#platform/log/event.ts';
import type {
  Correction,
  ModelTransaction,
  ReadModel,
  SubjectsInRange,
  Timeline,
} from '#platform/log/read-model.ts';
import { int8Array, textArray, timestamptzArray, uuidArray } from '#platform/postgres/arrays.ts';
import { placeBehind } from '#platform/postgres/place-behind.ts';
import type { PaymentRequested } from './events.ts';
import { type StatusChange, statusChangeOf } from './payment-status.ts';
import type { RowRef } from './row-ref.ts';

/** A row as the logs tell it. */
interface TracedPayment {
  readonly requested: LogEvent<PaymentRequested>;
  /** Undefined while nothing has been told of it. */
  readonly told: StatusChange | undefined;
}

const WRITE = `
  insert into payments.payments as p
     (tenant, id, wallet_id, service_id, amount, currency, method, reference, description, metadata, status,
      failure_code, failure_detail, correlation_id, created_at, updated_at, status_position)
   select * from unnest($1::text[], $2::uuid[], $3::text[], $4::text[], $5::bigint[], $6::text[], $7::text[],
                        $8::text[], $9::text[], $10::text[], $11::text[], $12::text[], $13::text[], $14::text[],
                        $15::timestamptz[], $16::timestamptz[], $17::bigint[])
   on conflict (tenant, id) do update
     set wallet_id = excluded.wallet_id, service_id = excluded.service_id, amount = excluded.amount,
         currency = excluded.currency, method = excluded.method, reference = excluded.reference,
         description = excluded.description, metadata = excluded.metadata, status = excluded.status,
         failure_code = excluded.failure_code, failure_detail = excluded.failure_detail,
         correlation_id = excluded.correlation_id, created_at = excluded.created_at, updated_at = excluded.updated_at,
         status_position = excluded.status_position
     where p.* is distinct from excluded.*
   returning 1 as written`;

/** By primary keys: those of the page that wait, and those that do not. */
const NOTE_WAITING = `
  insert into payments.reconciliations (tenant, payment_id)
   select p.tenant, p.id from unnest($1::text[], $2::uuid[]) as listed(tenant, id)
   join payments.payments p using (tenant, id) where p.status = 'reconciliation_required'
   on conflict do nothing`;

const FORGET_WAITING = `
  delete from payments.reconciliations r
   using unnest($1::text[], $2::uuid[]) as listed(tenant, id)
   where r.tenant = listed.tenant and r.payment_id = listed.id and not exists (
     select from payments.payments p
     where p.tenant = r.tenant and p.id = r.payment_id and p.status = 'reconciliation_required'
   )`;

/** What waits and is no payment at all: the table is small. */
const FORGET_STRAYS = `
  delete from payments.reconciliations r where not exists (
     select from payments.payments p where p.tenant = r.tenant and p.id = r.payment_id
   )`;

/** Ids of the table after a place, in the order of the primary key. */
const LIST = `
  select p.tenant, p.id from payments.payments p
   where (p.tenant, p.id) > ($1::text, $2::uuid) order by p.tenant, p.id limit $3`;

/**
 * Of the rows of a page those without the event that asks for them. Row and event are of one commit, so what a
 * statement before this one saw has its event in this one. By the index on subjects.
 */
const REMOVE = `
  delete from payments.payments p
   using unnest($1::text[], $2::uuid[], $3::text[]) as listed(tenant, id, subject)
   where p.tenant = listed.tenant and p.id = listed.id and not exists (
     select from payments.events e
     where e.subject = listed.subject and e.tenant = listed.tenant and e.type = 'payment.requested'
   )
   returning 1 as removed`;

export const paymentsModel: ReadModel = {
  name: 'payments',
  group: 'payments',
  topics: ['payments', 'validation', 'authorization'],
  correct: correctPayments,
};

async function correctPayments(tx: ModelTransaction, { timelines }: SubjectsInRange): Promise<Correction> {
  const payments = timelines.map(tracedPayment).filter((payment) => payment !== undefined);
  if (payments.length === 0) return { written: 0, removed: 0 };
  const ids = [
    textArray(payments.map(({ requested }) => requested.tenant)),
    uuidArray(payments.map(({ requested }) => uuidOf(requested.subject as PaymentId))),
  ];
  const written = await tx.query(WRITE, [
    ...ids,
    textArray(payments.map(({ requested }) => requested.data.wallet_id)),
    textArray(payments.map(({ requested }) => requested.data.service_id)),
    int8Array(payments.map(({ requested }) => requested.data.amount)),
    textArray(payments.map(({ requested }) => requested.data.currency)),
    textArray(payments.map(({ requested }) => requested.data.method)),
    textArray(payments.map(({ requested }) => requested.data.reference)),
    textArray(payments.map(({ requested }) => requested.data.description)),
    textArray(payments.map(({ requested }) => metadataOf(requested.data))),
    textArray(payments.map(({ told }) => told?.status ?? 'pending')),
    textArray(payments.map(({ told }) => told?.failure?.code ?? null)),
    textArray(payments.map(({ told }) => told?.failure?.detail ?? null)),
    textArray(payments.map(({ requested }) => requested.correlationId)),
    timestamptzArray(payments.map(({ requested }) => requested.occurredAt)),
    timestamptzArray(payments.map(({ requested, told }) => told?.at ?? requested.occurredAt)),
    int8Array(payments.map(({ told }) => told?.position ?? 0)),
  ]);
  await tx.query(NOTE_WAITING, ids);
  await tx.query(FORGET_WAITING, ids);
  return { written: written.length, removed: 0 };
}

/** Undefined for events about what was never asked for. */
function tracedPayment({ events }: Timeline): TracedPayment | undefined {
  const requested = events.find(({ type }) => type === 'payment.requested');
  if (requested === undefined) return undefined;
  return { requested: requested as LogEvent<PaymentRequested>, told: statusChangeOf(events) };
}

function metadataOf({ metadata }: PaymentRequested): string | null {
  return metadata === null ? null : JSON.stringify(metadata);
}

/** Removes rows that no event asked for among the next ones by primary key; undefined when there are no more. */
export async function removeForgedPayments(
  tx: ModelTransaction,
  after: RowRef | undefined,
  limit: number,
): Promise<{ readonly next: RowRef | undefined; readonly checked: number; readonly removed: number }> {
  const { tenant, uuid } = after ?? { tenant: '', uuid: '00000000-0000-0000-0000-000000000000' };
  const rows = await tx.query<{ tenant: string; id: string }>(LIST, [tenant, uuid, limit]);
  const removed = await tx.query(REMOVE, [
    textArray(rows.map((row) => row.tenant)),
    uuidArray(rows.map((row) => row.id)),
    textArray(rows.map((row) => idOf('pay', row.id))),
  ]);
  const last = placeBehind(rows, limit);
  if (last === undefined) await tx.query(FORGET_STRAYS, []);
  const next = last === undefined ? undefined : { tenant: last.tenant, uuid: last.id };
  return { next, checked: rows.length, removed: removed.length };
}
