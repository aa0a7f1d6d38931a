import { Client } from 'pg';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { newId } from '#kernel/ids.ts';
import { LogPages } from '#platform/log/log-pages.ts';
import type { Reader } from '#platform/postgres/read-pool.ts';
import type { Statement } from '#platform/postgres/session.ts';
import { VerdictReads } from '#services/integrity/reads.ts';
import { NotificationReads } from '#services/notification/reads.ts';
import { PaymentReads } from '#services/payments/reads.ts';
import { TOPOLOGY } from '../src/topology.ts';
import { appendEvents } from './append-events.ts';
import { createProductDatabase, type TestDatabase } from './database.ts';
import { PARTITIONS, startEngine } from './engine.ts';
import { payWith } from './paid-installation.ts';
import { hotPlan, readPlan } from './query-plan.ts';
import { DELIVERIES, setBack } from './redelivery.ts';
import { recordStatements } from './sent-statements.ts';

/** Enough that a scan is dearer than any look-up, and statistics say so. */
const ROWS = 20_000;
const TENANT = 'acme';

/** So that sagas are met in parts, long after they began. */
const later = { now: () => Date.now() + 3_600_000 };

const EVENTS = 'a topic’s events by position';
const TIMELINE = 'a topic’s events by subject';
/** What was given back of a payment. */
const REFUNDED = 'refund_totals_pkey';

/** No group of ours reads what integrity has found. No message goes through the hub here, whose log is read by the same statement. */
const READ_TOPICS = [...new Set(TOPOLOGY.groups.flatMap(({ topics }) => topics))].filter(
  (topic) => topic !== 'hub',
);

/** The indexes that each hot statement stands on; `[]` for a plain insert. The ledger, and payments for refunds, pin their own (plans.db.test.ts). */
const HOT: Readonly<Record<string, readonly string[]>> = {
  'payments.idempotency_select': ['idempotency_keys_pkey'],
  'payments.idempotency_insert': [],
  'payments.find_references': ['payment_references_pkey'],
  'payments.insert_references': [],
  'payments.free_references': ['payment_references_pkey', 'payments_pkey'],
  'payments.insert_payments': [],
  'payments.update_statuses': ['payments_pkey'],
  'authorization.find_sagas': ['sagas_pkey'],
  'authorization.insert_sagas': [],
  'authorization.update_sagas': ['sagas_pkey'],
  'notification.find_notifications': ['notifications_pkey'],
  'notification.insert_notifications': [],
  'notification.insert_card_notifications': [],
  'integrity.find_followed': ['followed_pkey'],
  'integrity.find_verdicts': ['verdicts_pkey'],
  'integrity.save_verdicts': [],
  'integrity.save_followed': ['verdicts_pkey'],
  'integrity.unfollow': ['followed_pkey'],
  'integrity.withdraw_verdicts': ['verdicts_pkey'],
  'integrity.read_timelines': [TIMELINE],
  'integrity.lock_findings': ['findings_subject'],
  ...Object.fromEntries(READ_TOPICS.map((topic) => [`${topic}.read_ranges`, [EVENTS]])),
  'validation.subjects_in': [TIMELINE],
};

/** Of tables that have a row per partition and no more, or functions over such: they do not grow. */
const BOUNDED = /^(log\.(heads|positions|lock_positions|move_positions|lags|notify)|\w+\.append(_at)?)$/;
const LEDGERS_OWN = /^ledger\.(?!read_ranges)/;
/** Of refunds and of what waits for a person; pinned with the service (plans.db.test.ts). */
const PAYMENTS_OWN =
  /^payments\.(\w*refund\w*|load_changeable|\w+_reconciliations)$|^validation\.causations_in$/;
/** Pinned with the service (plans.db.test.ts). */
const PROVIDERS_OWN = /^providers\.(?!read_ranges)/;
const CONSOLIDATIONS_OWN = /^consolidation\./;
/** Of webhooks; pinned with them (plans.db.test.ts). */
const WEBHOOKS_OWN = /^notification\.find_(endpoints_of|messages)$/;
/**
 * What is asked about dead letters while there are none: behind the positions, and by the look for orders. No batch asks. The
 * others are pinned with them (plans.db.test.ts).
 */
const NO_DEAD_LETTERS = [
  'log.find_keys_to_work_off',
  'log.find_parked_partitions',
  'log.find_pending_orders',
  'log.load_parked_keys',
];
const TESTS_OWN = /^(tests\.|begin$)/;

/** Nothing else here tells of cards. */
const APPROVED = {
  type: 'card.approved',
  version: 1,
  subject: newId('ctx'),
  tenant: TENANT,
  key: '123',
  data: { merchant: 'BAR', mcc: '5811', category: 'MEAL', amount: 1, currency: 'BRL' },
  correlationId: 'cor',
  causation: newId('req'),
  traceparent: null,
};

let database: TestDatabase;
let owner: Client;
let sent: ReadonlyMap<string, Statement>;

beforeAll(async () => {
  database = await createProductDatabase();
  owner = new Client({ connectionString: database.url });
  await owner.connect();
  const recording = recordStatements();
  ({ sent } = recording);
  const engine = await startEngine(database.url);
  await payWith(engine);
  await engine.close();
  const straight = await startEngine(database.url, { straightThrough: true });
  await straight.submit({ amount: 1 });
  await straight.settled();
  await straight.close();
  await appendEvents({ url: database.url, partitions: PARTITIONS }, 'cards', [APPROVED]);
  for (const [group, deliver] of Object.entries(DELIVERIES)) {
    await setBack(database.url, [group]);
    await owner.query('truncate integrity.verdicts');
    await deliver(database.url, { batchMax: 7, clock: later });
  }
  await disturbVerdict();
  recording.stop();
});

/** A completed payment is doubted, and its verdict withdrawn: the rare statements are sent too. */
async function disturbVerdict(): Promise<void> {
  const { rows } = await owner.query<{ subject: string; key: string }>(
    `select subject, key from "authorization".events where type = 'payment.completed' limit 1`,
  );
  const { subject, key } = rows[0] ?? { subject: '', key: '' };
  const said = {
    version: 1,
    subject,
    tenant: TENANT,
    key,
    correlationId: 'cor',
    causation: newId('req'),
    traceparent: null,
  };
  const place = { url: database.url, partitions: PARTITIONS };
  await appendEvents(place, 'payments', [
    { ...said, type: 'payment.cancel_requested', data: { actor: 'sandbox' } },
  ]);
  await appendEvents(place, 'providers', [
    { ...said, type: 'provider.cancelled', data: { attempts: 1, detail: 'Nobody asked.' } },
  ]);
  await DELIVERIES['integrity']?.(database.url, { batchMax: 500, clock: later });
}

afterAll(async () => {
  await owner.end();
  await database.drop();
});

function named(indexes: readonly string[]): string[] {
  const places = indexes.map((index) => {
    if (/^events_\d{6}_pkey$/.test(index)) return EVENTS;
    return /^events_\d{6}_subject_idx$/.test(index) ? TIMELINE : index;
  });
  return [...new Set(places)].toSorted();
}

test('every statement that the workers send is pinned', () => {
  const others = [...sent.keys()].filter(
    (name) =>
      ![BOUNDED, LEDGERS_OWN, PAYMENTS_OWN, PROVIDERS_OWN, CONSOLIDATIONS_OWN, WEBHOOKS_OWN, TESTS_OWN].some(
        (pattern) => pattern.test(name),
      ),
  );
  expect(others.filter((name) => !(name in HOT)).toSorted()).toEqual(NO_DEAD_LETTERS);
  expect(Object.keys(HOT).filter((name) => !sent.has(name))).toEqual([]);
});

function pinPlans(statements: readonly string[] = Object.keys(HOT)): void {
  const hot = Object.entries(HOT).filter(([name]) => statements.includes(name));
  test.each(hot)('%s looks up, whatever it is given', async (name, indexes) => {
    const statement = sent.get(name);
    if (statement === undefined) throw new Error(`${name} was never sent`);
    const plan = await hotPlan(database.url, statement);
    expect({ indexes: named(plan.indexes), faults: plan.faults, sorts: plan.sorts }).toEqual({
      indexes,
      faults: [],
      sorts: [],
    });
  });
}

describe('on tables that statistics call empty', () => {
  beforeAll(async () => {
    await owner.query(`truncate ${(await tables()).join(', ')}`);
    await owner.query('vacuum analyze');
  });

  pinPlans(Object.keys(HOT));
});

async function tables(): Promise<string[]> {
  const { rows } = await owner.query<{ name: string }>(
    `select format('%I.%I', n.nspname, c.relname) as name from pg_class c join pg_namespace n on n.oid = c.relnamespace
     where n.nspname = any ($1) and c.relkind in ('r', 'p') and not c.relispartition`,
    [TOPOLOGY.schemas],
  );
  return rows.map(({ name }) => name);
}

/** Reads as their classes send them: recorded with their values on the way to the database. */
class RecordingReader implements Reader {
  readonly asked: { text: string; values: readonly unknown[] }[] = [];

  async query<Row>(text: string, values: readonly unknown[]): Promise<Row[]> {
    this.asked.push({ text, values });
    return (await owner.query<Row & object>(text, [...values])).rows;
  }
}

describe('on tables with many rows', () => {
  beforeAll(fill);

  pinPlans();

  const id = 'pay_01m7xbck58f2kamhpf5zbx50v7';
  const uuid = '01a1d2b6-4ca8-78a9-4544-cf2fd7d28367';
  const page = { before: uuid, limit: 51 };
  const READS: readonly (readonly [string, (reader: Reader) => Promise<unknown>, readonly string[]])[] = [
    ['a payment', (reader) => new PaymentReads(reader).find(TENANT, uuid), ['payments_pkey', REFUNDED]],
    [
      'a page of payments',
      (reader) => new PaymentReads(reader).list(TENANT, {}, page),
      ['payments_pkey', REFUNDED],
    ],
    [
      'a page of a wallet’s payments',
      (reader) => new PaymentReads(reader).list(TENANT, { walletId: 'w-1' }, page),
      ['payments_wallet', REFUNDED],
    ],
    [
      'a page of a service’s payments',
      (reader) => new PaymentReads(reader).list(TENANT, { serviceId: 's-1' }, page),
      ['payments_service', REFUNDED],
    ],
    [
      'a page of the payments of a reference',
      (reader) => new PaymentReads(reader).list(TENANT, { reference: 'r-1', walletId: 'w-1' }, page),
      ['payments_reference', REFUNDED],
    ],
    [
      'a page of the payments of a status and a time',
      (reader) =>
        new PaymentReads(reader).list(TENANT, { status: 'declined', createdFrom: 0, createdTo: 1 }, page),
      ['payments_pkey', REFUNDED],
    ],
    [
      'the verdict of a payment under way',
      (reader) => new VerdictReads(reader, TOPOLOGY.topics).find(TENANT, id),
      ['verdicts_pkey', TIMELINE],
    ],
    ['a timeline', (reader) => new VerdictReads(reader, TOPOLOGY.topics).timeline(TENANT, id), [TIMELINE]],
    [
      'what was told of a payment',
      (reader) => new NotificationReads(reader).list(TENANT, id),
      ['notifications_pkey'],
    ],
    ['a page of a log', (reader) => new LogPages(reader).read('payments', TENANT, [15_000], 50), [EVENTS]],
  ];

  test.each(READS)('%s is read by look-ups', async (_what, read, indexes) => {
    const reader = new RecordingReader();
    await read(reader);
    const growing = reader.asked.filter(({ text }) => !text.includes('from log.heads'));
    const plans = await Promise.all(growing.map(({ text, values }) => readPlan(database.url, text, values)));
    expect(plans.flatMap(({ faults }) => faults)).toEqual([]);
    expect(named(plans.flatMap((plan) => plan.indexes))).toEqual([...indexes].toSorted());
  });
});

async function fill(): Promise<void> {
  const n = `generate_series(1, ${ROWS}) n`;
  await owner.query(
    `insert into payments.payments (tenant, id, wallet_id, service_id, amount, currency, method, reference, status,
                                    correlation_id, created_at, updated_at)
     select '${TENANT}', gen_random_uuid(), 'w-' || n % 10000, 's-' || n % 500, 1, 'USD', 'balance', 'r-' || n, 'completed',
            'c', now(), now()
     from ${n};
     insert into payments.payment_references select '${TENANT}', 'w-' || n % 10000, 's-1', 'r-' || n, gen_random_uuid() from ${n};
     insert into payments.refund_totals select '${TENANT}', gen_random_uuid(), 1, 1, 1 from ${n};
     insert into payments.idempotency_keys select gen_random_uuid(), '{}', 202, '{}', now() from ${n};
     insert into "authorization".sagas
     select gen_random_uuid(), 'payment.balance/1', 'completed', 'w', 's', 1, 'USD', 'balance', now() from ${n};
     insert into notification.notifications
     select 'pay_' || n, 'payment.completed', gen_random_uuid(), '${TENANT}', '{}', now() from ${n};
     insert into integrity.verdicts select 'pay_' || n, '${TENANT}', 'complete', '[]', '[]', now() from ${n};
     insert into integrity.followed select 'pay_' || n, '${TENANT}', '[]', now() from ${n}`,
  );
  for (const topic of TOPOLOGY.topics) {
    await owner.query(
      `insert into "${topic}".events select 0, n, 'tick', 1, 'pay_' || n, '${TENANT}', 'k', '{}', now(), 'c', 'r' from ${n}`,
    );
  }
  await owner.query('update log.heads set position = $1 where partition = 0', [ROWS]);
  await owner.query('vacuum analyze');
}
