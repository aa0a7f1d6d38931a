import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest';
import { Fault } from '#kernel/fault.ts';
import { DatabaseFault } from '#platform/postgres/faults.ts';
import {
  COLLIDING_PRICE,
  type CommandHooks,
  type CommandProcess,
  type Order,
  POISONED_PRICE,
  prepareOrders,
  REFUSED_ITEM,
  startOrdering,
  UNDECIDABLE_PRICE,
} from '../../../tests/command-probe.ts';
import { Gate, openGates, Probe } from '../../../tests/probe.ts';
import type { CommandOutcome } from './command-worker.ts';

let probe: Probe;
let processes: CommandProcess[] = [];

beforeAll(async () => {
  probe = await Probe.open();
  await prepareOrders(probe);
});

beforeEach(() => probe.query('truncate probe.orders, probe.idempotency_keys, target.events, target.batches'));

afterEach(async () => {
  openGates();
  await Promise.all(processes.map((process) => process.stop()));
  processes = [];
});

afterAll(() => probe.close());

async function start(hooks: CommandHooks = {}): Promise<CommandProcess> {
  const process = await startOrdering(probe, hooks);
  processes.push(process);
  return process;
}

const TEA: Order = { item: 'tea', price: 5 };

/** How many orders, events and stored answers there are: what one request has left behind is 1 of each. */
async function traces(): Promise<unknown> {
  const [row] = await probe.query(
    `select (select count(*) from probe.orders)::int as orders, (select count(*) from target.events)::int as events,
            (select count(*) from probe.idempotency_keys)::int as answers`,
  );
  return row;
}

function bodiesOf(outcomes: readonly CommandOutcome[]): Set<string> {
  return new Set(outcomes.map(({ answer }) => `${answer.status} ${answer.body}`));
}

function replaysOf(outcomes: readonly CommandOutcome[]): number {
  return outcomes.filter(({ replayed }) => replayed).length;
}

test('U1: 100 parallel copies of one request have one effect and one answer, 99 times replayed', async () => {
  const { order } = await start({ batchMax: 7 });
  const outcomes = await Promise.all(Array.from({ length: 100 }, () => order(TEA, 'k')));
  expect(bodiesOf(outcomes).size).toBe(1);
  expect(replaysOf(outcomes)).toBe(99);
  expect(await traces()).toEqual({ orders: 1, events: 1, answers: 1 });
});

test('U1: 100 parallel copies over two processes have one effect and one answer, 99 times replayed', async () => {
  const gate = new Gate();
  const [first, second] = await Promise.all([
    start({ batchMax: 7, onLoad: () => gate.pass() }),
    start({ batchMax: 5, onLoad: () => gate.pass() }),
  ]);
  const answering = Array.from({ length: 100 }, (_, n) => (n % 2 === 0 ? first : second).order(TEA, 'k'));
  await gate.reached;
  gate.open();
  const outcomes = await Promise.all(answering);
  expect(bodiesOf(outcomes).size).toBe(1);
  expect(replaysOf(outcomes)).toBe(99);
  expect(await traces()).toEqual({ orders: 1, events: 1, answers: 1 });
});

test('U1: a copy that meets the first one in flight in another process waits for it', async () => {
  const gate = new Gate();
  const first = await start({ session: { beforeCommit: () => gate.pass() } });
  const second = await start();
  const original = first.order(TEA, 'k');
  await gate.reached;
  // What was sent may not have been done yet: then the copy would be the first one.
  await expect.poll(() => probe.workersThat("state = 'idle in transaction'")).toBe(1);
  let isAnswered = false;
  const copy = second.order(TEA, 'k').finally(() => (isAnswered = true));
  await expect.poll(() => probe.workersThat("wait_event_type = 'Lock'")).toBe(1);
  expect(isAnswered).toBe(false);
  gate.open();
  expect(bodiesOf(await Promise.all([original, copy])).size).toBe(1);
  expect((await copy).replayed).toBe(true);
});

test('R3: two processes that write the same keys in opposite order at the same moment end each with one effect, and none deadlocks', async () => {
  const [rounds, perRound] = [4, 40];
  await slowDownKeys();
  const [first, second] = await Promise.all([start(), start()]);
  for (let round = 0; round < rounds; round++) {
    const keys = Array.from({ length: perRound }, (_, n) => `round-${round}-${n}`);
    const outcomes = await Promise.all([
      ...keys.map((key) => first.order(TEA, key)),
      ...keys.toReversed().map((key) => second.order(TEA, key)),
    ]);
    expect(bodiesOf(outcomes).size).toBe(perRound);
    expect(replaysOf(outcomes)).toBe(perRound);
  }
  await probe.query('drop trigger slowly on probe.idempotency_keys');
  const all = rounds * perRound;
  expect(await traces()).toEqual({ orders: all, events: all, answers: all });
  const states = [...first.failures, ...second.failures].map((error) => (error as DatabaseFault).state);
  expect(new Set(states)).toEqual(new Set(['23505']));
});

/** So that both are in the middle of their keys at the same time. */
function slowDownKeys(): Promise<unknown> {
  return probe.query(
    `create or replace function probe.wait() returns trigger language plpgsql as
       $$ begin perform pg_sleep(0.001); return new; end $$;
     create trigger slowly before insert on probe.idempotency_keys for each row execute function probe.wait()`,
  );
}

test('I2: the same key with another body names the fields that differ, before and after a restart', async () => {
  const first = await start();
  await first.order(TEA, 'k');
  const other = { item: 'coffee', price: 5 };
  expect(await first.order(other, 'k')).toEqual({
    answer: { status: 422, body: '["/item"]' },
    replayed: false,
  });
  await first.stop();
  const second = await start();
  expect((await second.order({ item: 'cake', price: 6 }, 'k')).answer.body).toBe('["/item","/price"]');
  expect((await second.order(TEA, 'k')).replayed).toBe(true);
  expect(await traces()).toEqual({ orders: 1, events: 1, answers: 1 });
});

test('C2: of two bodies under one key in one batch the first decides', async () => {
  const gate = new Gate();
  const { order } = await start({ session: { beforeTransaction: () => gate.pass() } });
  const blocking = order(TEA, 'before');
  await gate.reached;
  const answering = [order(TEA, 'k'), order({ ...TEA, price: 6 }, 'k'), order(TEA, 'k')];
  gate.open();
  const outcomes = await Promise.all([blocking, ...answering]);
  expect(outcomes.map(({ answer }) => answer.status)).toEqual([201, 201, 422, 201]);
  expect(outcomes.map(({ replayed }) => replayed)).toEqual([false, false, false, true]);
});

test('I2: a body is the same if its RFC 8785 form is: members in another order', async () => {
  const { order } = await start();
  const first = await order({ item: 'tea', price: 5 }, 'k');
  expect(await order({ price: 5, item: 'tea' }, 'k')).toEqual({ ...first, replayed: true });
});

test('U1: an answer is replayed byte for byte by a process that never saw the request, refusals too', async () => {
  const first = await start();
  const [placed, refused] = await Promise.all([
    first.order(TEA, 'placed'),
    first.order({ item: REFUSED_ITEM, price: 1 }, 'refused'),
  ]);
  await first.stop();
  const second = await start();
  expect(await second.order(TEA, 'placed')).toEqual({ ...placed, replayed: true });
  expect(await second.order({ item: REFUSED_ITEM, price: 1 }, 'refused')).toEqual({
    ...refused,
    replayed: true,
  });
  expect(await traces()).toEqual({ orders: 1, events: 1, answers: 2 });
});

test('I3: a key belongs to its tenant and operation', async () => {
  const { order } = await start();
  const outcomes = await Promise.all([
    order(TEA, 'k'),
    order(TEA, 'k', { tenant: 'other' }),
    order(TEA, 'k', { operation: 'orders.repeat' }),
  ]);
  expect(replaysOf(outcomes)).toBe(0);
  expect(await traces()).toEqual({ orders: 3, events: 3, answers: 3 });
});

test('requests without a key are requests of their own', async () => {
  const { order } = await start();
  const outcomes = await Promise.all(Array.from({ length: 10 }, () => order(TEA, undefined)));
  expect(replaysOf(outcomes)).toBe(0);
  expect(bodiesOf(outcomes).size).toBe(10);
});

test('C1: no answer before the commit', async () => {
  const gate = new Gate();
  const { order } = await start({ session: { beforeCommit: () => gate.pass() } });
  let isAnswered = false;
  const answer = order(TEA, 'k').finally(() => (isAnswered = true));
  await gate.reached;
  expect(await traces()).toEqual({ orders: 0, events: 0, answers: 0 });
  expect(isAnswered).toBe(false);
  gate.open();
  await answer;
  expect(await traces()).toEqual({ orders: 1, events: 1, answers: 1 });
});

test('U4: a request whose commit was lost from sight is answered by what it did, with or without a key', async () => {
  let losses = 2;
  const { order } = await start({
    session: {
      afterCommit: () =>
        losses-- > 0 ? Promise.reject(new Fault('lost', { transient: true })) : Promise.resolve(),
    },
  });
  const outcomes = await Promise.all([order(TEA, 'k'), order(TEA, undefined)]);
  expect(outcomes.map(({ answer }) => answer.status)).toEqual([201, 201]);
  expect(await traces()).toEqual({ orders: 2, events: 2, answers: 2 });
});

test('U4: connections lost at any moment lose and double no request', async () => {
  const { order, failures } = await start({ batchMax: 10 });
  const answering: Promise<CommandOutcome>[] = [];
  // At least ten rounds, and more until a cut has met a transaction: between two it meets nothing.
  for (let round = 0; round < 10 || (failures.length === 0 && round < 100); round++) {
    for (let n = 0; n < 20; n++) answering.push(order(TEA, `k-${round}-${n}`));
    await probe.cutWorkers();
  }
  const outcomes = await Promise.all(answering);
  const all = answering.length;
  expect(bodiesOf(outcomes).size).toBe(all);
  expect(await traces()).toEqual({ orders: all, events: all, answers: all });
  expect(failures.length).toBeGreaterThan(0);
});

test.each([
  { what: 'that the database refuses', price: POISONED_PRICE, error: DatabaseFault },
  { what: 'that always collides', price: COLLIDING_PRICE, error: DatabaseFault },
  { what: 'that cannot be decided', price: UNDECIDABLE_PRICE, error: RangeError },
])('C3: one request $what harms none of its batch', async ({ price, error }) => {
  const gate = new Gate();
  await probe.query(`insert into probe.orders values ('', '', ${COLLIDING_PRICE})`);
  const { order } = await start({ session: { beforeTransaction: () => gate.pass() } });
  const answering = Array.from({ length: 50 }, (_, n) =>
    order({ item: `tea-${n}`, price: n === 30 ? price : n }, `k-${n}`),
  );
  await gate.reached;
  gate.open();
  const settled = await Promise.allSettled(answering);
  const rejected = settled.flatMap((outcome, n) =>
    outcome.status === 'rejected' ? [{ n, reason: outcome.reason as unknown }] : [],
  );
  expect(rejected).toEqual([{ n: 30, reason: expect.any(error) as unknown }]);
  expect(await traces()).toEqual({ orders: 50, events: 49, answers: 49 });
});

test('a race lost after an outage is decided anew like any other', async () => {
  let outages = 6;
  const rival = await start();
  const gate = new Gate();
  const { order } = await start({
    session: {
      beforeTransaction: () =>
        outages-- > 0 ? Promise.reject(new Fault('away', { transient: true })) : Promise.resolve(),
      beforeCommit: () => gate.pass(),
    },
    onLoad: async () => void (await rival.order(TEA, 'k')),
  });
  gate.open();
  expect((await order(TEA, 'k')).replayed).toBe(true);
  expect(await traces()).toEqual({ orders: 1, events: 1, answers: 1 });
});

test('stopping answers what is waiting, and refuses at once what comes later', async () => {
  const gate = new Gate();
  const process = await start({ batchMax: 5, session: { beforeTransaction: () => gate.pass() } });
  const answering = Array.from({ length: 30 }, (_, n) => process.order(TEA, `k-${n}`));
  await gate.reached;
  const stopped = process.worker.stop();
  gate.open();
  expect(bodiesOf(await Promise.all(answering)).size).toBe(30);
  await stopped;
  await expect(process.order(TEA, 'late')).rejects.toMatchObject({ transient: true });
});

test('K5: where others go first a batch takes a part of what waits, oldest first, and all are answered', async () => {
  const seen: number[] = [];
  const gate = new Gate();
  const process = await start({
    session: { beforeTransaction: () => gate.pass() },
    takes: (waiting) => {
      seen.push(waiting);
      return Math.max(2, Math.ceil(waiting / 4));
    },
  });
  const answering = Array.from({ length: 13 }, (_, n) => process.order(TEA, `k-${n}`));
  await gate.reached;
  gate.open();
  expect(bodiesOf(await Promise.all(answering)).size).toBe(13);
  const taken = seen.map((waiting, turn) => waiting - (seen[turn + 1] ?? 0));
  expect(Math.max(...taken.slice(1))).toBeLessThanOrEqual(4);
  expect(seen.length).toBeGreaterThanOrEqual(4);
});

test('who sends a great many large requests holds up nobody else’s', async () => {
  const gate = new Gate();
  const process = await start({ session: { beforeTransaction: () => gate.pass() } });
  const large: Order = { item: 'x'.repeat(100_000), price: 5 };
  let answered = 0;
  const first = process.order(TEA, 'first');
  await gate.reached;
  const bulk = Array.from({ length: 60 }, (_, n) =>
    process.order(large, `k-${n}`, { tenant: 'bulk' }).then((outcome) => {
      answered += 1;
      return outcome;
    }),
  );
  const other = process.order(TEA, 'other').then(() => answered);
  gate.open();
  expect(await other).toBeLessThanOrEqual(10);
  expect(bodiesOf(await Promise.all([first, ...bulk])).size).toBe(61);
});
