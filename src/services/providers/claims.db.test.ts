/** Who is taken when: by room, by time, and none behind another partition's backlog. */
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { Session } from '#platform/postgres/session.ts';
import { type Held, waitingFor } from '../../../tests/held-rows.ts';
import { ProvidersFixture, TENANT } from '../../../tests/providers-fixture.ts';
import { attemptId } from './attempt.ts';
import { type Claim, claimDue, hastenQuestions, lockAttempts } from './store.ts';

const ALFA_ALONE = [{ currencies: null, minAmount: 1, maxAmount: 1_000_000, providers: ['alfa'] }];

let world: ProvidersFixture;
let session: Session;

beforeAll(async () => {
  world = await ProvidersFixture.open();
  session = new Session({ url: world.database.url, name: 'claims' });
});

beforeEach(async () => {
  await world.owner.query('update providers.attempts set due_at = null');
  world.alfa.conduct = () => undefined;
  world.alfa.seen.length = 0;
});

afterEach(() => world.stopProcesses());

afterAll(async () => {
  await session.close();
  await world.close();
});

interface Rows {
  readonly count?: number;
  readonly state?: 'waiting' | 'unknown';
  readonly provider?: string;
  readonly partition?: number;
  readonly isOverdue?: boolean;
  readonly others?: readonly string[];
  readonly isExposed?: boolean;
}

/** Attempts that are due; the uuid of one of them. */
async function given(...all: readonly Rows[]): Promise<string> {
  let uuid = '';
  for (const each of all) {
    const { count = 1, state = 'waiting', provider = 'alfa', partition = 0, isOverdue = false } = each;
    const { others = [], isExposed = state !== 'waiting' } = each;
    const { rows } = await world.owner.query<{ id: string }>(
      `insert into providers.attempts
       select gen_random_uuid(), '${TENANT}', 'pay_' || gen_random_uuid(), 'w', $4::smallint, 'charge', 'payment', null,
              $3::text, $6::text, 1, 1, 'USD', $2::text, $7::boolean, false, true, false, '', now(),
              now() - interval '1 second', 1, 1, 0,
              now() + case when $5::boolean then interval '-1 second' else interval '1 minute' end, 'c', null,
              'authorization/0/1', null, now(), now()
       from generate_series(1, $1::integer) returning id`,
      [count, state, provider, partition, isOverdue, JSON.stringify(others), isExposed],
    );
    uuid = rows[0]?.id ?? uuid;
  }
  return uuid;
}

/** How many were taken, by provider and by the state in which they were found. */
async function claimed(claim: Partial<Claim>): Promise<Record<string, number>> {
  const now = Date.now();
  const taken = await claimDue(session, {
    partitions: [0, 1, 2, 3],
    now,
    sendBefore: now + 1000,
    dueAgainAt: now + 2000,
    limit: 100,
    rooms: new Map(),
    awaited: [...(claim.rooms ?? new Map()).keys()],
    ...claim,
  });
  const counts: Record<string, number> = {};
  for (const { attempt, found } of taken) {
    expect(attempt.state).toBe(found === 'waiting' ? 'sending' : found);
    const name = `${attempt.provider} ${found} in ${attempt.partition}`;
    counts[name] = (counts[name] ?? 0) + 1;
  }
  return counts;
}

describe('SW1: of charges that wait', () => {
  test('no more are taken of each provider than it has room for, and everything else is taken beside them', async () => {
    await given({ count: 10 }, { count: 10, provider: 'beta' }, { count: 5, state: 'unknown' });
    const rooms = new Map([
      ['alfa', 3],
      ['beta', 0],
    ]);
    expect(await claimed({ rooms })).toEqual({ 'alfa waiting in 0': 3, 'alfa unknown in 0': 5 });
    expect(await claimed({ rooms })).toEqual({ 'alfa waiting in 0': 3 });
  });

  test('those for a provider that is not called are taken if another of their round has room for them', async () => {
    await given({ count: 3, others: ['gama', 'beta'] });
    expect(await claimed({ rooms: new Map([['beta', 0]]) })).toEqual({});
    expect(await claimed({ rooms: new Map([['beta', 2]]) })).toEqual({ 'alfa waiting in 0': 2 });
  });

  test('those for whom nobody is called are left, as long as somebody of their round is waited for', async () => {
    await given({}, { others: ['beta'], partition: 1 });
    await world.owner.query(`update providers.attempts set created_at = now() - interval '11 seconds'`);
    await given({ partition: 2 });
    expect(await claimed({ awaited: ['alfa', 'beta'] })).toEqual({});
    expect(await claimed({ awaited: ['beta'] })).toEqual({ 'alfa waiting in 0': 1 });
    // Each waits for 10 s at least.
    expect(await claimed({ awaited: [] })).toEqual({ 'alfa waiting in 1': 1 });
  });

  test('those that may have left before are taken when their provider is not called', async () => {
    await given({ isExposed: true, others: ['beta'] });
    const rooms = new Map([['beta', 0]]);
    expect(await claimed({ rooms, awaited: ['alfa', 'beta'] })).toEqual({ 'alfa waiting in 0': 1 });
  });

  test('those whose time is over are taken, room or none', async () => {
    await given({ count: 2, isOverdue: true }, { count: 2 });
    expect(await claimed({ rooms: new Map([['alfa', 0]]) })).toEqual({ 'alfa waiting in 0': 2 });
  });

  test.each<[what: string, rows: Rows]>([
    ['what is in doubt', { state: 'unknown' }],
    ['those whose time is over', { isOverdue: true }],
    [
      'those that may have left before, though another of their round has it',
      { provider: 'beta', others: ['alfa'], isExposed: true },
    ],
  ])('room lets no more be taken of %s', async (_what, rows) => {
    await given({ count: 3, ...rows });
    const { provider = 'alfa', state = 'waiting' } = rows;
    const rooms = new Map([['alfa', 3]]);
    expect(await claimed({ rooms, limit: 1 })).toEqual({ [`${provider} ${state} in 0`]: 1 });
  });
});

describe('whoever decides about a subject', () => {
  /** Charges of one subject: those before the last one are closed, the last one waits and is due. */
  async function givenCharges(count: number): Promise<{ subject: string; last: string }> {
    const ids = await Promise.all(Array.from({ length: count }, () => given({})));
    const subject = `pay_${ids[0]}`;
    for (const [index, id] of ids.entries())
      await world.owner.query(
        `update providers.attempts set subject = $1, number = $2,
           state = case when $3 then state else 'closed' end, due_at = case when $3 then due_at end
         where id = $4`,
        [subject, index + 1, index === ids.length - 1, id],
      );
    return { subject, last: ids.at(-1) ?? '' };
  }

  /** The attempts of the subjects, by one who has to wait for them. */
  function found(subjects: readonly string[], held: Omit<Held, 'url'>): Promise<string[]> {
    return waitingFor({ url: world.database.url, ...held }, async (tx) => {
      const attempts = await lockAttempts(tx, subjects);
      return subjects.flatMap((each) => attempts.of(each)).map(({ number, state }) => `${number} ${state}`);
    });
  }

  test('waits for who is taking one of its attempts, and finds it taken', async () => {
    const { subject, last } = await givenCharges(2);
    const taking = `update providers.attempts set state = 'sending', calls = calls + 1 where id = $1`;
    expect(await found([subject], { sql: taking, values: [last] })).toEqual(['1 closed', '2 sending']);
  });

  test('R2: finds what was begun by who was first', async () => {
    const { subject } = await givenCharges(1);
    const { last } = await givenCharges(1);
    const beginning = `with first as (
        select subject from providers.attempts where subject = $1 and number = 1 for no key update
      ) update providers.attempts a set subject = first.subject, number = 2 from first where a.id = $2`;
    expect(await found([subject], { sql: beginning, values: [subject, last] })).toEqual([
      '1 waiting',
      '2 waiting',
    ]);
  });

  test('R3: waits for the first of several with none of the later ones locked', async () => {
    const made = [await givenCharges(1), await givenCharges(1)];
    const [low = '', high = ''] = made.map(({ subject }) => subject).toSorted();
    const lock = 'select from providers.attempts where subject = $1 for no key update';
    const meanwhile = async (): Promise<void> => {
      expect((await world.owner.query(`${lock} nowait`, [high])).rows).toHaveLength(1);
    };
    expect(await found([high, low], { sql: lock, values: [low], meanwhile })).toEqual([
      '1 waiting',
      '1 waiting',
    ]);
  });
});

test('what is in doubt at a provider that is called again is asked about within two seconds', async () => {
  const [own, other, elsewhere] = [
    await given({ state: 'unknown' }),
    await given({ state: 'unknown', provider: 'beta' }),
    await given({ state: 'unknown', partition: 3 }),
  ];
  const all = [own, other, elsewhere];
  await world.owner.query(
    `update providers.attempts set due_at = now() + interval '30 seconds' where id = any($1)`,
    [all],
  );
  await hastenQuestions(session, { partitions: [0, 1], now: Date.now(), providers: ['alfa'] });
  const { rows } = await world.owner.query<{ id: string }>(
    `select id from providers.attempts where due_at <= now() + interval '2 seconds'`,
  );
  expect(rows).toEqual([{ id: own }]);
});

test('the first partitions are taken first', async () => {
  for (const state of ['unknown', 'waiting'] as const) {
    await given(...[0, 1, 2].map((partition) => ({ count: 2, state, partition })));
    const claim = { partitions: [2, 0, 1], limit: 3, rooms: new Map([['alfa', 3]]) };
    expect(await claimed(claim)).toEqual({ [`alfa ${state} in 2`]: 2, [`alfa ${state} in 0`]: 1 });
    await world.owner.query('update providers.attempts set due_at = null');
  }
});

test('SW2: a question in one partition does not wait for the backlog of another', async () => {
  world.alfa.conduct = () => ({ acts: false, answers: 500 });
  await given({ count: 3000, state: 'unknown' });
  const uuid = await given({ state: 'unknown', partition: 3 });
  await world.owner.query(`update providers.attempts set due_at = now() where id = $1`, [uuid]);
  world.process();
  const left = async (): Promise<number | undefined> => {
    const { rows } = await world.owner.query<{ left: bigint }>(
      `select (select count(*) from providers.attempts where due_at is not null and calls = 1) as left
       from providers.attempts where id = $1 and calls > 1`,
      [uuid],
    );
    return rows[0] === undefined ? undefined : Number(rows[0].left);
  };
  let whenTaken: number | undefined;
  await world.waitUntil(async () => (whenTaken = await left()) !== undefined);
  expect(whenTaken).toBeGreaterThan(1500);
});

describe('a charge that waits for a full provider', () => {
  /** One that has room for a single charge, which hangs; and a payment that waits behind it. */
  async function waiting(timeoutMs: number): Promise<string> {
    world.alfa.conduct = ({ operation }) =>
      operation === 'charge' ? { acts: false, answers: 'never' } : undefined;
    world.process({ concurrency: 1, timeoutMs, routes: ALFA_ALONE });
    await world.authorize();
    await world.waitUntil(() => world.alfa.count('charge') === 1);
    const payment = await world.authorize();
    await world.waitUntil(async () => (await world.rows(payment))[0]?.state === 'waiting');
    return payment;
  }

  async function overdue(payment: string, isExposed: boolean): Promise<void> {
    await world.owner.query(
      `update providers.attempts set deadline_at = now() - interval '1 second', exposed = $2, due_at = now()
       where subject = $1`,
      [payment, isExposed],
    );
  }

  test('is ended when its time is over, if it has never left', async () => {
    const payment = await waiting(20_000);
    await overdue(payment, false);
    expect(await world.hears(payment, 'provider.exhausted')).toEqual([
      'provider.closed',
      'provider.exhausted',
    ]);
  });

  test('is asked about when its time is over, if it may have left, and that is told', async () => {
    const payment = await waiting(20_000);
    await overdue(payment, true);
    expect((await world.hears(payment, 'provider.unresolved')).slice(0, 2)).toEqual([
      'provider.unknown',
      'provider.unresolved',
    ]);
  });

  test('is not sent when its time is over, though there is room again', async () => {
    const payment = await waiting(20_000);
    const [row] = await world.rows(payment);
    await world.stopProcesses();
    world.alfa.seen.length = 0;
    world.alfa.conduct = () => undefined;
    await overdue(payment, false);
    world.process({ routes: ALFA_ALONE });
    expect(await world.hears(payment, 'provider.exhausted')).toEqual([
      'provider.closed',
      'provider.exhausted',
    ]);
    const key = attemptId({ uuid: row?.id ?? '' });
    expect(world.alfa.seen.filter((seen) => seen.key === key)).toEqual([]);
  });

  test('SW3: goes before payments that are new', async () => {
    const first = await waiting(1000);
    const others = await Promise.all([1, 2, 3, 4].map(() => world.authorize()));
    const old = [first, ...others];
    for (const payment of old)
      await world.waitUntil(async () => (await world.rows(payment))[0]?.state === 'waiting');
    world.alfa.seen.length = 0;
    world.alfa.conduct = () => undefined;
    const fresh: string[] = [];
    const isDone = async (): Promise<boolean> => (await Promise.all(old.map(isApproved))).every(Boolean);
    while (!(await isDone())) fresh.push(await world.authorize());
    const ids = await Promise.all(old.map(async (payment) => (await world.rows(payment))[0]?.id ?? ''));
    const keys = new Set<string>(ids.map((uuid) => attemptId({ uuid })));
    const charges = world.alfa.seen.filter(({ operation }) => operation === 'charge');
    expect(charges.slice(0, old.length).filter(({ key }) => !keys.has(key))).toEqual([]);
    expect(fresh.length).toBeGreaterThan(0);
  });
});

async function isApproved(payment: string): Promise<boolean> {
  return (await world.rows(payment))[0]?.state === 'approved';
}
