/** What the hub has given up, in the one place where everything is that has failed for good (U11, F4). */
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { HubDesk } from './hub-desk.ts';
import { LastroHome } from './lastro-home.ts';
import { type LastroProcess, runLastro } from './lastro-process.ts';
import { LetterPartner } from './letter-partner.ts';
import { ask } from './redelivery.ts';

/** Any text of the pattern. */
const matching = (pattern: RegExp): unknown => expect.stringMatching(pattern);

let home: LastroHome;
let lastro: LastroProcess;
let partner: LetterPartner;
let desk: HubDesk;

beforeAll(async () => {
  partner = await LetterPartner.open();
  home = await LastroHome.open();
  lastro = await home.start();
  desk = new HubDesk(lastro.url);
  // What compiles schemas is slow at its first, on a machine that does much else.
  await put('warm', {}, SCHEMA);
  await vi.waitUntil(
    async () => (await desk.send('warm', { n: 1 }, { prefer: 'wait=3' })).body['status'] === 'delivered',
    { timeout: 90_000, interval: 50 },
  );
}, 120_000);

afterAll(async () => {
  await home.remove();
  await partner.close();
});

type Body = Readonly<Record<string, unknown>>;

interface Letter {
  readonly id: string;
  readonly work_id: string;
  readonly state: string;
  readonly replayed_as: string | null;
  readonly replayed_at_return: boolean;
  readonly actions: readonly Body[];
}

const SCHEMA = { type: 'object', required: ['n'], properties: { n: { type: 'integer' } } };

/** A connector with a destination of its own, which is tried once. */
function put(name: string, more: Body = {}, schema?: Body): Promise<unknown> {
  return desk.putConnector(name, {
    entry: { type: 'api', ...(schema === undefined ? {} : { schema }) },
    destinations: {
      main: { type: 'http', method: 'POST', url: `${partner.url}/${name}`, attempts: 1, ...more },
    },
  });
}

async function send(connector: string, n: number): Promise<string> {
  return String((await desk.send(connector, { n })).body['id']);
}

async function list(query: string): Promise<Letter[]> {
  return (await desk.call('GET', `/v1/dead-letters?${query}`)).body['data'] as Letter[];
}

async function letterOf(integration: string): Promise<Letter> {
  await expect.poll(() => list(`subject=${integration}`)).not.toEqual([]);
  return read((await list(`subject=${integration}`))[0]?.id);
}

async function read(id = ''): Promise<Letter> {
  return (await desk.call('GET', `/v1/dead-letters/${id}`)).body as unknown as Letter;
}

function order(id: string, action: string, body: unknown = {}): ReturnType<HubDesk['call']> {
  return desk.call('POST', `/v1/dead-letters/${id}/${action}`, body);
}

async function settled(id: string): Promise<Letter> {
  await expect.poll(async () => (await read(id)).state).not.toBe('open');
  return read(id);
}

test('U11: what was given up is listed by its connector, grouped by its error, and shown with what was answered', async () => {
  await put('ledgers', {}, SCHEMA);
  partner.answer = ({ body }) => ((body as { n: number }).n < 3 ? 422 : 400);
  const sent = await Promise.all([0, 1, 2, 3].map((n) => send('ledgers', n)));
  const letter = await letterOf(sent[0] as string);
  await expect.poll(async () => (await list('target=ledgers')).length).toBe(4);
  const groups = await desk.call('GET', '/v1/dead-letters/groups?target=ledgers');
  const error = { code: 'hub.destination_refuses' };
  const group = { group: 'hub.delivery', target: 'ledgers' };
  expect(groups.body).toMatchObject({
    complete: true,
    data: [
      { ...group, error: { ...error, status: 422 }, count: 3, example: matching(/^dlt_/) },
      { ...group, error: { ...error, status: 400 }, count: 1 },
    ],
  });
  expect(letter).toMatchObject({
    group: 'hub.delivery',
    type: 'integration.enriched',
    work_id: sent[0],
    replayed_at_return: false,
    error: { ...error, status: 422 },
    event: { type: 'lastro.integration.enriched.v1' },
    work: {
      message: { n: 0 },
      calls: [{ tries: 1, history: [{ status: 422, detail: matching(/said/) }] }],
    },
    actions: [{ action: 'dead_lettered', actor: 'hub.delivery' }],
  });
  expect(await list('target=ledgers&error_code=hub.destination_refuses&state=open&limit=500')).toHaveLength(
    4,
  );
  expect(await list('target=nobody')).toEqual([]);
  const counted = /^lastro_dead_letters_total\{group="hub.delivery"\} 4$/m;
  const metrics = async () => (await fetch(`${desk.url}/metrics`)).text();
  await expect.poll(metrics).toMatch(counted); // U20
  const line = lastro
    .output()
    .split('\n')
    .find((each) => each.includes(`"work":"${sent[0]}"`));
  const told = { group: 'hub.delivery', target: 'ledgers', error_code: error.code };
  expect(JSON.parse(line ?? '{}')).toMatchObject({ ...told, dead_letter: letter.id });
  expect(line).not.toContain('said');
});

test('U11: what fails in a step without asking anybody is there too', async () => {
  await desk.putConnector('maths', {
    entry: { type: 'api' },
    rules: [{ set: { sum: '$sum("a")' } }],
    destinations: { main: { type: 'payment', body: '{}' } },
  });
  const { body } = await desk.send('maths', { a: 1 });
  expect(await letterOf(String(body['id']))).toMatchObject({
    group: 'hub.rules',
    target: 'maths',
    error: { code: 'hub.expression_failed', status: null },
  });
});

test('H4, U11: it is replayed with another message, which the schema must take, under the first key', async () => {
  const [letter] = (await list('target=ledgers')) as [Letter];
  const refused = await order(letter.id, 'replay', { data: { n: 'three' } });
  expect(refused).toMatchObject({
    status: 422,
    body: { code: 'dead_letters.invalid_data', errors: [{ pointer: '/data/n' }] },
  });
  expect(await read(letter.id)).toMatchObject({ state: 'open', order: null });
  partner.answer = () => 200;
  expect((await order(letter.id, 'replay', { data: { n: 33 }, reason: 'mended' })).status).toBe(202);
  const end = await settled(letter.id);
  expect(end).toMatchObject({
    state: 'replayed',
    edited: true,
    edited_data: { n: 33 },
    replayed_as: matching(/^int_/),
  });
  expect(end.actions.map(({ action }) => action)).toEqual(['dead_lettered', 'replay_requested', 'replayed']);
  expect(await desk.ended(end.replayed_as)).toMatchObject({
    status: 'delivered',
    replay_of: letter.work_id,
  });
  expect(partner.under(letter.work_id).map(({ body }) => body)).toEqual([expect.anything(), { n: 33 }]);
  expect(await order(letter.id, 'replay')).toMatchObject({
    status: 409,
    body: { code: 'dead_letters.resolved' },
  });
});

test('U11: the command line holds an edit against the schema too', async () => {
  const on = { DATABASE_URL: home.database.url, DATA_DIR: home.folder };
  const [{ id }] = (await list('target=ledgers&state=open')) as [Letter];
  const replay = runLastro(['dead-letters', 'replay', id, '--data', '{"n": "x"}'], on);
  await expect(replay).rejects.toThrow('/n must be integer.');
  expect(await read(id)).toMatchObject({ state: 'open', order: null });
});

test('U11: it is discarded with a reason, and resolved by a replay of the integration itself', async () => {
  const [first, second] = (await list('target=ledgers&state=open')) as [Letter, Letter];
  expect((await order(first.id, 'discard')).status).toBe(400);
  expect((await order(first.id, 'discard', { reason: 'paid by hand' })).status).toBe(202);
  expect(await settled(first.id)).toMatchObject({ state: 'discarded', replayed_as: null });
  const replayed = await desk.call('POST', `/v1/integrations/${second.work_id}/replay`);
  expect(await read(second.id)).toMatchObject({ state: 'replayed', replayed_as: replayed.body['id'] });
});

test('U19: another tenant finds, edits and orders nothing', async () => {
  const created = await runLastro(['keys', 'create', '--tenant', 'stranger'], {
    DATABASE_URL: home.database.url,
    DATA_DIR: home.folder,
  });
  const stranger = { authorization: `Bearer ${/lk_\w+/.exec(created)?.[0]}` };
  const [{ id }] = (await list('target=ledgers&state=open')) as [Letter];
  const at = `/v1/dead-letters/${id}`;
  expect((await desk.call('GET', at, undefined, stranger)).status).toBe(404);
  for (const body of [{}, { data: { n: 1 } }])
    expect((await desk.call('POST', `${at}/replay`, body, stranger)).status).toBe(404);
  const groups = await desk.call('GET', '/v1/dead-letters/groups', undefined, stranger);
  expect(groups.body['data']).toEqual([]);
});

test('U11: many are replayed as the frozen set that they were, once, though the process is killed meanwhile', async () => {
  await put('many');
  partner.answer = () => 422;
  const sent = await Promise.all(Array.from({ length: 60 }, (_, n) => send('many', n)));
  await expect.poll(async () => (await list('target=many&limit=500')).length).toBe(60);
  const body = { target: 'many', error_code: 'hub.destination_refuses', reason: 'they are there again' };
  partner.answer = () => 200;
  const asked = await desk.call('POST', '/v1/dead-letters/replays', body);
  expect(asked).toMatchObject({ status: 202, body: { total: 60, state: 'running' } });
  lastro.kill('SIGKILL');
  await lastro.ended;
  lastro = await home.start();
  desk.url = lastro.url;
  const progress = async () =>
    (await desk.call('GET', `/v1/dead-letters/replays/${String(asked.body['id'])}`)).body;
  await expect.poll(progress).toMatchObject({ state: 'done', replayed: 60, failed: 0 });
  const made = await ask(
    home.database.url,
    `select count(*)::integer as made, count(distinct replay_of)::integer as of from hub.integrations
     where connector = 'many' and replay_of is not null`,
    [],
  );
  expect(made).toEqual([{ made: 60, of: 60 }]);
  const ends = await Promise.all(sent.map((id) => letterOf(id)));
  for (const { replayed_as } of ends)
    expect(await desk.ended(replayed_as)).toMatchObject({ status: 'delivered' });
});

test('U11: many are discarded as the frozen set that they were, for a reason, and nothing else is', async () => {
  await put('spam');
  await put('other-spam');
  partner.answer = () => 422;
  await Promise.all([send('other-spam', 0), ...Array.from({ length: 20 }, (_, n) => send('spam', n))]);
  await expect.poll(async () => (await list('target=spam')).length).toBe(20);
  await expect.poll(async () => (await list('target=other-spam')).length).toBe(1);
  const discard = (body: Body) => desk.call('POST', '/v1/dead-letters/discards', body);
  for (const body of [{ target: 'spam' }, { reason: 'all of it' }, { target: 'spam', reason: ' ' }])
    expect((await discard(body)).body['code']).toBe('request.invalid');
  const asked = await discard({ target: 'spam', reason: 'nobody wants it' });
  expect(asked).toMatchObject({ status: 202, body: { total: 20, state: 'running', discarded: 0 } });
  const id = String(asked.body['id']);
  const progress = async () => (await desk.call('GET', `/v1/dead-letters/discards/${id}`)).body;
  await expect.poll(progress).toMatchObject({ state: 'done', discarded: 20, failed: 0 });
  expect((await desk.call('GET', `/v1/dead-letters/replays/${id}`)).status).toBe(404);
  const [one] = await list('target=spam&state=discarded');
  expect((await read(one?.id)).actions.at(-1)).toMatchObject({
    action: 'discarded',
    reason: 'nobody wants it',
  });
  expect(await list('target=spam&state=open')).toEqual([]);
  const on = { DATABASE_URL: home.database.url, DATA_DIR: home.folder };
  const all = ['dead-letters', 'discard-all', '--reason', 'neither'];
  await expect(runLastro(all, on)).rejects.toThrow(/name what is to be discarded/);
  await runLastro([...all, '--target', 'other-spam'], on);
  await expect.poll(() => list('target=other-spam&state=discarded')).toHaveLength(1);
});

test('U12: what was given up while the destination was away is replayed by itself when it is back, once', async () => {
  await put('away');
  partner.answer = () => 503;
  const lost = await Promise.all([1, 2, 3].map((n) => send('away', n)));
  const letters = await Promise.all(lost.map(letterOf));
  for (const letter of letters)
    expect(letter).toMatchObject({ state: 'open', replayed_at_return: true, error: { status: 503 } });
  // The second of them fails again when it is replayed, and waits for a person then.
  partner.answer = ({ body }) => ((body as { n: number }).n === 2 ? 503 : 200);
  let n = 10;
  await expect
    .poll(async () => {
      await send('away', n++);
      return (await Promise.all(letters.map(({ id }) => read(id)))).map(({ state }) => state);
    })
    .toEqual(['replayed', 'replayed', 'replayed']);
  const ends = await Promise.all(letters.map(({ id }) => read(id)));
  expect(ends[0]?.actions).toMatchObject([
    { action: 'dead_lettered' },
    { action: 'replay_requested', actor: 'hub.delivery', reason: 'Its destination answers again.' },
    { action: 'replayed', actor: 'hub.delivery' },
  ]);
  const again = await Promise.all(ends.map(({ replayed_as }) => desk.ended(replayed_as)));
  expect(again.map(({ status }) => status)).toEqual(['delivered', 'failed', 'delivered']);
  expect(await letterOf(String(ends[1]?.replayed_as))).toMatchObject({
    state: 'open',
    replayed_at_return: false,
  });
  for (const id of lost) expect(partner.under(id)).toHaveLength(2);
});

test('U12: where a connector wants it so, what was given up waits for a person also if its destination was away', async () => {
  await put('apart', { automatic_replay: false });
  partner.answer = () => 503;
  expect(await letterOf(await send('apart', 1))).toMatchObject({
    error: { code: 'hub.destination_fails', status: 503 },
    replayed_at_return: false,
  });
});

test('U5, U11: an undo that was given up is asked for again, and takes back what was delivered', async () => {
  await put('undone', {
    undo: { method: 'POST', url: `${partner.url}/undo`, body: '{"n": n}' },
  });
  partner.answer = ({ path }) => (path === '/undo' ? 400 : 200);
  const id = await send('undone', 7);
  expect(await desk.ended(id)).toMatchObject({ status: 'delivered' });
  await desk.call('POST', `/v1/integrations/${id}/undo`, { reason: 'a mistake' });
  const letter = await letterOf(id);
  expect(letter).toMatchObject({
    group: 'hub.undo',
    type: 'integration.undo_requested',
    error: { status: 400 },
  });
  expect(await order(letter.id, 'replay', { data: { n: 8 } })).toMatchObject({
    status: 422,
    body: { code: 'dead_letters.not_editable' },
  });
  partner.answer = () => 200;
  await order(letter.id, 'replay');
  expect(await settled(letter.id)).toMatchObject({ state: 'replayed', replayed_as: id });
  await expect
    .poll(async () => (await desk.call('GET', `/v1/integrations/${id}`)).body)
    .toMatchObject({ status: 'undone', verdict: 'complete' });
});

test('U11: the command line groups, lists and orders the same', async () => {
  const on = { DATABASE_URL: home.database.url, DATA_DIR: home.folder };
  const [{ id }] = (await list('target=away&state=open')) as [Letter];
  expect(await runLastro(['dead-letters', 'groups', '--target', 'away'], on)).toContain(
    '1\thub.delivery\taway\thub.destination_fails\t503',
  );
  expect(await runLastro(['dead-letters', 'list', '--target', 'away'], on)).toContain(id);
  expect(await runLastro(['dead-letters', 'show', id], on)).toContain('"message"');
  await runLastro(['dead-letters', 'replay-all', '--target', 'away'], on);
  expect(await settled(id)).toMatchObject({ state: 'replayed' });
});
