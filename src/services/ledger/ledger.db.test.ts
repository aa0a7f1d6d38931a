import { Client } from 'pg';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { EpochMs } from '#kernel/clock.ts';
import { idOf, newId, type PaymentId, uuidOf } from '#kernel/ids.ts';
import type { CommandOutcome } from '#platform/batch/command-worker.ts';
import { prepareAppend, sendAppend } from '#platform/log/append.ts';
import type { LogEvent } from '#platform/log/event.ts';
import { DatabaseFault } from '#platform/postgres/faults.ts';
import { type Session, statement, type Transaction } from '#platform/postgres/session.ts';
import type { PaymentAuthorized } from '#services/authorization/contract.ts';
import { type LedgerFixture, type LedgerProcess, openLedger, TENANT } from '../../../tests/ledger-fixture.ts';
import type { Books } from './books.ts';
import { ledgerConsumer } from './consumer.ts';
import { accountRef } from './contract.ts';

let ledger: LedgerFixture;
let one: LedgerProcess;
let other: LedgerProcess;

beforeAll(async () => {
  ledger = await openLedger();
  one = ledger.process();
  other = ledger.process();
  await one.order({ operation: 'accounts.create', id: 'outside', kind: 'external', currency: 'USD' });
});

afterAll(() => ledger.close());

let accounts = 0;

async function givenAccount(fundedMinor = 0n, floor: number | null = 0): Promise<string> {
  accounts += 1;
  const id = `account-${accounts}`;
  await one.order({ operation: 'accounts.create', id, kind: 'wallet', currency: 'USD', floor });
  if (fundedMinor > 0n) expect(statusOf(await transfer(one, ['outside', id, fundedMinor]))).toBe(201);
  return id;
}

type Move = readonly [from: string, to: string, amount: bigint];

function transfer(
  process: LedgerProcess,
  [from, to, amount]: Move,
  idempotencyKey?: string,
): Promise<CommandOutcome> {
  const postings = [
    { account_id: from, direction: 'debit', amount: Number(amount) },
    { account_id: to, direction: 'credit', amount: Number(amount) },
  ] as const;
  const order = { operation: 'journal_entries.create', postings } as const;
  return process.order(order, idempotencyKey === undefined ? {} : { idempotencyKey });
}

function statusOf({ answer }: CommandOutcome): number {
  return answer.status;
}

function codeOf({ answer }: CommandOutcome): string {
  return (JSON.parse(answer.body) as { code: string }).code;
}

async function postedOf(id: string): Promise<bigint | undefined> {
  return (await ledger.reads.findAccount(TENANT, id))?.balance.postedMinor;
}

const ref = (id: string) => ({ tenant: TENANT, id });

/** Changes the books under the lock of the account and commits only when told. */
async function holding(
  session: Session,
  accountId: string,
  change: (books: Books) => void,
  wanted: { holds?: string[] } = {},
) {
  const gate = Promise.withResolvers<void>();
  const locked = Promise.withResolvers<void>();
  const committed = session.transaction(async (tx) => {
    const books = await one.store.openBooks(tx, { accounts: [ref(accountId), ref('outside')], ...wanted });
    change(books);
    one.store.saveBooks(tx, books, Date.now());
    locked.resolve();
    await gate.promise;
  });
  await locked.promise;
  return {
    commit: () => {
      gate.resolve();
      return committed;
    },
  };
}

/** `load` in one session while the change waits in another for its commit; what it then has loaded. */
async function loadedBehind<Loaded>(
  accountId: string,
  change: (books: Books) => void,
  load: (tx: Transaction) => Promise<Loaded>,
  wanted: { holds?: string[] } = {},
): Promise<Loaded> {
  const [first, second] = [ledger.session('first'), ledger.session('second')];
  const holder = await holding(first, accountId, change, wanted);
  const loading = second.transaction(load);
  await ledger.somebodyWaits();
  await holder.commit();
  return loading;
}

/** 10 of an account outside, held for this one, and not committed yet. */
function promising(refund: string, accountId: string) {
  return holding(ledger.session('promiser'), accountId, (books) => {
    const promise = { id: refund, tenant: TENANT, amountMinor: 10n };
    expect(books.reserve({ ...promise, accountId: 'outside', payeeId: accountId }).ok).toBe(true);
  });
}

function transferDraft(from: string, to: string, amountMinor: bigint, id: string) {
  return {
    id,
    tenant: TENANT,
    cause: id,
    purpose: 'manual',
    postings: [
      { accountId: from, amountMinor: -amountMinor },
      { accountId: to, amountMinor },
    ],
  } as const;
}

async function givenHold(accountId: string, amountMinor: bigint): Promise<PaymentId> {
  const payment = newId('pay');
  await ledger.session('holder').transaction(async (tx) => {
    const books = await one.store.openBooks(tx, { accounts: [ref(accountId)] });
    const held = books.reserve({ id: uuidOf(payment), tenant: TENANT, accountId, amountMinor });
    expect(held.ok).toBe(true);
    one.store.saveBooks(tx, books, Date.now());
  });
  return payment;
}

describe('R2: who waits for a lock loads what its holder has left', () => {
  test('a hold that was released is not seen open beside its account', async () => {
    const id = await givenAccount(100n);
    const hold = uuidOf(await givenHold(id, 30n));
    const release = (books: Books) => expect(books.release(hold).ok).toBe(true);
    const books = await loadedBehind(
      id,
      release,
      (tx) => other.store.openBooks(tx, { accounts: [ref(id)], holds: [hold] }),
      { holds: [hold] },
    );
    expect(books.find(TENANT, id)).toMatchObject({ postedMinor: 100n, heldMinor: 0n });
    expect(books.findHold(hold)?.state).toBe('released');
  });

  test('a hold that was placed is seen with its account', async () => {
    const id = await givenAccount(100n);
    const hold = uuidOf(newId('pay'));
    const place = (books: Books) =>
      expect(books.reserve({ id: hold, tenant: TENANT, accountId: id, amountMinor: 70n }).ok).toBe(true);
    const books = await loadedBehind(id, place, (tx) =>
      other.store.openBooks(tx, { accounts: [ref(id)], holds: [hold] }),
    );
    expect(books.find(TENANT, id)?.heldMinor).toBe(70n);
    expect(books.findHold(hold)).toMatchObject({ state: 'open', amountMinor: 70n });
  });

  test('an entry that was posted is found, and not posted again (R5)', async () => {
    const id = await givenAccount(100n);
    const entry = transferDraft(id, 'outside', 40n, uuidOf(newId('jen')));
    const post = (books: Books) => expect(books.post(entry, Date.now()).ok).toBe(true);
    const books = await loadedBehind(id, post, (tx) =>
      other.store.openBooks(tx, { accounts: [ref(id), ref('outside')], entries: [entry.id] }),
    );
    expect(books.find(TENANT, id)).toMatchObject({ postedMinor: 60n, sequence: 2n });
    expect(books.post(entry, Date.now())).toEqual({ ok: true, value: 'already' });
  });

  test('an account that was closed takes nothing', async () => {
    const id = await givenAccount();
    const close = (books: Books) => expect(books.closeAccount(TENANT, id).ok).toBe(true);
    const books = await loadedBehind(id, close, (tx) => other.store.openBooks(tx, { accounts: [ref(id)] }));
    expect(books.find(TENANT, id)?.status).toBe('closed');
  });

  test('a batch of requests decides by it: an account that got money while it waited is not closed', async () => {
    const id = await givenAccount();
    const entry = transferDraft('outside', id, 1n, uuidOf(newId('jen')));
    const holder = await holding(ledger.session('holder'), id, (books) =>
      expect(books.post(entry, Date.now()).ok).toBe(true),
    );
    const closing = other.order({ operation: 'accounts.close', account_id: id });
    await ledger.somebodyWaits();
    await holder.commit();
    expect(codeOf(await closing)).toBe('ledger.account_not_empty');
  });

  test('nor one that a refund was promised while it waited, until that has ended (B6)', async () => {
    const id = await givenAccount();
    const refund = uuidOf(newId('ref'));
    const promised = await promising(refund, id);
    const closing = other.order({ operation: 'accounts.close', account_id: id });
    await ledger.somebodyWaits();
    await promised.commit();
    expect(codeOf(await closing)).toBe('ledger.account_not_empty');
    const again = { operation: 'accounts.close', account_id: id } as const;
    expect(codeOf(await other.order(again))).toBe('ledger.account_not_empty');
    const ended = await holding(
      ledger.session('holder'),
      id,
      (books) => expect(books.release(refund).ok).toBe(true),
      {
        holds: [refund],
      },
    );
    await ended.commit();
    expect(statusOf(await other.order(again))).toBe(200);
  });

  test('a refund is not promised to an account that was closed while it waited (B6)', async () => {
    const id = await givenAccount();
    const close = (books: Books) => expect(books.closeAccount(TENANT, id).ok).toBe(true);
    const books = await loadedBehind(id, close, (tx) =>
      other.store.openBooks(tx, { accounts: [ref('outside'), ref(id)] }),
    );
    const promise = { id: uuidOf(newId('ref')), tenant: TENANT, amountMinor: 10n };
    const held = books.reserve({ ...promise, accountId: 'outside', payeeId: id });
    expect(held).toMatchObject({ ok: false, problem: { code: 'ledger.account_closed' } });
  });

  test('a batch of events decides by it: a hold that was released while it waited is not captured', async () => {
    const [id, payee] = [await givenAccount(100n), await givenAccount()];
    const payment = await givenHold(id, 30n);
    const event = authorized(payment, id, payee);
    const consumer = ledgerConsumer(other.store);
    const release = (books: Books) => expect(books.release(uuidOf(payment)).ok).toBe(true);
    const loaded = await loadedBehind(id, release, (tx) => consumer.load(tx, [event]), {
      holds: [uuidOf(payment)],
    });
    expect(consumer.decide(loaded, [event], Date.now()).drafts).toMatchObject([
      { type: 'posting.refused', data: { payment_id: payment, code: 'ledger.hold_closed' } },
    ]);
  });

  test('a glance waits for nobody, and sees what is committed', async () => {
    const id = await givenAccount();
    const [first, second] = [ledger.session('first'), ledger.session('second')];
    const holder = await holding(first, id, (books) => expect(books.closeAccount(TENANT, id).ok).toBe(true));
    const glance = () => second.transaction((tx) => other.store.glance(tx, [ref(id), ref('nobody')]));
    expect([...(await glance())]).toEqual([[accountRef(ref(id)), { currency: 'USD', status: 'open' }]]);
    await holder.commit();
    expect((await glance()).get(accountRef(ref(id)))?.status).toBe('closed');
  });
});

function authorized(payment: PaymentId, wallet_id: string, service_id: string): LogEvent<PaymentAuthorized> {
  const hold_id = idOf('hld', uuidOf(payment));
  return {
    topic: 'authorization',
    partition: 0,
    position: 1,
    type: 'payment.authorized',
    version: 1,
    subject: payment,
    tenant: TENANT,
    key: wallet_id,
    data: { wallet_id, service_id, amount: 30, currency: 'USD', method: 'balance', hold_id },
    occurredAt: Date.now(),
    correlationId: newId('cor'),
    causation: 'validation/0/1',
    traceparent: null,
  };
}

describe('U3: an event delivered again', () => {
  async function deliver(event: LogEvent): Promise<readonly string[]> {
    const consumer = ledgerConsumer(other.store);
    return ledger.session('consumer').transaction(async (tx) => {
      const plan = consumer.decide(await consumer.load(tx, [event]), [event], Date.now());
      consumer.save(tx, plan);
      const { drafts } = plan;
      if (drafts.length > 0)
        await sendAppend(
          tx,
          prepareAppend({ topic: 'ledger', partitions: 4, occurredAt: Date.now(), drafts }),
        );
      return drafts.map(({ type }) => type);
    });
  }

  test('is not posted again', async () => {
    const [id, payee] = [await givenAccount(100n), await givenAccount()];
    const event = authorized(await givenHold(id, 30n), id, payee);
    expect([await deliver(event), await deliver(event)]).toEqual([['entry.posted'], []]);
    expect([await postedOf(id), await postedOf(payee)]).toEqual([70n, 30n]);
  });

  test('is not refused again', async () => {
    const [id, payee] = [await givenAccount(100n), await givenAccount()];
    const event = authorized(await givenHold(id, 30n), id, payee);
    await one.order({ operation: 'accounts.close', account_id: payee });
    expect([await deliver(event), await deliver(event)]).toEqual([['posting.refused'], []]);
    expect(await postedOf(id)).toBe(100n);
  });
});

describe('two processes', () => {
  test('that spend from one account never overdraw it', async () => {
    const id = await givenAccount(100n);
    const asked = Array.from({ length: 60 }, (_, index) =>
      transfer(index % 2 === 0 ? one : other, [id, 'outside', 3n]),
    );
    const answers = await Promise.all(asked);
    const accepted = answers.filter((outcome) => statusOf(outcome) === 201).length;
    expect([accepted, await postedOf(id)]).toEqual([33, 1n]);
    expect(new Set(answers.filter((outcome) => statusOf(outcome) !== 201).map(codeOf))).toEqual(
      new Set(['ledger.insufficient_funds']),
    );
    await expectGapless(id, 34);
  });

  test('that send money to and fro wait for each other instead of deadlocking (R3)', async () => {
    const ids = [await givenAccount(1000n), await givenAccount(1000n), await givenAccount(1000n)] as const;
    const asked = Array.from({ length: 120 }, (_, index) => {
      const [from, to] = [ids[index % 3], ids[(index + 1 + (index % 2)) % 3]] as [string, string];
      return transfer(index % 4 < 2 ? one : other, [from, to, 1n]);
    });
    expect(new Set((await Promise.all(asked)).map(statusOf))).toEqual(new Set([201]));
    expect([...one.failures, ...other.failures].filter(isDeadlock)).toEqual([]);
    const posted = await Promise.all(ids.map(postedOf));
    expect(posted.reduce((sum: bigint, balance) => sum + (balance ?? 0n), 0n)).toBe(3000n);
  });

  test('that open the same accounts in opposite order open each once', async () => {
    const ids = Array.from({ length: 20 }, (_, index) => `raced-${index}`);
    const open = (process: LedgerProcess) => (id: string) =>
      process.order({ operation: 'accounts.create', id, kind: 'wallet', currency: 'USD' });
    const [mine, theirs] = await Promise.all([
      Promise.all(ids.map(open(one))),
      Promise.all(ids.toReversed().map(open(other))),
    ]);
    const statuses = mine.map((outcome, index) => [
      statusOf(outcome),
      statusOf(theirs.at(-1 - index) as CommandOutcome),
    ]);
    for (const pair of statuses) expect(pair.toSorted((a, b) => a - b)).toEqual([201, 409]);
    const rows = await ledger.rows(
      `select from ledger.accounts join ledger.balances on account_key = key where id like 'raced-%'`,
    );
    expect(rows).toHaveLength(20);
    const events = await ledger.rows(
      `select from ledger.events where type = 'account.opened' and subject like 'raced-%'`,
    );
    expect(events).toHaveLength(20);
    expect([...one.failures, ...other.failures].filter(isDeadlock)).toEqual([]);
  });

  test('that get the same request do it once and answer alike (U1)', async () => {
    const id = await givenAccount(100n);
    const asked = Array.from({ length: 40 }, (_, index) =>
      transfer(index % 2 === 0 ? one : other, [id, 'outside', 60n], `once-${id}`),
    );
    const answers = await Promise.all(asked);
    expect(new Set(answers.map(({ answer }) => `${answer.status} ${answer.body}`)).size).toBe(1);
    expect(answers.filter(({ replayed }) => !replayed)).toHaveLength(1);
    expect(await postedOf(id)).toBe(40n);
  });

  test('whose clocks differ never let an account’s time go back (B3)', async () => {
    const id = await givenAccount();
    const now = Date.now();
    const [ahead, behind] = [
      ledger.process({ now: () => now + 5000 }),
      ledger.process({ now: () => now - 5000 }),
    ];
    await transfer(ahead, ['outside', id, 1n]);
    await transfer(behind, ['outside', id, 2n]);
    const rows = await ledger.rows<{ at: Date }>(
      'select posted_at as at from ledger.postings where account_key = (select key from ledger.accounts where id = $1) order by sequence',
      [id],
    );
    expect(rows.map(({ at }) => at.getTime())).toEqual([now + 5000, now + 5000]);
  });
});

describe('R3: locks are taken in one order, whatever order they are asked for in', () => {
  /** Of these accounts, those that nobody has locked. */
  async function unlocked(ids: readonly string[]): Promise<string[]> {
    const rows = await ledger.rows<{ id: string }>(
      `select a.id from ledger.balances b join ledger.accounts a on a.key = b.account_key
       where a.id = any ($1) for no key update of b skip locked`,
      [ids],
    );
    return rows.map(({ id }) => id).toSorted();
  }

  /** While `blocked` is held by another, the accounts that a load of `asked` has not locked. */
  async function unlockedBehind(blocked: string, asked: readonly string[]): Promise<string[]> {
    const holder = await holding(ledger.session('holder'), blocked, () => undefined);
    const loading = ledger
      .session('loader')
      .transaction((tx) => other.store.openBooks(tx, { accounts: asked.map(ref) }));
    await ledger.somebodyWaits();
    const left = await unlocked(asked);
    await holder.commit();
    await loading;
    return left;
  }

  test('of balances ascending', async () => {
    const [first, second, third] = [await givenAccount(), await givenAccount(), await givenAccount()];
    expect(await unlockedBehind(second, [third, second, first])).toEqual([third]);
  });

  test('those with a floor before those without, which many share and which are so held shortest', async () => {
    const floorless = await givenAccount(0n, null);
    const [first, second] = [await givenAccount(), await givenAccount()];
    expect(await unlockedBehind(second, [floorless, second, first])).toEqual([floorless]);
  });

  test('of new accounts by id', async () => {
    const owner = await holdingNewAccount('new-b');
    const opening = Promise.all(['new-c', 'new-a', 'new-b'].map((id) => openWallet(other, id)));
    await ledger.somebodyWaits();
    // By now new-a is entered and new-c is not: only the one of them would be waited for.
    expect([await isEntered('new-a'), await isEntered('new-c')]).toEqual([true, false]);
    await owner.rollback();
    expect((await opening).map(statusOf)).toEqual([201, 201, 201]);
  });

  function openWallet(process: LedgerProcess, id: string): Promise<CommandOutcome> {
    return process.order({ operation: 'accounts.create', id, kind: 'wallet', currency: 'USD' });
  }

  const INSERT = `insert into ledger.accounts (key, tenant, id, kind, currency, time_zone, opened_at)
                  values (nextval('ledger.account_keys'), $1, $2, 'wallet', 'USD', 'UTC', now())`;

  async function holdingNewAccount(id: string): Promise<{ rollback: () => Promise<void> }> {
    const client = new Client({ connectionString: ledger.url });
    await client.connect();
    await client.query('begin');
    await client.query(INSERT, [TENANT, id]);
    return { rollback: () => client.end() };
  }

  /** Whether some transaction under way has entered the id: then another that enters it waits. */
  async function isEntered(id: string): Promise<boolean> {
    await ledger.owner.query(`begin; set local lock_timeout = '50ms'`);
    const entering = await Promise.allSettled([ledger.owner.query(INSERT, [TENANT, id])]);
    await ledger.owner.query('rollback');
    return entering[0].status === 'rejected';
  }
});

function isDeadlock(error: unknown): boolean {
  return error instanceof DatabaseFault && error.state === '40P01';
}

async function expectGapless(id: string, count: number): Promise<void> {
  const rows = await ledger.rows<{ sequence: string; posted_after: string; running: string }>(
    `select sequence, posted_after, sum(amount) over (order by sequence) as running
     from ledger.postings where account_key = (select key from ledger.accounts where tenant = $1 and id = $2) order by sequence`,
    [TENANT, id],
  );
  expect(rows.map(({ sequence }) => Number(sequence))).toEqual(
    Array.from({ length: count }, (_, index) => index + 1),
  );
  for (const { posted_after, running } of rows) expect(posted_after).toBe(running);
}

describe('requests of one batch', () => {
  test('see what those before them did: an account is opened, funded, emptied and closed', async () => {
    const id = 'short-lived';
    const outcomes = await Promise.all([
      one.order({ operation: 'accounts.create', id, kind: 'wallet', currency: 'USD' }),
      transfer(one, ['outside', id, 5n]),
      one.order({ operation: 'accounts.close', account_id: id }),
      transfer(one, [id, 'outside', 5n]),
      one.order({ operation: 'accounts.close', account_id: id }),
      one.order({ operation: 'accounts.create', id, kind: 'wallet', currency: 'USD' }),
    ]);
    expect(outcomes.map(statusOf)).toEqual([201, 201, 409, 201, 200, 409]);
    const found = await ledger.reads.findAccount(TENANT, id);
    expect(found).toMatchObject({ status: 'closed', balance: { postedMinor: 0n } });
    await expectGapless(id, 2);
  });
});

describe('R7: the role that runs the services', () => {
  const COLUMNS = { entries: 'tenant', postings: 'amount', events: 'tenant', batches: 'first' };
  const CHANGES = Object.entries(COLUMNS).flatMap(([table, column]) => [
    `update ledger.${table} set ${column} = ${column}`,
    `delete from ledger.${table}`,
    `truncate ledger.${table}`,
  ]);

  test.each(CHANGES)('may not %s', async (sql) => {
    const denied = ledger.session('role').query(statement(`tests.${sql}`, sql), []);
    await expect(denied).rejects.toMatchObject({ state: '42501' });
  });

  test('nor change a month of postings by its own name', async () => {
    const [month] = await ledger.rows<{ name: string }>(MONTHS);
    for (const sql of [`update ${month?.name} set amount = 1`, `delete from ${month?.name}`]) {
      await expect(ledger.session('role').query(statement(`tests.${sql}`, sql), [])).rejects.toMatchObject({
        state: '42501',
      });
    }
  });
});

const MONTHS = `select inhrelid::regclass::text as name from pg_inherits where inhparent = 'ledger.postings'::regclass order by 1`;

function startOfMonth(monthsAhead: number): EpochMs {
  const now = new Date();
  return Date.UTC(now.getUTCFullYear(), now.getUTCMonth() + monthsAhead);
}

describe('postings by month', () => {
  test('there is room for this month and the next two, and asking again makes no more', async () => {
    const name = (monthsAhead: number) =>
      `ledger.postings_${new Date(startOfMonth(monthsAhead)).toISOString().slice(0, 7).replace('-', '')}`;
    expect((await ledger.rows<{ name: string }>(MONTHS)).map((row) => row.name)).toEqual([
      name(0),
      name(1),
      name(2),
    ]);
    const [again] = await ledger.rows<{ made: boolean }>(
      `select ledger.add_posting_month(date_trunc('month', now() at time zone 'UTC')::date) as made`,
    );
    expect(again?.made).toBe(false);
  });

  test('the balance at an instant is right on both sides of their border, and long after the last posting', async () => {
    const id = await givenAccount();
    const border = startOfMonth(1);
    for (const [at, amount] of [
      [border - 1, 1n],
      [border, 2n],
      [border, 4n],
    ] as const) {
      await transfer(ledger.process({ now: () => at }), ['outside', id, amount]);
    }
    const postedAt = async (at: EpochMs) =>
      (await ledger.reads.findAccountAt(TENANT, id, at))?.balance.postedMinor;
    expect(await postedAt(border - 2)).toBe(0n);
    expect(await postedAt(border - 1)).toBe(1n);
    expect(await postedAt(border)).toBe(7n);
    expect(await postedAt(startOfMonth(30))).toBe(7n);
  });
});
