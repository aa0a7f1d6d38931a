import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { Fault, InvariantViolation } from '#kernel/fault.ts';
import { partitionOf } from '#kernel/partition-of.ts';
import type { LogEvent } from '#platform/log/event.ts';
import { DatabaseFault } from '#platform/postgres/faults.ts';
import { statement } from '#platform/postgres/session.ts';
import {
  type DeadLetterRow,
  type Effect,
  Gate,
  interleaved,
  keysNamed,
  Probe,
  stepOf,
} from '../../../tests/probe.ts';
import type { BatchReading } from './consumer.ts';

let probe: Probe;

beforeAll(async () => {
  probe = await Probe.open();
});

afterEach(() => probe.reset());

afterAll(() => probe.close());

async function effectsReach(count: number): Promise<Effect[]> {
  await expect.poll(() => probe.countEffects()).toBeGreaterThanOrEqual(count);
  return probe.effects();
}

/** What is wrong once every step should have had its effect: each had one, in the order of its key, with one event and a moved position. */
async function faultsAfter(steps: readonly { key: string; step: number }[]): Promise<string[]> {
  const effects = await effectsReach(steps.length);
  await expect.poll(behind).toEqual([]);
  const done = Map.groupBy(effects, ({ key }) => key);
  const asked = Map.groupBy(steps, ({ key }) => key);
  const faults = [...new Set([...done.keys(), ...asked.keys()])].flatMap((key) => {
    const [are, shouldBe] = [stepsIn(done.get(key)), stepsIn(asked.get(key))];
    return are === shouldBe ? [] : [`${key} had ${are}, not ${shouldBe}`];
  });
  const [{ events, head }] = (await probe.query(
    `select (select count(*) from target.events)::int as events,
            (select coalesce(sum(position), 0) from log.heads where topic = 'target')::int as head`,
  )) as [{ events: number; head: number }];
  if (events !== steps.length || head !== events) faults.push(`${events} events emitted, heads at ${head}`);
  return faults;
}

function stepsIn(effects: readonly { readonly step: number }[] = []): string {
  return effects.map(({ step }) => step).join(' ');
}

function behind(): Promise<unknown[]> {
  return probe.query(
    `select topic, partition from log.positions p join log.heads h using (topic, partition)
     where p.position <> h.position and exists (select from probe.effects e where e.topic = p.topic)`,
  );
}

function isFence(error: unknown): boolean {
  return error instanceof DatabaseFault && error.fenced;
}

test('R1: an owner paused before its transaction is fenced when another has passed, and doubles nothing', async () => {
  const gate = new Gate();
  const steps = interleaved(keysNamed(10), 2);
  await probe.append(steps);
  const paused = await probe.start({ session: { beforeTransaction: () => gate.pass() } });
  await gate.reached;
  const other = await probe.start();
  expect(await faultsAfter(steps)).toEqual([]);
  gate.open();
  await expect.poll(() => paused.failures.some(isFence)).toBe(true);
  expect(await faultsAfter(steps)).toEqual([]);
  expect(other.failures).toEqual([]);
});

test('R1: an owner paused between load and commit loses its session, the other passes, and it recovers', async () => {
  const gate = new Gate();
  const steps = interleaved(keysNamed(10), 2);
  await probe.append(steps);
  const paused = await probe.start({ onLoad: () => gate.pass() });
  await gate.reached;
  // What idle_in_transaction_session_timeout does to a process that was stopped with its locks in hand (R7).
  await probe.cutWorkers();
  await probe.start();
  expect(await faultsAfter(steps)).toEqual([]);
  gate.open();
  const more = interleaved(keysNamed(10), 4).slice(20);
  await probe.append(more);
  expect(await faultsAfter([...steps, ...more])).toEqual([]);
  expect(paused.failures.length).toBeGreaterThan(0);
});

test('R1: an owner that holds its locks makes the other wait, and the other then sees that it has moved', async () => {
  const gate = new Gate();
  const steps = interleaved(keysNamed(10), 2);
  await probe.append(steps);
  await probe.start({ onLoad: () => gate.pass() });
  await gate.reached;
  const waiting = await probe.start();
  await expect.poll(() => probe.workersThat("wait_event_type = 'Lock'")).toBeGreaterThan(0);
  gate.open();
  expect(await faultsAfter(steps)).toEqual([]);
  await expect.poll(() => waiting.failures.some(isFence)).toBe(true);
});

test('W1: what another topic tells in a partition waits for the batch that is under way there', async () => {
  const gate = new Gate();
  await probe.append([{ key: 'key-1', step: 1 }]);
  await probe.start({ topics: ['source', 'second'], onLoad: () => gate.pass() });
  await gate.reached;
  await probe.append([{ key: 'key-1', step: 2 }], 'second');
  // It reads one event at a time, and the other topic first: no row is in both batches but by W1.
  const other = await probe.start({ topics: ['second', 'source'], batchMax: 1 });
  await expect.poll(() => probe.workersThat("wait_event_type = 'Lock'")).toBeGreaterThan(0);
  expect(await probe.effects()).toEqual([]);
  gate.open();
  expect((await effectsReach(2)).map(({ step }) => step)).toEqual([1, 2]);
  await expect.poll(() => other.failures.some(isFence)).toBe(true);
});

test('T3: of a partition that was given up while its batch was under way nothing is kept in memory', async () => {
  const gate = new Gate();
  await probe.append([{ key: 'key-1', step: 1 }]);
  const { worker, log } = await probe.start({ onLoad: () => gate.pass() });
  await gate.reached;
  worker.own([]);
  gate.open();
  const [{ partition, position }] = (await effectsReach(1)) as [Effect];
  await expect.poll(behind).toEqual([]);
  const [event] = await log.readTable(
    probe.session,
    'source',
    [{ partition, after: position - 1, upTo: position }],
    1,
  );
  const events = Array.from({ length: 100 }, (_, index) => ({
    ...(event as LogEvent),
    position: position + 1 + index,
  }));
  log.publish([{ topic: 'source', partition, events }]);
  expect(log.tail('source').read(partition, position, 1).kind).toBe('elsewhere');
});

test('U6: 1000 interleaved keys keep their order, whatever the size of the batches', async () => {
  const steps = interleaved(keysNamed(1000), 3);
  await probe.append(steps);
  await probe.start({ batchMax: 333 });
  expect(await faultsAfter(steps)).toEqual([]);
});

test('U6: keys keep their order while two processes wrest the partitions from each other', async () => {
  const steps = interleaved(keysNamed(60), 8);
  const everything = probe.allPartitions;
  const [first, second] = [await probe.start({ batchMax: 7 }), await probe.start({ batchMax: 5 })];
  for (let from = 0; from < steps.length; from += 40) {
    await probe.append(steps.slice(from, from + 40));
    // Both believe in all partitions, then in overlapping ones, then in none.
    first.worker.own(from % 80 === 0 ? everything : [0, 1]);
    second.worker.own(from % 120 === 0 ? [] : everything);
  }
  first.worker.own(everything);
  expect(await faultsAfter(steps)).toEqual([]);
});

test('what a process is told to give up it leaves alone, until it is given back', async () => {
  const { worker } = await probe.start({}, [0, 1]);
  const steps = interleaved(keysNamed(40), 1);
  await probe.append(steps);
  const [row] = await probe.query(
    'select count(*)::int as count from source.events where partition in (0, 1)',
  );
  const effects = await effectsReach(row?.['count'] as number);
  expect(effects.filter(({ partition }) => partition > 1)).toEqual([]);
  worker.own([2, 3]);
  expect(await faultsAfter(steps)).toEqual([]);
});

test('W6: what fails for the world’s reasons stands alone at last; other keys go on, and it after it is mended', async () => {
  let isMended = false;
  const failing: number[] = [];
  const steps = interleaved(keysNamed(100), 2);
  const { worker, failures } = await probe.start({
    onDecide(events) {
      if (isMended || !events.some(isPoison)) return;
      failing.push(events.length);
      throw missingTable();
    },
  });
  await probe.append(steps);
  await expect.poll(() => failing.at(-1)).toBe(1);
  const poisoned = await partitionOfKey('key-50');
  const others = await probe.query('select count(*)::int as count from source.events where partition <> $1', [
    poisoned,
  ]);
  await effectsReach(others[0]?.['count'] as number);
  expect((await probe.effects()).filter(({ key }) => key === 'key-50')).toEqual([]);
  expect(failures.every((error) => error instanceof Fault)).toBe(true);
  expect(await probe.deadLetters()).toEqual([]);
  isMended = true;
  worker.own(probe.allPartitions);
  expect(await faultsAfter(steps)).toEqual([]);
});

/** What no event is at fault for. */
function missingTable(): Fault {
  return new Fault('a table is missing', { transient: false });
}

function isPoison(event: { readonly key: string }): boolean {
  return event.key === 'key-50';
}

async function partitionOfKey(key: string): Promise<number> {
  const [row] = await probe.query('select partition from source.events where key = $1 limit 1', [key]);
  return row?.['partition'] as number;
}

test('W6: an event that fails alone is found under load, and holds up no partition but its own', async () => {
  const keys = keysNamed(40);
  const { failures } = await probe.start({
    onDecide(events) {
      if (events.some((event) => isPoison(event) && stepOf(event) === 1)) throw missingTable();
    },
  });
  await probe.append([{ key: 'key-50', step: 1 }, ...interleaved(['key-50'], 100)]);
  const poisoned = await partitionOfKey('key-50');
  const end = new AbortController();
  const load = (async () => {
    for (let step = 1; !end.signal.aborted; step++) await probe.append(keys.map((key) => ({ key, step })));
  })();
  const passed = async () =>
    probe.query<{ partition: number; position: number }>(
      `select partition, position::int from log.positions
       where topic = 'source' and partition <> $1 and position > 1000`,
      [poisoned],
    );
  try {
    await expect.poll(async () => (await passed()).length).toBe(probe.partitions - 1);
  } finally {
    end.abort();
    await load;
  }
  // Seven halvings find it; then it is tried again, alone and ever more rarely.
  expect(failures.length).toBeLessThan(60);
});

test('R6: of two topics, an event that cannot be handled does not hold up the other topic', async () => {
  let isMended = false;
  await probe.start({
    topics: ['source', 'second'],
    onDecide(events) {
      if (!isMended && events.some(isPoison)) throw missingTable();
    },
  });
  await probe.append([{ key: 'key-50', step: 1 }]);
  const free = interleaved(keysNamed(40), 2);
  await probe.append(free, 'second');
  const effects = await effectsReach(free.length);
  expect(effects.every(({ topic }) => topic === 'second')).toBe(true);
  isMended = true;
  await effectsReach(free.length + 1);
});

const DIVIDE_BY = statement('probe.divide', 'select 1 / $1::integer');

test('R6: data that the database refuses is isolated as well, and handled when it is mended and replayed', async () => {
  let isMended = false;
  const steps = interleaved(keysNamed(60), 1);
  const { failures } = await probe.start({
    onSave(tx, events) {
      const divisor = !isMended && events.some(isPoison) ? 0 : 1;
      tx.run(DIVIDE_BY, [divisor]);
    },
  });
  await probe.append(steps);
  await effectsReach(steps.length - 1);
  expect(failures.every((error) => error instanceof DatabaseFault && error.causedByData)).toBe(true);
  await expect.poll(() => probe.deadLetters()).toMatchObject([{ key: 'key-50', code: '22012' }]);
  isMended = true;
  const [letter] = await probe.deadLetters();
  await probe.order('replay', letter as DeadLetterRow);
  expect(await faultsAfter(steps)).toEqual([]);
});

const NOTE_IN_RANGE = statement('probe.note_in_range', 'insert into probe.ranged values (1)');

test('W6: a row for which there is no range table yet makes no dead letter, and is written once there is one', async () => {
  await probe.query(
    `create table probe.ranged (at int) partition by range (at);
     grant insert on probe.ranged to lastro_service`,
  );
  const steps = interleaved(keysNamed(60), 1);
  const { failures } = await probe.start({
    onSave(tx, events) {
      if (events.some(isPoison)) tx.run(NOTE_IN_RANGE, []);
    },
  });
  await probe.append(steps);
  // Longer than it takes to find the event, and to strike it as often as a dead letter is.
  await expect.poll(() => failures.length).toBeGreaterThan(15);
  expect(await probe.deadLetters()).toEqual([]);
  await probe.query('create table probe.ranged_1 partition of probe.ranged for values from (1) to (2)');
  expect(await faultsAfter(steps)).toEqual([]);
  await probe.query('drop table probe.ranged');
});

test('W5: what a consumer retains comes back to its successor after a crash, and none of it is lost', async () => {
  const steps = interleaved(keysNamed(20), 3);
  // Keeps the first two steps of a key back until the third is there.
  const retains = (event: { key: string }, events: readonly { key: string; data: unknown }[]): boolean =>
    events.filter(({ key }) => key === event.key).length < 3;
  let held = 0;
  const crashing = await probe.start({ retains, onDecide: (events) => void (held = events.length) });
  await probe.append(steps.slice(0, 40));
  await expect.poll(() => held).toBe(40);
  await crashing.stop();
  await probe.start({ retains, batchMax: 7 });
  await probe.append(steps.slice(40));
  expect(await faultsAfter(steps)).toEqual([]);
});

test('W5: what goes on at once needs nothing new, and rests while its worker does', async () => {
  let looks = 0;
  const { worker } = await probe.start({
    retains: () => looks < 60,
    goesOnAtOnce: true,
    onDecide: () => void looks++,
  });
  await probe.append([{ key: 'key-1', step: 1 }]);
  await expect.poll(() => looks).toBeGreaterThan(0);
  worker.pause();
  await probe.countEffects();
  worker.resume();
  // A look of the idle worker for each would take fifteen seconds.
  await expect.poll(() => probe.countEffects(), { timeout: 12_000 }).toBe(1);
  expect(looks).toBe(60);
});

test('W6: a consumer is told what it has retained, and when one event alone was read beside that', async () => {
  const told: { steps: number[]; isAlone: boolean; retained: number[] | undefined }[] = [];
  let isReleased = false;
  await probe.start({
    retains: () => !isReleased,
    onPrepare: (events, { isAlone, retained }) =>
      void told.push({ steps: events.map(stepOf), isAlone, retained: retained?.map(stepOf) }),
  });
  await probe.append([{ key: 'key-1', step: 1 }]);
  await expect.poll(() => told.length).toBeGreaterThan(0);
  await probe.append([{ key: 'key-1', step: 2 }]);
  await expect.poll(() => told.some(({ steps }) => steps.length === 2)).toBe(true);
  isReleased = true;
  await effectsReach(2);
  expect(told.filter(({ isAlone, retained }) => isAlone || retained?.length === 0)).toEqual([
    { steps: [1], isAlone: true, retained: [] },
    { steps: [1, 2], isAlone: true, retained: [1] },
  ]);
  expect(told.at(-1)).toEqual({ steps: [1, 2], isAlone: false, retained: [1, 2] });
});

test('a consumer is told whether there is more to read than its batch has', async () => {
  const told: unknown[] = [];
  await probe.append([1, 2, 3, 4, 5].map((step) => ({ key: 'key-1', step })));
  const onPrepare = (events: readonly LogEvent[], { isFull }: BatchReading) =>
    void told.push([events.length, isFull]);
  await probe.start({ batchMax: 2, onPrepare });
  await effectsReach(5);
  expect(told).toEqual([
    [2, true],
    [2, true],
    [1, false],
  ]);
});

/** The worker has been given everything: its position is held back, so the log's end is all there is to see. */
async function tailIsRead(process: {
  log: { tail(topic: string): { head(partition: number): number } };
}): Promise<boolean> {
  const rows = await probe.query(`select partition, position::int from log.heads where topic = 'source'`);
  return rows.every((row) => process.log.tail('source').head(row['partition'] as number) === row['position']);
}

test('U4: connections that are lost at any moment lose and double nothing', async () => {
  const steps = interleaved(keysNamed(50), 20);
  const { failures } = await probe.start({ batchMax: 20 });
  let cuts = 0;
  for (let from = 0; from < steps.length; from += 100) {
    await probe.append(steps.slice(from, from + 100));
    await probe.cutWorkers();
    cuts++;
  }
  expect(await faultsAfter(steps)).toEqual([]);
  expect(cuts).toBe(10);
  expect(failures.length).toBeGreaterThan(0);
  expect(failures.every((error) => error instanceof Fault && error.transient)).toBe(true);
});

test('U4: a commit whose answer is lost counts once', async () => {
  let losses = 3;
  const steps = interleaved(keysNamed(30), 4);
  await probe.start({
    batchMax: 10,
    session: {
      afterCommit: () =>
        losses-- > 0
          ? Promise.reject(new Fault('the connection was lost after the commit', { transient: true }))
          : Promise.resolve(),
    },
  });
  await probe.append(steps);
  expect(await faultsAfter(steps)).toEqual([]);
});

test('a backlog in one partition does not keep the others waiting', async () => {
  const backlog = Array.from({ length: 600 }, (_, step) => ({ key: 'key-1', step }));
  await probe.append(backlog);
  const order: string[] = [];
  await probe.start({ batchMax: 20, onDecide: (events) => void order.push(...events.map(({ key }) => key)) });
  await expect.poll(() => order.length).toBeGreaterThan(0);
  const others = keysNamed(60).filter((key) => key !== 'key-1');
  await probe.append(others.map((key) => ({ key, step: 0 })));
  await effectsReach(backlog.length + others.length);
  const full = await partitionOfKey('key-1');
  const elsewhere = (await probe.effects()).filter(({ partition }) => partition !== full);
  const lastElsewhere = order.lastIndexOf(elsewhere.at(-1)?.key ?? '');
  expect(order.slice(lastElsewhere).filter((key) => key === 'key-1').length).toBeGreaterThan(100);
});

test('a backlog is worked off without a pause: a full batch is not kept waiting for company', async () => {
  await probe.append(interleaved(keysNamed(100), 10));
  // Of two topics each has half the room. With a rest behind each of nine batches patience would be at its end.
  await probe.start({ batchMax: 200, paceMs: 1_500 });
  expect(await effectsReach(900)).not.toHaveLength(0);
});

test.each([
  ['missing', 'delete from source.events where partition = $1 and position = 3'],
  ['not JSON any more', `update source.events set data = '{' where partition = $1 and position = 3`],
])('an event that is %s is never passed over, and holds up its own partition alone', async (_damage, sql) => {
  await probe.append(interleaved(['key-1'], 5));
  const partition = await partitionOfKey('key-1');
  await probe.query(sql, [partition]);
  const { failures } = await probe.start({ batchMax: 2 });
  await expect.poll(() => failures.length).toBeGreaterThan(3);
  const others = interleaved(keysNamed(40), 1);
  await probe.append(others);
  const [row] = await probe.query<{ count: number }>(
    'select count(*)::int as count from source.events where partition <> $1',
    [partition],
  );
  const effects = await effectsReach(2 + (row?.count ?? 0));
  expect(stepsIn(effects.filter((effect) => effect.partition === partition))).toBe('1 2');
  expect(failures.every((error) => error instanceof InvariantViolation)).toBe(true);
});

test('what concerns nobody is passed by without a commit of its own, and what comes behind it is handled at once', async () => {
  const concerns = ({ key }: LogEvent): boolean => key === 'key-1';
  const others = interleaved(
    keysNamed(20).filter((key) => key !== 'key-1'),
    3,
  );
  await probe.append(others);
  let commits = 0;
  await probe.start({
    concerns,
    batchMax: 5,
    session: {
      afterCommit: () => {
        commits++;
        return Promise.resolve();
      },
    },
  });
  await probe.append([{ key: 'key-1', step: 1 }]);
  expect((await effectsReach(1)).map(({ key }) => key)).toEqual(['key-1']);
  // Fifty-seven events in batches of five would have been a dozen commits.
  await expect.poll(trailing).toEqual([]);
  expect(commits).toBeLessThan(6);
});

/** Where the group has not moved to the end of its log. */
function trailing(): Promise<unknown[]> {
  return probe.query(
    `select topic, partition from log.positions p join log.heads h using (topic, partition)
     where p.topic = 'source' and p.position <> h.position`,
  );
}

test('W6: an event of which it cannot even be read whether it concerns the group holds up nothing but its subject', async () => {
  await probe.start({
    concerns: (event) => {
      if (isPoison(event)) throw new TypeError('no such member');
      return true;
    },
    onDecide: (events) => {
      if (events.some(isPoison)) throw new TypeError('no such member');
    },
  });
  const steps = interleaved(keysNamed(60), 1);
  await probe.append(steps);
  await effectsReach(steps.length - 1);
  await expect.poll(() => probe.deadLetters()).toMatchObject([{ key: 'key-50', code: 'TypeError' }]);
});

test('R1: of two that retain all they read, and so move no position, one is fenced: nothing is done twice', async () => {
  const gate = new Gate();
  const retains = (event: { key: string }): boolean => event.key === 'key-0';
  await probe.append([{ key: 'key-0', step: 1 }]);
  const partition = await partitionOfKey('key-0');
  const together = keysNamed(60).filter((key) => key !== 'key-0');
  let isGated = false;
  const paused = await probe.start({
    retains,
    session: { beforeTransaction: () => (isGated ? gate.pass() : Promise.resolve()) },
  });
  const other = await probe.start({ retains });
  isGated = true;
  await probe.append(together.map((key) => ({ key, step: 1 })));
  await gate.reached;
  const effects = await effectsReach(together.length);
  // Once fenced it would read again from before what is retained, and the probe does not know what it has done before.
  paused.worker.pause();
  gate.open();
  await expect.poll(() => paused.failures.some(isFence)).toBe(true);
  expect(await probe.effects()).toEqual(effects);
  expect(effects.some((effect) => effect.partition === partition)).toBe(true);
  expect(other.failures.every(isFence)).toBe(true);
});

test('an effect is never stamped before its cause, whatever the clocks of two processes', async () => {
  const ahead = Date.now() + 60_000;
  await probe.append([{ key: 'key-1', step: 1 }], 'source', ahead);
  await probe.start();
  await effectsReach(1);
  const [row] = await probe.query<{ at: Date }>('select occurred_at as at from target.events');
  expect(row?.at.getTime()).toBe(ahead);
});

test('an event of a version that the process does not read stops its partition there, tells why, and loses nothing', async () => {
  const unknown: LogEvent[] = [];
  const [before, newer, after] = [1, 2, 3].map((step) => ({
    key: 'key-1',
    step,
    version: step === 2 ? 2 : 1,
  }));
  await probe.append([before, newer, after].flatMap((step) => step ?? []));
  await probe.start({ onUnknownVersion: (_partition, event) => void unknown.push(event) });
  const others = keysNamed(40).filter((key) => key !== 'key-1');
  await probe.append(others.map((key) => ({ key, step: 1 })));
  const partition = await partitionOfKey('key-1');
  const [row] = await probe.query<{ count: number }>(
    'select count(*)::int as count from source.events where partition <> $1',
    [partition],
  );
  const effects = await effectsReach(1 + (row?.count ?? 0));
  expect(effects.filter((effect) => effect.partition === partition)).toMatchObject([
    { key: 'key-1', step: 1 },
  ]);
  expect(unknown.length).toBeGreaterThan(0);
  expect(unknown.every((event) => event.position === 2 && event.version === 2)).toBe(true);
  const positions = await probe.query(
    `select position::int from log.positions where topic = 'source' and partition = $1`,
    [partition],
  );
  expect(positions).toEqual([{ position: 1 }]);
});

test('W2: a worker has one batch in flight', async () => {
  let inFlight = 0;
  let most = 0;
  await probe.start({
    batchMax: 10,
    async onLoad() {
      most = Math.max(most, ++inFlight);
      await new Promise((resolve) => setImmediate(resolve));
      inFlight--;
    },
  });
  const steps = interleaved(keysNamed(50), 4);
  for (let from = 0; from < steps.length; from += 20) await probe.append(steps.slice(from, from + 20));
  expect(await faultsAfter(steps)).toEqual([]);
  expect(most).toBe(1);
});

test('a paused worker takes nothing, a resumed one all that came meanwhile', async () => {
  const seen: number[] = [];
  const { worker, log } = await probe.start({ onDecide: (events) => void seen.push(...events.map(stepOf)) });
  await probe.append([{ key: 'key-0', step: 0 }]);
  await effectsReach(1);
  worker.pause();
  const steps = interleaved(keysNamed(10), 2);
  await probe.append(steps);
  await expect.poll(() => tailIsRead({ log })).toBe(true);
  expect(seen).toEqual([0]);
  worker.resume();
  expect(await faultsAfter([{ key: 'key-0', step: 0 }, ...steps])).toEqual([]);
});

/** A key of each of two partitions. */
function keysApart(): [lost: string, other: string] {
  const [lost = '', ...others] = keysNamed(20);
  const partition = partitionIn(lost);
  return [lost, others.find((key) => partitionIn(key) !== partition) ?? ''];
}

function partitionIn(key: string): number {
  return partitionOf('acme', key, probe.partitions);
}

function losePosition(key: string): Promise<unknown> {
  return probe.query(`delete from log.positions where topic = 'source' and partition = $1`, [
    partitionIn(key),
  ]);
}

test('W7: a position that is gone is made again and told of, and the other partitions never notice', async () => {
  const [lost, other] = keysApart();
  const process = await probe.start();
  await probe.append(interleaved([lost, other], 2));
  await effectsReach(4);
  await losePosition(lost);
  await probe.append([
    { key: lost, step: 3 },
    { key: other, step: 3 },
  ]);
  const byKey = Map.groupBy(await effectsReach(8), ({ key }) => key);
  expect(stepsIn(byKey.get(other))).toBe('1 2 3');
  expect(stepsIn(byKey.get(lost))).toBe('1 2 1 2 3');
  expect(process.lost).toEqual([`source/${partitionIn(lost)} made again`]);
});

test('W7: where a person had events passed over for good a lost position stands, and nothing else', async () => {
  const [lost, other] = keysApart();
  await probe.query(`insert into log.abandoned_events values ('probe', 'source', $1, 1, gen_random_uuid())`, [
    partitionIn(lost),
  ]);
  await losePosition(lost);
  const process = await probe.start();
  try {
    await probe.append(interleaved([lost, other], 2));
    await effectsReach(2);
    await probe.append([{ key: other, step: 3 }]);
    expect((await effectsReach(3)).map(({ key, step }) => `${key} ${step}`)).toEqual(
      [1, 2, 3].map((step) => `${other} ${step}`),
    );
    expect(process.lost).toEqual([`source/${partitionIn(lost)} stands`]);
    expect(process.failures).toEqual([]);
  } finally {
    await probe.query(
      `insert into log.positions (consumer_group, topic, partition, position) values ('probe', 'source', $1, 0)`,
      [partitionIn(lost)],
    );
  }
});
