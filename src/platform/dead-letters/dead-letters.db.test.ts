import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { Fault } from '#kernel/fault.ts';
import type { LogEvent } from '#platform/log/event.ts';
import { DatabaseFault } from '#platform/postgres/faults.ts';
import { ReadPool } from '#platform/postgres/read-pool.ts';
import { Session } from '#platform/postgres/session.ts';
import {
  type DeadLetterRow,
  type Effect,
  Gate,
  interleaved,
  keysNamed,
  Probe,
  type ProbeHooks,
  stepOf,
} from '../../../tests/probe.ts';
import { PARKED_MAX, PARKED_PER_MINUTE_MAX, STRIKES_MAX } from './bury.ts';
import { countDeadLetters } from './counts.ts';

let probe: Probe;

beforeAll(async () => {
  probe = await Probe.open();
});

afterEach(() => probe.reset());

afterAll(() => probe.close());

interface Poison {
  /** `key-7/1`: what cannot be handled just now. */
  readonly steps: Set<string>;
  readonly hooks: ProbeHooks;
  /** In the order in which they were handed over and not refused. */
  readonly batches: string[][];
}

function poison(...names: readonly string[]): Poison {
  const steps = new Set(names);
  const batches: string[][] = [];
  return {
    steps,
    batches,
    hooks: {
      onDecide(events) {
        const bad = events.find((event) => steps.has(nameOf(event)));
        if (bad !== undefined) throw new RangeError(`${nameOf(bad)} cannot be handled`);
        batches.push(events.map(nameOf));
      },
    },
  };
}

function nameOf(event: LogEvent): string {
  return `${event.key}/${stepOf(event)}`;
}

async function effectsReach(count: number): Promise<Effect[]> {
  await expect.poll(() => probe.countEffects()).toBeGreaterThanOrEqual(count);
  return probe.effects();
}

async function open(): Promise<DeadLetterRow[]> {
  return (await probe.deadLetters()).filter(({ state }) => state === 'open');
}

async function letterAbout(key: string): Promise<DeadLetterRow> {
  await expect.poll(async () => (await open()).map((letter) => letter.key)).toContain(key);
  return (await open()).find((letter) => letter.key === key) as DeadLetterRow;
}

async function stepsOf(key: string): Promise<number[]> {
  return (await probe.effects()).filter((effect) => effect.key === key).map(({ step }) => step);
}

async function parkedKeys(): Promise<string[]> {
  const rows = await probe.query<{ key: string }>(
    'select parking_key as key from log.parked_keys order by 1',
  );
  return rows.map(({ key }) => key);
}

async function actionsOn({ id }: DeadLetterRow): Promise<string[]> {
  const rows = await probe.query<{ action: string }>(
    'select action from log.dead_letter_actions where dead_letter = $1 order by seq',
    [id],
  );
  return rows.map(({ action }) => action);
}

/** Every group's position is at the end of the log: nothing is held up. */
async function isAtEnd(): Promise<boolean> {
  const rows = await probe.query(
    `select from log.positions join log.heads using (topic, partition)
     where topic = 'source' and positions.position < heads.position`,
  );
  return rows.length === 0;
}

test('U11: one bad event in a batch of a thousand stops its own subject only, in order; all others are handled', async () => {
  const bad = poison('key-50/2');
  const steps = interleaved(keysNamed(250), 4);
  const { failures } = await probe.start({ ...bad.hooks, batchMax: 1000 });
  await probe.append(steps);
  await effectsReach(steps.length - 3);
  await expect.poll(isAtEnd).toBe(true);
  expect(await stepsOf('key-50')).toEqual([1]);
  expect(await probe.deadLetters()).toMatchObject([
    {
      key: 'key-50',
      code: 'RangeError',
      error: 'key-50/2 cannot be handled',
      attempts: STRIKES_MAX,
      state: 'open',
    },
  ]);
  expect(await probe.parkedBehind('key-50')).toHaveLength(2);
  const others = (await probe.effects()).filter(({ key }) => key !== 'key-50');
  for (const own of Map.groupBy(others, ({ key }) => key).values())
    expect(own.map(({ step }) => step)).toEqual([1, 2, 3, 4]);
  // Ten halvings, and it alone.
  expect(failures.length).toBeLessThan(20);
});

test('U11: replayed, the event comes first and alone, then what waited behind it, in order, then what came meanwhile', async () => {
  const bad = poison('key-1/1');
  await probe.start(bad.hooks);
  await probe.append(interleaved(['key-1'], 5));
  const letter = await letterAbout('key-1');
  await expect.poll(() => probe.parkedBehind('key-1')).toHaveLength(4);
  bad.steps.clear();
  await probe.order('replay', letter);
  await probe.append([6, 7, 8].map((step) => ({ key: 'key-1', step })));
  await effectsReach(8);
  expect(await stepsOf('key-1')).toEqual([1, 2, 3, 4, 5, 6, 7, 8]);
  expect(bad.batches[0]).toEqual(['key-1/1']);
  expect(bad.batches[1]).toEqual(expect.arrayContaining(['key-1/2', 'key-1/5']));
  await expect.poll(parkedKeys).toEqual([]);
  expect(await probe.deadLetters()).toMatchObject([{ state: 'replayed' }]);
  expect(await actionsOn(letter)).toEqual(['dead_lettered', 'replayed']);
});

test('U11: what fails in the queue behind becomes the dead letter, and the rest stays behind it, in order', async () => {
  const bad = poison('key-1/1', 'key-1/4');
  await probe.start(bad.hooks);
  await probe.append(interleaved(['key-1'], 6));
  const first = await letterAbout('key-1');
  await expect.poll(() => probe.parkedBehind('key-1')).toHaveLength(5);
  bad.steps.delete('key-1/1');
  await probe.order('replay', first);
  await expect.poll(async () => (await open())[0]?.position).toBe(4);
  expect(await stepsOf('key-1')).toEqual([1, 2, 3]);
  expect(await probe.parkedBehind('key-1')).toEqual([5, 6]);
  await probe.append([{ key: 'key-1', step: 7 }]);
  await expect.poll(() => probe.parkedBehind('key-1')).toEqual([5, 6, 7]);
  bad.steps.clear();
  await probe.order('replay', await letterAbout('key-1'));
  await effectsReach(7);
  expect(await stepsOf('key-1')).toEqual([1, 2, 3, 4, 5, 6, 7]);
});

test('U11: a replay that fails changes nothing but what is known of the failure', async () => {
  const bad = poison('key-1/1');
  await probe.start(bad.hooks);
  await probe.append(interleaved(['key-1'], 2));
  const letter = await letterAbout('key-1');
  await probe.order('replay', letter);
  await expect.poll(() => actionsOn(letter)).toEqual(['dead_lettered', 'replay_failed']);
  expect(await probe.deadLetters()).toMatchObject([{ state: 'open', attempts: STRIKES_MAX + 1 }]);
  expect(await probe.parkedBehind('key-1')).toEqual([2]);
  const [order] = await probe.query('select outcome, error from log.redeliveries');
  expect(order).toEqual({ outcome: 'failed', error: 'key-1/1 cannot be handled' });
});

test('U11: edited, the event is handed over with other data under its own identity, and the original is kept', async () => {
  const bad = poison('key-1/1');
  await probe.start(bad.hooks);
  await probe.append(interleaved(['key-1'], 2));
  const letter = await letterAbout('key-1');
  await probe.order('replay', letter, JSON.stringify({ step: 10 }));
  await effectsReach(2);
  expect(await probe.effects()).toMatchObject([
    { key: 'key-1', step: 10, position: 1 },
    { key: 'key-1', step: 2, position: 2 },
  ]);
  const [original] = await probe.query('select data from source.events where position = 1');
  expect(original).toEqual({ data: '{"step":1}' });
  const [kept] = await probe.query('select state, edited_data from log.dead_letters');
  expect(kept).toEqual({ state: 'replayed', edited_data: '{"step":10}' });
});

test('U11: skipped, the event is passed over and what waited behind it goes on', async () => {
  const bad = poison('key-1/1');
  await probe.start(bad.hooks);
  await probe.append(interleaved(['key-1'], 3));
  const letter = await letterAbout('key-1');
  await probe.order('skip', letter);
  await effectsReach(2);
  expect(await stepsOf('key-1')).toEqual([2, 3]);
  expect(await actionsOn(letter)).toEqual(['dead_lettered', 'skipped']);
  await expect.poll(parkedKeys).toEqual([]);
});

test('U11: discarded, the event and all that waits behind it are given up, and what comes later is handled', async () => {
  const bad = poison('key-1/1');
  await probe.start(bad.hooks);
  await probe.append(interleaved(['key-1'], 3));
  const letter = await letterAbout('key-1');
  await expect.poll(() => probe.parkedBehind('key-1')).toHaveLength(2);
  await probe.order('discard', letter);
  await expect.poll(parkedKeys).toEqual([]);
  await probe.append([{ key: 'key-1', step: 4 }]);
  await effectsReach(1);
  expect(await stepsOf('key-1')).toEqual([4]);
  const [gone] = await probe.query(
    `select detail from log.dead_letter_actions where action = 'passed_behind'`,
  );
  expect(String(gone?.['detail']).split(' ')).toHaveLength(2);
});

test('a consumer that names its parking key has held up what belongs together', async () => {
  const bad = poison('key-1/1');
  const keys = keysNamed(40);
  await probe.start({ ...bad.hooks, parkingKeyOf: ({ partition }) => `partition ${partition}` });
  await probe.append(interleaved(['key-1'], 1));
  await letterAbout('key-1');
  await probe.append(interleaved(keys, 1));
  await expect.poll(isAtEnd).toBe(true);
  const [row] = await probe.query<{ count: number }>(
    `select count(*)::int as count from source.events where partition = (select partition from log.dead_letters)`,
  );
  expect(await probe.countEffects()).toBe(keys.length + 1 - (row?.count ?? 0));
});

test('W6: when it rains failures the group parks no more keys, and holds its partitions up until it is mended', async () => {
  const keys = keysNamed(3 * PARKED_PER_MINUTE_MAX);
  const bad = poison(...keys.map((key) => `${key}/1`));
  const { withheld } = await probe.start(bad.hooks);
  await probe.append(interleaved(keys, 1));
  await expect.poll(() => new Set(withheld).size).toBe(probe.partitions);
  expect(await open()).toHaveLength(PARKED_PER_MINUTE_MAX);
  bad.steps.clear();
  await effectsReach(keys.length - PARKED_PER_MINUTE_MAX);
  expect(await open()).toHaveLength(PARKED_PER_MINUTE_MAX);
  for (const letter of await open()) await probe.order('replay', letter);
  await effectsReach(keys.length);
});

test('W5: what a consumer retains when another event fails is handled, and never taken for the one at fault', async () => {
  const bad = poison('key-1/1');
  let isReleased = false;
  let looks = 0;
  await probe.start({
    ...bad.hooks,
    retains: ({ key }) => key !== 'key-1' && !isReleased,
    redelivering: {
      afterCommit: () => {
        looks++;
        return Promise.resolve();
      },
    },
  });
  const innocent = keysNamed(20).filter((key) => key !== 'key-1');
  await probe.append(interleaved(innocent, 1));
  await probe.append([{ key: 'key-1', step: 1 }, ...interleaved(innocent, 2)]);
  await probe.append([{ key: 'key-1', step: 2 }]);
  const letter = await letterAbout('key-1');
  await expect.poll(() => probe.parkedBehind('key-1')).toHaveLength(1);
  // Its position is before what is retained: the order waits for it to pass (D3).
  bad.steps.clear();
  await probe.order('replay', letter);
  await expect.poll(() => looks).toBeGreaterThan(0);
  expect(await open()).toHaveLength(1);
  isReleased = true;
  await effectsReach(innocent.length * 3 + 2);
  await expect.poll(parkedKeys).toEqual([]);
  expect(await probe.deadLetters()).toMatchObject([{ key: 'key-1', state: 'replayed' }]);
  expect(await stepsOf('key-1')).toEqual([1, 2]);
  expect(await probe.countEffects()).toBe(innocent.length * 3 + 2);
});

test('W5: what was retained of the key before the event that failed is handled before it, not behind it', async () => {
  const bad = poison('key-1/2');
  let isReleased = false;
  await probe.start({ ...bad.hooks, retains: (event) => stepOf(event) === 1 && !isReleased });
  await probe.append(interleaved(['key-1'], 3));
  const letter = await letterAbout('key-1');
  await expect.poll(() => probe.parkedBehind('key-1')).toEqual([3]);
  isReleased = true;
  await probe.append([{ key: 'key-1', step: 4 }]);
  await effectsReach(1);
  await expect.poll(() => probe.parkedBehind('key-1')).toEqual([3, 4]);
  expect(await stepsOf('key-1')).toEqual([1]);
  bad.steps.clear();
  await probe.order('replay', letter);
  await effectsReach(4);
  expect(await stepsOf('key-1')).toEqual([1, 2, 3, 4]);
});

test('W6: an event that is handled at the last try is no dead letter', async () => {
  let tries = 0;
  await probe.start({
    onDecide() {
      if (++tries < STRIKES_MAX) throw new RangeError('not yet');
    },
  });
  await probe.append([{ key: 'key-1', step: 1 }]);
  await effectsReach(1);
  expect(tries).toBe(STRIKES_MAX);
  expect(await probe.deadLetters()).toEqual([]);
});

test('R1: of two processes that give the same event up at once one does, and the other is fenced', async () => {
  const gate = new Gate();
  let tries = 0;
  const paused = await probe.start({
    onDecide() {
      tries++;
      throw new RangeError('fails here');
    },
    // The transaction after the last try is the one that gives the event up.
    session: { beforeTransaction: () => (tries === STRIKES_MAX ? gate.pass() : Promise.resolve()) },
  });
  await probe.append([{ key: 'key-1', step: 1 }]);
  await gate.reached;
  const bad = poison('key-1/1');
  await probe.start(bad.hooks);
  await letterAbout('key-1');
  gate.open();
  await expect
    .poll(() => paused.failures.some((error) => error instanceof DatabaseFault && error.fenced))
    .toBe(true);
  expect(await probe.deadLetters()).toHaveLength(1);
});

test('D3: a consumer that retains what is replayed is handed it again, until it handles it', async () => {
  const bad = poison('key-1/1');
  let isReleased = false;
  let asked = 0;
  await probe.start({
    ...bad.hooks,
    retains: () => {
      asked++;
      return !isReleased;
    },
  });
  await probe.append([{ key: 'key-1', step: 1 }]);
  const letter = await letterAbout('key-1');
  bad.steps.clear();
  await probe.order('replay', letter);
  await expect.poll(() => asked).toBeGreaterThan(0);
  expect(await open()).toHaveLength(1);
  isReleased = true;
  await effectsReach(1);
  expect(await probe.countEffects()).toBe(1);
});

test('R1: of two processes that believe in a partition one parks the key, the other is fenced, and nothing is handled out of order', async () => {
  const bad = poison('key-1/3');
  const [first, second] = [await probe.start(bad.hooks), await probe.start(bad.hooks)];
  const steps = interleaved(keysNamed(40), 8);
  for (let from = 0; from < steps.length; from += 40) {
    await probe.append(steps.slice(from, from + 40));
    first.worker.own(from % 80 === 0 ? probe.allPartitions : [0, 1]);
    second.worker.own(from % 120 === 0 ? [] : probe.allPartitions);
  }
  first.worker.own(probe.allPartitions);
  await effectsReach(steps.length - 6);
  const letter = await letterAbout('key-1');
  expect(await probe.deadLetters()).toHaveLength(1);
  await expect.poll(() => probe.parkedBehind('key-1')).toHaveLength(5);
  bad.steps.clear();
  await probe.order('replay', letter);
  await effectsReach(steps.length);
  const effects = await probe.effects();
  for (const own of Map.groupBy(effects, ({ key }) => key).values())
    expect(own.map(({ step }) => step)).toEqual([1, 2, 3, 4, 5, 6, 7, 8]);
  await expect.poll(parkedKeys).toEqual([]);
});

test('R1: a worker that was paused while the key was parked elsewhere is fenced, and overtakes nothing', async () => {
  const gate = new Gate();
  const bad = poison('key-1/1');
  let isGated = false;
  const paused = await probe.start({
    ...bad.hooks,
    session: { beforeTransaction: () => (isGated ? gate.pass() : Promise.resolve()) },
  });
  await probe.append([{ key: 'key-0', step: 1 }]);
  await effectsReach(1);
  isGated = true;
  await probe.append([{ key: 'key-1', step: 1 }]);
  await gate.reached;
  await probe.start(bad.hooks);
  await letterAbout('key-1');
  await probe.append([{ key: 'key-1', step: 2 }]);
  await expect.poll(() => probe.parkedBehind('key-1')).toHaveLength(1);
  bad.steps.clear(); // it would handle the first step now
  gate.open();
  await expect
    .poll(() => paused.failures.some((error) => error instanceof DatabaseFault && error.fenced))
    .toBe(true);
  expect(await stepsOf('key-1')).toEqual([]);
});

test('U4: connections lost at any moment of a replay lose and double nothing', async () => {
  const bad = poison('key-1/1');
  let losses = 0;
  await probe.start({
    ...bad.hooks,
    redelivering: {
      afterCommit: () =>
        losses++ < 3
          ? Promise.reject(new Fault('lost after the commit', { transient: true }))
          : Promise.resolve(),
    },
  });
  await probe.append(interleaved(['key-1'], 250));
  const letter = await letterAbout('key-1');
  await expect.poll(() => probe.parkedBehind('key-1')).toHaveLength(249);
  bad.steps.clear();
  await probe.order('replay', letter);
  await effectsReach(250);
  expect(await stepsOf('key-1')).toEqual(Array.from({ length: 250 }, (_, index) => index + 1));
  await expect.poll(parkedKeys).toEqual([]);
  expect(await probe.countEffects()).toBe(250);
  expect(losses).toBeGreaterThan(3);
});

test('D6: orders that cannot be executed yet keep none behind them from being executed', async () => {
  const bad = poison('key-1/1');
  await probe.start({ ...bad.hooks, retains: ({ key }) => key === 'key-0' });
  await probe.append([
    { key: 'key-0', step: 1 },
    { key: 'key-1', step: 1 },
  ]);
  const letter = await letterAbout('key-1');
  bad.steps.clear();
  // Far more than are looked at in one turn; the group keeps the event back for ever.
  await probe.query(
    `with asked as (
       insert into log.redeliveries (id, consumer_group, topic, partition, position, action, reason, requested_by, requested_at)
       select ('00000000-0000-7000-8000-' || lpad(n::text, 12, '0'))::uuid, 'probe', 'source', e.partition, e.position,
              'redeliver', 'tests', 'tests', now()
       from source.events e, generate_series(1, 450) n where e.key = 'key-0'
       returning id, consumer_group, partition
     )
     insert into log.pending_redeliveries (id, consumer_group, partition) select * from asked`,
  );
  await probe.query(
    `update log.positions p set position = h.position, turn = turn + 1
     from log.heads h where h.topic = p.topic and h.partition = p.partition`,
  );
  await probe.order('replay', letter);
  await effectsReach(1);
  expect(await stepsOf('key-1')).toEqual([1]);
});

test('D7: who has a great many orders holds up nobody else’s', async () => {
  const bad = poison('key-1/1');
  await probe.start(bad.hooks);
  await probe.append([{ key: 'key-1', step: 1 }]);
  const letter = await letterAbout('key-1');
  bad.steps.clear();
  // In one commit: a thousand orders that are done with a word, and behind them a replay of somebody else's.
  await probe.query(
    `with asked as (
       insert into log.redeliveries (id, consumer_group, topic, partition, position, action, dead_letter, reason, requested_by, requested_at)
       select ('00000000-0000-7000-8000-' || lpad(n::text, 12, '0'))::uuid, d.consumer_group, d.topic, d.partition,
              d.position + 1000, 'redeliver', null, 'tests', 'tests', now()
       from log.dead_letters d, generate_series(1, 1000) n where d.id = $1
       union all
       select '00000000-0000-7000-9000-000000000000', d.consumer_group, d.topic, d.partition, d.position, 'replay', d.id, 'tests',
              'tests', now()
       from log.dead_letters d where d.id = $1
       returning id, consumer_group, partition, dead_letter
     )
     insert into log.pending_redeliveries (id, consumer_group, partition, dead_letter) select * from asked`,
    [letter.id],
  );
  await effectsReach(1);
  const pending = () => probe.query('select from log.pending_redeliveries');
  await expect.poll(pending).toHaveLength(0);
  const before = await probe.query(
    `select from log.redeliveries r
     where r.dead_letter is null and r.done_at < (select done_at from log.redeliveries where dead_letter is not null)`,
  );
  expect(before.length).toBeLessThan(500);
});

test('U11: a replay of an event that its log lacks is done and says so, and the dead letter can be skipped', async () => {
  const bad = poison('key-1/1');
  await probe.start(bad.hooks);
  await probe.append(interleaved(['key-1'], 2));
  const letter = await letterAbout('key-1');
  await expect.poll(() => probe.parkedBehind('key-1')).toHaveLength(1);
  await probe.query('delete from source.events where position = 1 and key = $1', ['key-1']);
  await probe.order('replay', letter);
  const outcomes = async () =>
    (
      await probe.query<{ outcome: string }>('select outcome from log.redeliveries order by requested_at')
    ).map(({ outcome }) => outcome);
  await expect.poll(outcomes).toEqual(['not_found']);
  expect(await open()).toMatchObject([{ key: 'key-1', code: 'LogGap' }]);
  await probe.order('skip', letter);
  await effectsReach(1);
  expect(await outcomes()).toEqual(['not_found', 'done']);
  expect(await stepsOf('key-1')).toEqual([2]);
});

test.each([
  ['is gone from its log', 'delete from source.events', 'LogGap'],
  ['cannot be read any more', `update source.events set data = 'no JSON'`, 'SyntaxError'],
])(
  'D5: what waited and %s is a dead letter in front of the rest, which goes on when it is skipped',
  async (_what, damage, code) => {
    const bad = poison('key-1/1');
    await probe.start(bad.hooks);
    await probe.append(interleaved(['key-1'], 4));
    const letter = await letterAbout('key-1');
    await expect.poll(() => probe.parkedBehind('key-1')).toHaveLength(3);
    await probe.query(`${damage} where key = 'key-1' and position = 3`);
    bad.steps.clear();
    await probe.order('replay', letter);
    await expect.poll(async () => (await open())[0]?.position).toBe(3);
    expect(await open()).toMatchObject([{ key: 'key-1', topic: 'source', code, attempts: STRIKES_MAX }]);
    expect(await stepsOf('key-1')).toEqual([1, 2]);
    expect(await probe.parkedBehind('key-1')).toEqual([4]);
    await probe.order('skip', await letterAbout('key-1'));
    await effectsReach(3);
    expect(await stepsOf('key-1')).toEqual([1, 2, 4]);
    await expect.poll(parkedKeys).toEqual([]);
  },
);

test('W6: a group that has as many keys parked as memory is meant to hold parks no more', async () => {
  await probe.query(
    `insert into log.parked_keys (consumer_group, partition, parking_key, dead_letter, topic, position, parked_at)
     select 'probe', 0, 'other ' || n, gen_random_uuid(), 'source', 1, now() - interval '1 hour'
     from generate_series(1, $1) n`,
    [PARKED_MAX],
  );
  const bad = poison('key-1/1');
  const { withheld } = await probe.start(bad.hooks);
  await probe.append([{ key: 'key-1', step: 1 }]);
  await expect.poll(() => withheld.length).toBeGreaterThan(0);
  expect(await open()).toEqual([]);
  bad.steps.clear();
  await effectsReach(1);
});

test('U11: what was done about a dead letter can be added to by the services, and never changed', async () => {
  const bad = poison('key-1/1');
  await probe.start(bad.hooks);
  await probe.append([{ key: 'key-1', step: 1 }]);
  await letterAbout('key-1');
  const service = new Session({ url: probe.url, name: 'tests' });
  for (const text of [
    `update log.dead_letter_actions set actor = 'nobody'`,
    'delete from log.dead_letter_actions',
  ])
    await expect(service.query({ name: text, text }, [])).rejects.toMatchObject({ state: '42501' });
  await service.close();
});

test('a group that is set back while a key is parked handles nothing of it, and parks nothing twice', async () => {
  const bad = poison('key-1/1');
  const one = await probe.start(bad.hooks);
  await probe.append(interleaved(['key-1'], 3));
  await letterAbout('key-1');
  await expect.poll(() => probe.parkedBehind('key-1')).toEqual([2, 3]);
  await one.stop();
  await probe.query(`update log.positions set position = 0`);
  await probe.start(bad.hooks);
  await expect.poll(isAtEnd).toBe(true);
  expect(await probe.parkedBehind('key-1')).toEqual([2, 3]);
  expect(await open()).toHaveLength(1);
});

test('U20: what one group has given up in great numbers hides nothing of another one', async () => {
  const given = async (group: string, count: number) =>
    probe.query(
      `insert into log.dead_letters (id, consumer_group, partition, parking_key, topic, position, tenant, subject, type, version,
                                     error_code, error, attempts, state, failed_first_at, failed_last_at, target, work)
       select gen_random_uuid(), $1, 0, $1 || n, 'source', n, 'acme', 's', 't', 1, 'E', 'e', 1, 'open', now(), now(), 'x', $1 || n
       from generate_series(1, $2::integer) n`,
      [group, count],
    );
  await given('many', 100_001);
  await given('few', 2);
  const reader = new ReadPool({ url: probe.url, onError: () => undefined });
  const counts = await countDeadLetters(reader, ['many', 'few', 'none']);
  await reader.close();
  expect([counts.get('many')?.open, counts.get('few')?.open]).toEqual([100_000, 2]);
  expect(counts.get('none')?.open ?? 0).toBe(0);
});
