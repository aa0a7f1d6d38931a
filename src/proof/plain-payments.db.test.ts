/**
 * The short way accepts nothing that the long one would report: whatever is done to a row of a plain payment, both find the
 * same.
 */
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { PaymentId } from '#kernel/ids.ts';
import { cloneTestDatabase, type TestDatabase } from '../../tests/database.ts';
import { type PaidInstallation, payEveryEnding } from '../../tests/paid-installation.ts';
import { SeededRandom } from '../../tests/seeded-random.ts';
import { rangeOf } from './id-ranges.ts';
import { Lane } from './lane.ts';
import { findPlain } from './plain-payments.ts';
import { Phase } from './progress.ts';
import { newChecks } from './report.ts';
import { verifyPaymentRows } from './verify-payment-rows.ts';
import { verifyPayments } from './verify-payments.ts';

/** Drawn of all columns of all rows of a few payments; more of them by the environment. */
const DAMAGES = Number(process.env['DAMAGES'] ?? 100);
const seed = Number(process.env['SEED'] ?? Date.now() % 1_000_000_000);

/** What is kept of a payment, and the columns by which rows of it are found. */
const TABLES = {
  'payments.events': 'subject',
  'validation.events': 'subject',
  '"authorization".events': 'subject',
  'ledger.events': 'subject',
  'notification.events': 'subject',
  'notification.notifications': 'subject',
  'integrity.verdicts': 'subject',
  'payments.payments': 'id',
  'payments.payment_references': 'payment_id',
  '"authorization".sagas': 'payment_id',
  'ledger.holds': 'id',
  'ledger.entries': 'id',
} as const;
type Table = keyof typeof TABLES;

let sound: PaidInstallation;
let database: TestDatabase;
let owner: pg.Client;
let lanes: Lane[];

beforeAll(async () => {
  sound = await payEveryEnding();
  database = await cloneTestDatabase(sound.database);
  owner = new pg.Client({ connectionString: database.url });
  await owner.connect();
  lanes = [new Lane(database.url), new Lane(database.url)];
});

afterAll(async () => {
  await Promise.all(lanes.map((lane) => lane.close()));
  await owner.end();
  await database.drop();
  await sound.database.drop();
});

function newPhase(): Phase {
  return new Phase({ name: 'proof', total: 0, onProgress: () => undefined, signal: undefined });
}

/** What one way finds, and how much it has looked at. */
async function findingsOf(exhaustive: boolean): Promise<string[]> {
  const checks = newChecks();
  const { counts, proved } = await verifyPayments(lanes, { checks, phase: newPhase(), exhaustive });
  await verifyPaymentRows(lanes[0] as Lane, {
    check: checks.payments,
    phase: newPhase(),
    proved: exhaustive ? undefined : proved,
  });
  return [
    JSON.stringify(counts),
    ...Object.values(checks)
      .flatMap((check) => check.report().findings.map((finding) => JSON.stringify([check.name, finding])))
      .sort(),
  ];
}

async function expectTheSame(what: string): Promise<void> {
  const short = await findingsOf(false);
  const long = await findingsOf(true);
  expect({ what, found: short }).toEqual({ what, found: long });
}

async function plainAmong(payments: readonly PaymentId[]): Promise<number> {
  const lane = lanes[0] as Lane;
  const found = await lane.snapshot((reader) =>
    Promise.all(payments.map((payment) => findPlain(reader, rangeOf(payment)))),
  );
  return found.reduce((sum, { payments: plain }) => sum + plain, 0);
}

type Row = Record<string, unknown>;

interface Place {
  readonly table: Table;
  readonly ctid: string;
  readonly tableoid: string;
}

/** One row of a payment that is plain. */
async function someRow(random: SeededRandom, table: Table): Promise<(Place & { row: Row }) | undefined> {
  const { rows } = await owner.query<{ ctid: string; tableoid: string; row: Row }>(
    `select t.ctid::text, t.tableoid::text, to_jsonb(t) as row from ${table} t
     where t.${TABLES[table]}::text in (
       select ${TABLES[table] === 'subject' ? 'e.subject' : 'p.id::text'}
       from payments.payments p join payments.events e on e.correlation_id = p.correlation_id
       where p.status = 'completed')
     order by 1, 2`,
  );
  return rows.length === 0 ? undefined : { table, ...random.pick(rows) };
}

/** As SQL, over the column's own value; small, and most of them what JSON would read as it was before, or nearly. */
const CHANGES: Readonly<Record<string, readonly string[]>> = {
  text: [
    "$ || ' '",
    "' ' || $",
    "$ || 'x'",
    'upper($)',
    'null',
    "''",
    "replace($, '1', '2')",
    "replace($, '\"', '''')",
    "replace($, '}', ',\"amount\":1}')",
    'replace($, \'}\', \',"currency":"EUR"}\')',
    "replace($, 'wallet', E'w\\\\u0061llet')",
    "replace($, ':', ': ')",
    "replace($, 'e', chr(1))",
    'replace($, \'"currency"\', \'"amount":7,"currency"\')',
    "regexp_replace($, '([0-9])([^0-9]*)$', '0\\1\\2')",
    'regexp_replace($, \'"amount":([0-9]+)\', \'"amount":0\\1\')',
    'regexp_replace($, \'"amount":([0-9]+)\', \'"amount":\\1.0\')',
    'regexp_replace($, \'"sequence":([0-9]+)\', \'"sequence":-\\1\')',
    'regexp_replace($, \'"posted_after":(-?[0-9]+)\', \'"posted_after":\\1e0\')',
    `regexp_replace($, '("posted_after":)(-?[0-9]+)', '\\1\\2,\\1"x"')`,
    `regexp_replace($, '("posted_after":)(-?[0-9]+)(,"posted_at":"[^"]*"}])', '\\1\\2,\\1"x"\\3')`,
    'regexp_replace($, \'"posted_at":"....\', \'"posted_at":"2026-02-30\')',
    'regexp_replace($, \'"amount_text":"[^"]*"\', \'"amount_text":"\\\\"\')',
    'regexp_replace($, \'"timestamp":"[^"]*"\', \'"timestamp":"","type":"x"\')',
    "regexp_replace($, '/([0-9]+)', '/0\\1')",
  ],
  uuid: ['gen_random_uuid()', '($::text::uuid)', "reverse(replace($::text, '-', ''))::uuid"],
  bigint: ['$ + 1', '$ - 1', '-$', '0', '1'],
  smallint: ['$ + 1', '0::smallint'],
  'timestamp with time zone': [
    "$ + interval '1 microsecond'",
    "$ + interval '1 millisecond'",
    "$ - interval '1 millisecond'",
    "$ - interval '1 day'",
    'null',
  ],
  date: ["date '2026-01-01'"],
};

interface Column {
  readonly name: string;
  readonly type: string;
}

async function columnsOf(table: Table): Promise<Column[]> {
  const { rows } = await owner.query<Column>(
    `select attname as name, format_type(atttypid, null) as type from pg_attribute
     where attrelid = $1::regclass and attnum > 0 and not attisdropped`,
    [table],
  );
  return rows;
}

/** Does it, compares the ways, and undoes it; false if the database's own constraints do not let it be done. */
async function tryDamage(
  text: string,
  place: Place,
  undo: (damaged: Place) => Promise<unknown>,
): Promise<boolean> {
  const made = await owner.query<{ ctid: string; tableoid: string }>(text).catch((error: unknown) => {
    if (error instanceof pg.DatabaseError && /^(22|23|42)/.test(error.code ?? '')) return undefined;
    throw error;
  });
  const [row] = made?.rows ?? [];
  if (row === undefined) return false;
  try {
    await expectTheSame(`seed ${seed}: ${text}`);
  } finally {
    await undo({ table: place.table, ...row });
  }
  return true;
}

const AT = ({ table, ctid, tableoid }: Place) =>
  `from ${table} t where t.ctid = '${ctid}' and t.tableoid = ${tableoid}`;
const WHERE = ({ ctid, tableoid }: Place) => `ctid = '${ctid}' and tableoid = ${tableoid}`;

async function change(random: SeededRandom, table: Table): Promise<boolean> {
  const place = await someRow(random, table);
  if (place === undefined) return false;
  const { name, type } = random.pick(await columnsOf(table));
  const value = random.pick(CHANGES[type] ?? []).replaceAll('$', () => `"${name}"`);
  const text = `update ${table} set "${name}" = ${value} where ${WHERE(place)} and "${name}" is distinct from (${value})
    returning ctid::text, tableoid::text`;
  const before = place.row[name];
  return tryDamage(text, place, (damaged) =>
    owner.query(`update ${table} set "${name}" = $1 where ${WHERE(damaged)}`, [before]),
  );
}

async function remove(random: SeededRandom, table: Table): Promise<boolean> {
  const place = await someRow(random, table);
  if (place === undefined) return false;
  const text = `delete from ${table} where ${WHERE(place)} returning ctid::text, tableoid::text`;
  return tryDamage(text, place, () =>
    owner.query(`insert into ${table} select (jsonb_populate_record(null::${table}, $1)).*`, [place.row]),
  );
}

/** Another row like it, at another place or of another id. */
async function copy(random: SeededRandom, table: Table): Promise<boolean> {
  const place = await someRow(random, table);
  if (place === undefined) return false;
  const others: readonly Row[] = [
    { position: 900_001 },
    { position: 900_001, subject: `ref_${String(place.row['subject']).slice(4)}` },
    { position: 900_001, subject: 'pay_nothing', type: 'payment.failed' },
    { type: 'payment.failed' },
    { id: '018f0000-0000-7000-8000-000000000000', payment_id: '018f0000-0000-7000-8000-000000000000' },
    { id: 'ffffffff-ffff-ffff-ffff-ffffffffffff', payment_id: 'ffffffff-ffff-ffff-ffff-ffffffffffff' },
    { sequence: 900_001, reference: 'another' },
  ];
  const text = `insert into ${table}
    select (jsonb_populate_record(null::${table}, to_jsonb(t) || '${JSON.stringify(random.pick(others))}')).* ${AT(place)}
    returning ctid::text, tableoid::text`;
  return tryDamage(text, place, (made) => owner.query(`delete from ${table} where ${WHERE(made)}`));
}

test('what was completed from the balance is plain, but for texts that JSON escapes', async () => {
  expect(await plainAmong(sound.completed)).toBe(sound.completed.length - 1);
  await expectTheSame('sound');
});

test(`U14: both ways find the same of damages to any column of any row of plain payments (seed ${seed})`, async () => {
  const random = new SeededRandom(seed);
  const kinds = [change, change, change, change, remove, copy];
  const tables = Object.keys(TABLES) as Table[];
  let done = 0;
  for (let drawn = 0; drawn < DAMAGES; drawn++)
    if (await random.pick(kinds)(random, random.pick(tables))) done++;
  expect(done).toBeGreaterThan(DAMAGES / 3);
  await expectTheSame('undone');
}, 120_000);

const ONE = `(select id from payments.payments where status = 'completed' and reference is null order by id offset 3 limit 1)`;
const ITS_REQUEST = `payments.events e where e.correlation_id = (select correlation_id from payments.payments where id = ${ONE})`;

/** Whoever owns the database can edit both: that they are equal proves nothing yet. */
const EQUAL: readonly (readonly [what: string, member: string, value: string])[] = [
  ['metadata that JSON renders otherwise', 'metadata', '{ "order": 7}'],
  ['metadata with a member behind them', 'metadata', '{"order":7},"amount":5'],
  ['metadata that are no JSON', 'metadata', '{order}'],
  ['metadata that are sound', 'metadata', '{"order":7}'],
  ['metadata that are null in the row as well', 'metadata', 'null'],
  ['a description with a member in it', 'description', 'a","amount":5,"more":"'],
  ['a description with an escaped quote', 'description', 'a\\"'],
  ['a description with a line feed', 'description', 'a\nb'],
];

/** Edits that one payment's row and the event of its request, and undoes it; what each way finds in between. */
async function waysOnceEdited(edit: () => Promise<void>): Promise<{ short: string[]; long: string[] }> {
  const { rows: events } = await owner.query<{ row: Row }>(`select to_jsonb(e) as row from ${ITS_REQUEST}`);
  const { rows: payments } = await owner.query<{ row: Row }>(
    `select to_jsonb(p) as row from payments.payments p where p.id = ${ONE}`,
  );
  const [request, payment] = [events[0]?.row ?? {}, payments[0]?.row ?? {}];
  try {
    await edit();
    return {
      short: await findingsOf(false),
      long: await findingsOf(true),
    };
  } finally {
    await owner.query(
      'update payments.events set data = $1, occurred_at = $2 where partition = $3 and position = $4',
      [request['data'], request['occurred_at'], request['partition'], request['position']],
    );
    await owner.query(
      'update payments.payments set metadata = $1, description = $2, created_at = $3 where id = $4',
      [payment['metadata'], payment['description'], payment['created_at'], payment['id']],
    );
  }
}

describe('a log and a row that say the same, wrongly:', () => {
  test.each(EQUAL)('%s', async (_, member, value) => {
    const { short, long } = await waysOnceEdited(async () => {
      const told = member === 'metadata' ? value : `"${value}"`;
      await owner.query(
        `update payments.events set data = replace(data, '"${member}":null', $1)
         where (partition, position) = (select partition, position from ${ITS_REQUEST})`,
        [`"${member}":${told}`],
      );
      await owner.query(`update payments.payments set ${member} = $1 where id = ${ONE}`, [value]);
    });
    expect(short).toEqual(long);
  });

  test('a microsecond more in both', async () => {
    const { short, long } = await waysOnceEdited(async () => {
      await owner.query(
        `update payments.events set occurred_at = occurred_at + interval '1 microsecond'
         where (partition, position) = (select partition, position from ${ITS_REQUEST})`,
      );
      await owner.query(
        `update payments.payments set created_at = created_at + interval '1 microsecond' where id = ${ONE}`,
      );
    });
    expect(short).toEqual(long);
  });
});
