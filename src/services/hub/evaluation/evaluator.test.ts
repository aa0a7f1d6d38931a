/** H8: what tenants write is bounded, whatever it does. Real processes. */
import { afterAll, beforeEach, describe, expect, test } from 'vitest';
import { Fault } from '#kernel/fault.ts';
import { Evaluator } from './evaluator.ts';
import { JOB_MAX_MS, type OwnedJob } from './job.ts';

const evaluator = new Evaluator();
afterAll(() => evaluator.close());

/** One for each test: nobody pays for another's stops. */
let tenant = '';
let tenants = 0;
beforeEach(() => {
  tenant = `t${tenants++}`;
});

function value(source: string, message: unknown = {}): OwnedJob {
  return { tenant, kind: 'values', source: JSON.stringify([source]), message: JSON.stringify(message) };
}

function rules(list: readonly object[], message: unknown): OwnedJob {
  return { tenant, kind: 'rules', source: JSON.stringify(list), message: JSON.stringify(message) };
}

describe('an expression', () => {
  test('gives a value, and fails by name where it stands', async () => {
    const results = await evaluator.run([
      value('order.total * 100', { order: { total: 12 } }),
      value('nothing.there', {}),
      value('$number("x")'),
      { tenant, kind: 'check_expression', source: 'a +' },
    ]);
    expect(results).toMatchObject([
      { kind: 'values', values: ['1200'] },
      { kind: 'values', values: ['null'] },
      { kind: 'faulty', at: '/0' },
      { kind: 'faulty', position: 3 },
    ]);
  });

  test('that fails with a NUL, or half a character, says so in text that can be stored (R6)', async () => {
    const halved = `$error("${'a'.repeat(499)}\\ud83d\\ude00")`;
    const results = await evaluator.run([value(String.raw`$error("a\u0000b")`), value(halved)]);
    const details = results.map((result) => (result.kind === 'faulty' ? result.detail : ''));
    expect(details).toEqual(['a\u{fffd}b', `${'a'.repeat(499)}\u{fffd}`]);
  });

  test('that gives a number which no amount may be fails: beyond 2^53−1, and infinite', async () => {
    const sources = [
      '9007199254740991',
      '9007199254740992',
      '{"a": [-9007199254740993]}',
      '1e308 * 10',
      '0.1',
    ];
    const results = await evaluator.run(sources.map((source) => value(source)));
    expect(results.map(({ kind }) => kind)).toEqual(['values', 'faulty', 'faulty', 'faulty', 'values']);
    expect(await evaluator.run([rules([{ set: { a: 'b * 3' } }], { b: 2 ** 53 - 1 })])).toMatchObject([
      { kind: 'faulty', at: '/rules' },
    ]);
  });

  test('that gives more than a message may have fails, and nothing else through its source does', async () => {
    const padded = (length: number) => value('{"text": $pad("a", length)}', { length });
    for (let time = 0; time < 4; time++)
      expect(await evaluator.run([padded(70_000)])).toMatchObject([
        { kind: 'faulty', at: '/0', detail: 'gives more than 65536 bytes' },
      ]);
    expect(await evaluator.run([padded(10)])).toMatchObject([{ kind: 'values' }]);
  });

  test.each([
    ['items.n', '["a","b"]'],
    ['{"names": items.n}', '{"names":["a","b"]}'],
    ['items.{"name": n}', '[{"name":"a"},{"name":"b"}]'],
    ['{"one": items[0].n[]}', '{"one":["a"]}'],
    ['$map(items, function($item) { $item.n })', '["a","b"]'],
    ['$match("aba", /a/).match', '["a","a"]'],
  ])('that collects a list gives the list: %s', async (source, list) => {
    const message = { items: [{ n: 'a' }, { n: 'b' }] };
    expect(await evaluator.run([value(source, message)])).toEqual([{ kind: 'values', values: [list] }]);
  });

  test('that maps hundreds of members, or groups hundreds of items, is no recursion', async () => {
    const items = Array.from({ length: 300 }, (_, at) => ({ n: `n${at}`, q: at }));
    const members = items.map(({ n }, at) => `"${n}": $string(items[${at}].q)`);
    const results = await evaluator.run([
      value(`{${members.join(', ')}}`, { items }),
      value('items{n: $sum(q)}', { items }),
    ]);
    const mapped = results.map((result) => (result.kind === 'values' ? result.values : [])).flat();
    expect(mapped.map((text) => JSON.parse(text) as unknown)).toEqual([
      Object.fromEntries(items.map(({ n, q }) => [n, String(q)])),
      Object.fromEntries(items.map(({ n, q }) => [n, q])),
    ]);
  });

  test('reads a list that a rule before it has set as the next step does', async () => {
    const set = { all: 'items.n', some: '{"one": items[0].n[]}' };
    const [passed] = await evaluator.run([
      rules([{ set }, { set: { one: 'some.one' } }], { items: [{ n: 'a' }, { n: 'b' }] }),
    ]);
    const { message } = passed as { message: string };
    expect(JSON.parse(message)).toMatchObject({ all: ['a', 'b'], some: { one: ['a'] }, one: ['a'] });
  });

  test.each([`{'"': 1}`, `{'\\\\': 1}`, `{"a": [{"constructor": 1}]}`, `items{n: 1}`])(
    'that gives a name which may be read as another one fails: %s',
    async (source) => {
      const results = await evaluator.run([value(source, { items: [{ n: '"' }] })]);
      expect(results).toMatchObject([{ kind: 'faulty', detail: 'gives a name that no member may have' }]);
    },
  );

  test.each(['$string', '{"a": [$sum]}', 'function($x) { $x }', '{"a": function($x) { $x }}'])(
    'that gives a function fails: %s',
    async (source) => {
      expect(await evaluator.run([value(source)])).toMatchObject([
        { kind: 'faulty', at: '/0', detail: 'gives a function' },
      ]);
    },
  );

  test.each([
    ['loops by recursion', '($f := function($n) { $f($n + 1) }; $f(0))'],
    ['goes deeper for ever', '($f := function($n) { 1 + $f($n + 1) }; $f(0))'],
    ['grows a list', '($f := function($l) { $f($append($l, $l)) }; $f([1..1000]))'],
    ['grows a text', '($f := function($t) { $f($t & $t) }; $f("0123456789"))'],
    ['counts to a million', '$sum([1..1000000])'],
    ['backtracks for ever', '$match("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa!", /^(a+)+$/)'],
  ])('that %s is stopped, and nobody beside it is harmed', async (_what, source) => {
    const results = await evaluator.run([value('1'), value(source), value('2')]);
    expect(results.map(({ kind }) => kind)).toEqual(['values', 'overrun', 'values']);
    const [again] = await evaluator.run([value(source)]);
    expect(again).toMatchObject({ kind: 'overrun' });
  });

  test.each([
    ['makes a list of 2^27 items at once', '$count($split($pad("a", 200000000), ""))'],
    [
      'doubles a text, and reads it',
      '($d := function($t, $n) { $n = 0 ? $t : $d($t & $t, $n - 1) }; $length($d("0123456789", 25)))',
    ],
  ])('that %s ends no process but its own, and nobody beside it is harmed (E1)', async (_what, source) => {
    const results = await evaluator.run([value('1'), value(source), value('2'), value(source)]);
    expect(results.map(({ kind }) => kind)).toEqual(['values', 'overrun', 'values', 'overrun']);
    expect(await evaluator.run([value(source)])).toMatchObject([{ kind: 'overrun' }]);
    expect(await evaluator.run([value('3')])).toMatchObject([{ kind: 'values', values: ['3'] }]);
  });

  test('reaches nothing of the process', async () => {
    const results = await evaluator.run([
      value('process.env'),
      value('$constructor'),
      value('"".constructor("return process")()'),
      value('{}.__proto__'),
    ]);
    for (const result of results)
      expect(result.kind === 'faulty' || JSON.stringify(result).includes('null')).toBe(true);
  });
});

/** The list fails with its first item, while the second one is on the way to what loops. */
test('what is left of one that has failed is its own, and holds up nobody who is worked on behind it (V2)', async () => {
  const loop = '$match("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa!", /^(a+)+$/)';
  const fails = value(`[$error("first"), (${'1; '.repeat(200)}${loop})]`);
  const others = Array.from({ length: 100 }, (_, at) => ({ ...value('"other"'), tenant: `${tenant}-${at}` }));
  const results = await evaluator.run([fails, ...others], { isShared: true });
  expect(results[0]).toMatchObject({ kind: 'overrun' });
  expect(new Set(results.slice(1).map(({ kind }) => kind))).toEqual(new Set(['values']));
});

/** Nothing has been tried for so long: what began to loop meanwhile came through at first. */
test('what was worked on before one that loops comes through, whatever else loops by then (V2)', async () => {
  const own = (name: string) => ({ ...value('"own"'), tenant: `${tenant}-${name}` });
  const loop = '$match("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa!", /^(a+)+$/)';
  await evaluator.run([own('first')]);
  const later = Date.now() + JOB_MAX_MS / 2;
  const jobs = [own('a'), value(`$millis() > ${later} ? ${loop} : 1`), value(loop), own('b')];
  const results = await evaluator.run(jobs, { isShared: true });
  expect(results.map(({ kind }) => kind)).toEqual(['values', 'overrun', 'overrun', 'values']);
});

test('a tenant whose expression ends its process, and comes through the next time, is worked on apart from the others (V7)', async () => {
  const other = { ...value('"other"'), tenant: `${tenant}-other` };
  const kinds: string[] = [];
  for (let times = 0; times < 10 && !kinds.includes('overrun'); times++) {
    const until = Date.now() + 100;
    const ends = value(`$millis() < ${until} ? $count($split($pad("a", 200000000), "")) : 1`);
    const results = await evaluator.run([ends, other], { isShared: true });
    expect(results[1]).toMatchObject({ kind: 'values' });
    kinds.push(results[0]?.kind ?? '');
  }
  expect(kinds.at(-1)).toBe('overrun');
});

test('large messages of two bytes a letter, and what is made of them, take no room from each other', async () => {
  const message = { a: `€${'x'.repeat(65_000)}` };
  const jobs = Array.from({ length: 256 }, (_, at) => ({
    ...rules([{ set: { b: '1' } }], message),
    tenant: `${tenant}-${at % 7}`,
  }));
  const results = await evaluator.run(jobs, { isShared: true });
  expect([...new Set(results.map(({ kind }) => kind))]).toEqual(['passed']);
});

test('keys together longer than a message fail', async () => {
  const keys = JSON.stringify(['$pad("a", 40000)', '$pad("b", 20000)', '$pad("c", 20000)']);
  const [result] = await evaluator.run([{ tenant, kind: 'values', source: keys, message: '{}' }]);
  expect(result).toMatchObject({
    kind: 'faulty',
    at: '/2',
    detail: 'gives more than 65536 bytes together with what comes before it',
  });
});

describe('rules', () => {
  const list = [
    { when: 'amount > 1000', refuse: 'too much' },
    { set: { amount_minor: 'amount * 100', country: '$uppercase(country)' } },
    { when: 'country = "BR"', route: 'local' },
  ];

  test('see what those before them have set, and route', async () => {
    const [result] = await evaluator.run([rules(list, { amount: 5, country: 'br' })]);
    const message = JSON.stringify({ amount: 5, country: 'BR', amount_minor: 500 });
    expect(result).toEqual({ kind: 'passed', message, route: 'local' });
  });

  test('refuse with a reason, at 1001 and not at 1000', async () => {
    const results = await evaluator.run([
      rules(list, { amount: 1000, country: 'br' }),
      rules(list, { amount: 1001, country: 'br' }),
    ]);
    expect(results).toMatchObject([{ kind: 'passed' }, { kind: 'refused', rule: 0, reason: 'too much' }]);
  });
});

test('a source is left alone when it was stopped for one message three times, whatever was tried with others before (V3)', async () => {
  const loop = value('($f := function($n) { $f($n + 3) }; $f(0))');
  const tried = async (shared: boolean) => (await evaluator.run([loop], { isShared: shared }))[0];
  for (const shared of [true, true, true, false, false])
    expect(await tried(shared)).not.toMatchObject({ isShunned: true });
  expect(await tried(false)).toMatchObject({
    kind: 'overrun',
    isShunned: true,
    detail: expect.stringContaining('loop') as string,
  });
  expect(await tried(false)).toMatchObject({
    kind: 'overrun',
    isShunned: true,
    detail: expect.stringContaining('not tried') as string,
  });
});

test('a source that was stopped among others is not tried among others again before it came through alone (V3)', async () => {
  const source = '$count($match(text, /^(a+)+$/))';
  const [loops, ends] = ['aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa!', 'aaa'].map((text) =>
    value(source, { text }),
  ) as [OwnedJob, OwnedJob];
  const tried = async (job: OwnedJob, isShared: boolean) => (await evaluator.run([job], { isShared }))[0];
  expect(await tried(loops, true)).toMatchObject({ kind: 'overrun' });
  expect(await tried(ends, true)).toMatchObject({ kind: 'overrun' });
  expect(await tried(ends, false)).toMatchObject({ kind: 'values' });
  expect(await tried(ends, true)).toMatchObject({ kind: 'values' });
});

/** Backtracks for ever; each number makes another source of it. */
function loopOf(number: number): OwnedJob {
  return value(`(${number}; $match("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa!", /^(a+)+$/))`);
}

const MANY = 40;

describe('V5: a tenant whose expressions loop', () => {
  test('costs a batch one stop of a source, wherever its messages stand in it', async () => {
    const jobs = Array.from({ length: MANY }, (_, index) => [loopOf(1), value(String(index))]).flat();
    const startedAt = performance.now();
    const results = await evaluator.run(jobs, { isShared: true });
    const neededMs = performance.now() - startedAt;
    expect(results.map(({ kind }) => kind)).toEqual(
      jobs.map((_, at) => (at % 2 === 0 ? 'overrun' : 'values')),
    );
    expect(neededMs).toBeLessThan(MANY * JOB_MAX_MS);
  });

  test('costs a batch two stops, however many sources loop; what was not tried is tried alone', async () => {
    const loops = Array.from({ length: MANY }, (_, number) => loopOf(number));
    const own = value('"own"');
    tenant = `${tenant}-other`;
    const others = value('"other"');
    const results = await evaluator.run([...loops, own, others], { isShared: true });
    const untried = results.filter((result) => result.kind === 'overrun' && result.isUntried === true);
    expect(untried).toHaveLength(loops.length - 2 + 1);
    expect(results.at(-1)).toMatchObject({ kind: 'values', values: ['"other"'] });
    expect(await evaluator.run([own])).toMatchObject([{ kind: 'values', values: ['"own"'] }]);
  });

  test('that end their process alike', async () => {
    const deaths = Array.from({ length: 5 }, (_, number) =>
      value(`(${number}; $count($split($pad("a", 200000000), "")))`),
    );
    const results = await evaluator.run(deaths, { isShared: true });
    expect(results.filter((result) => result.kind === 'overrun' && result.isUntried)).toHaveLength(3);
  });
});

/** With no share at all a tenant has its first job worked on, however quick the machine. */
describe('V6: a tenant that has had its share', () => {
  const NO_SHARE = { isShared: true, shareMs: 0 };
  const own = (n = 0) => value(String(n));
  const other = (name: string) => ({ ...value('0'), tenant: `${tenant}-${name}` });

  async function kindsOf(jobs: readonly OwnedJob[], how = {}): Promise<string[]> {
    return (await evaluator.run(jobs, how)).map(({ kind }) => kind);
  }

  test('has one job done in a run at least, and the others go on', async () => {
    const jobs = [other('a'), own(), own(), own(1), other('b')];
    expect(await kindsOf(jobs, NO_SHARE)).toEqual(['values', 'values', 'later', 'later', 'values']);
    expect(await kindsOf([own()], NO_SHARE)).toEqual(['values']);
    expect(await kindsOf([own(), own(), own()], { isShared: true })).toEqual(['values', 'values', 'values']);
  });

  test('has one done in each process at most, however many are handed over', async () => {
    const kinds = await kindsOf(
      Array.from({ length: 1100 }, () => own()),
      NO_SHARE,
    );
    expect(kinds.filter((kind) => kind === 'values').length).toBeLessThanOrEqual(2);
  });

  test('has no second one where another is stopped, by its thread or by its process', async () => {
    const loop = { ...loopOf(0), tenant: `${tenant}-loop` };
    const death = { ...loop, source: JSON.stringify(['$count($split($pad("a", 200000000), ""))']) };
    const expected = ['values', 'later', 'overrun', 'later', 'later', 'values'];
    for (const stopped of [loop, death])
      expect(await kindsOf([own(), own(), stopped, own(), own(1), other('c')], NO_SHARE)).toEqual(expected);
  });
});

test('a process that stops says nothing of what it was asked: that is no fault of a message', async () => {
  const stopping = new Evaluator();
  const loop = value('($f := function($n) { $f($n + 4) }; $f(0))');
  const isOfTheWorld = (error: unknown): boolean => error instanceof Fault && error.transient;
  const underWay = stopping.run([loop, value('1')]).then(
    () => 'answered',
    (error: unknown) => isOfTheWorld(error),
  );
  await stopping.close();
  expect(await underWay).toBe(true);
  await expect(stopping.run([value('1')])).rejects.toSatisfy(isOfTheWorld);
});

test('a schema says every fault with its place, and one that is none is said to be so', async () => {
  const source = JSON.stringify({
    type: 'object',
    required: ['id', 'note'],
    properties: { id: { type: 'string' } },
  });
  const results = await evaluator.run([
    { tenant, kind: 'validate', source, message: '{"id":"a","note":0}' },
    { tenant, kind: 'validate', source, message: '{"id":1,"note":0}' },
    { tenant, kind: 'check_schema', source: '{"type":"strange"}' },
  ]);
  expect(results).toMatchObject([
    { kind: 'valid' },
    { kind: 'invalid', faults: [{ pointer: '/id', code: 'wrong_type' }] },
    { kind: 'faulty' },
  ]);
});

test('what a message lacks by a long schema, a hundred times, is told in less than a message', async () => {
  const listed = Array.from({ length: 50 }, (_, at) => `${at} ${'x'.repeat(1000)}`);
  const source = JSON.stringify({ type: 'object', additionalProperties: { enum: listed } });
  const message = JSON.stringify(Object.fromEntries(Array.from({ length: 100 }, (_, at) => [`m${at}`, at])));
  const [result] = await evaluator.run([{ tenant, kind: 'validate', source, message }]);
  expect(result).toMatchObject({ kind: 'invalid' });
  expect(JSON.stringify(result).length).toBeLessThan(65_536);
});
