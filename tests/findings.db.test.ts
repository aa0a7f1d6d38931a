/** Findings in the database: of verdicts, of audits, of an operator; and what stays as it is when they are seen again. */
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest';
import type { LogEvent } from '#platform/log/event.ts';
import { decodeEvent, type EventRow } from '#platform/log/event-log.ts';
import { follow } from '#platform/log/follow.ts';
import { Session } from '#platform/postgres/session.ts';
import { verify } from '#proof/verify.ts';
import { Census } from '#services/integrity/census.ts';
import type { Sighting } from '#services/integrity/finding.ts';
import { resolve } from '#services/integrity/settle-finding.ts';
import { atOperatorDesk } from '../src/operator-desk.ts';
import { requestRepairs } from '../src/request-repairs.ts';
import { appendEvents } from './append-events.ts';
import { takeOneCheckpoint } from './checkpoints.ts';
import { inflict, some, toOne } from './damage.ts';
import { cloneTestDatabase, type TestDatabase } from './database.ts';
import { PARTITIONS } from './engine.ts';
import { IntegrityDesk } from './integrity-desk.ts';
import { type PaidInstallation, payEveryEnding } from './paid-installation.ts';
import { ask, DELIVERIES, dumpTables, setBack } from './redelivery.ts';

let sound: PaidInstallation;
let database: TestDatabase;
let url: string;
let desk: IntegrityDesk;

beforeAll(async () => {
  sound = await payEveryEnding();
});

afterAll(() => sound.database.drop());

beforeEach(async () => {
  database = await cloneTestDatabase(sound.database);
  ({ url } = database);
  desk = await IntegrityDesk.open(url);
});

afterEach(async () => {
  await desk.close();
  await database.drop();
});

const LATER = { now: () => Date.now() + 3_600_000 };

async function judge(batchMax = 500): Promise<void> {
  await DELIVERIES['integrity']?.(url, { batchMax, clock: LATER });
}

/** Of a completed payment the event of that type. */
async function completedEvent(topic: string, type: string): Promise<LogEvent> {
  const session = new Session({ url, name: 'reads' });
  try {
    const text = `select * from "${topic}".events where type = $1 and subject = $2`;
    const [row] = await session.query<EventRow>({ name: '', text }, [type, sound.completed[0]]);
    return decodeEvent(topic, row as EventRow);
  } finally {
    await session.close();
  }
}

/** An event of its saga that no saga has room for, about a completed payment. */
async function appendAlien(): Promise<LogEvent> {
  const requested = await completedEvent('payments', 'payment.requested');
  const alien = follow(requested, { type: 'provider.approved', data: {} });
  const [stored] = await appendEvents({ url, partitions: PARTITIONS }, 'providers', [alien]);
  return stored as LogEvent;
}

async function told(): Promise<unknown[]> {
  const rows = await ask(
    url,
    'select type, subject, key, causation from integrity.events order by partition, position',
  );
  return rows.map((row) => Object.values(row).join(' '));
}

test('P5: what a verdict finds is a finding in its commit, told by an event with the payment’s own key', async () => {
  const alien = await appendAlien();
  await judge();
  const place = `providers/${alien.partition}/${alien.position}`;
  const [finding] = await desk.findings();
  expect(finding).toMatchObject({
    tenant: 'acme',
    kind: 'out_of_order',
    subject: alien.subject,
    state: 'parked',
  });
  expect(await told()).toEqual([
    `integrity.finding_opened ${alien.subject} wallet ${place}`,
    `integrity.parked ${alien.subject} wallet ${place}`,
  ]);
});

test.each([500, 1])(
  'U3: events delivered again to integrity, %i at once, change no table, findings included',
  async (batchMax) => {
    await appendAlien();
    await judge();
    const before = await dumpTables(url);
    expect(before['integrity.findings']).toHaveLength(1);
    await setBack(url, ['integrity']);
    await judge(batchMax);
    expect(await dumpTables(url)).toEqual(before);
  },
);

test('an audit that sees what a verdict has found opens no second finding', async () => {
  const { subject } = await appendAlien();
  await judge();
  await desk.audit();
  expect(await desk.findings()).toMatchObject([{ kind: 'out_of_order', subject, seen: 2 }]);
});

const FORGED = toOne(
  'pay',
  'a forged status',
  `update payments.payments set status = 'completed' where id = ${some('declined')} returning id`,
  [['payments', 'different_payment']],
);

test('U14: what an operator’s verification finds is repaired by the service when it runs, and verifies clean', async () => {
  const [expected] = await inflict(url, FORGED);
  const report = await verify({ url });
  expect(await requestRepairs(url, report)).toEqual({ requested: 1, parked: 0, isServed: false });
  expect(await desk.states()).toEqual([`different_payment of ${expected?.subject}: open`]);
  await desk.repairAll();
  expect(await desk.states()).toEqual([`different_payment of ${expected?.subject}: repaired`]);
  expect(await verify({ url })).toMatchObject({ ok: true });
});

test('U14: what an operator found by evidence kept elsewhere is not over because an audit without it sees nothing', async () => {
  const report = await verify({ url });
  const replaced = {
    kind: 'replaced_checkpoint',
    subject: 'checkpoint/1',
    detail: 'it is not the one that was kept',
  };
  const checks = report.checks.map((check) =>
    check.name === 'checkpoints' ? { ...check, findings: [replaced], total: 1 } : check,
  );
  await requestRepairs(url, { ...report, ok: false, checks });
  await desk.repairAll();
  await desk.audit();
  expect(await desk.states()).toEqual(['replaced_checkpoint of checkpoint/1: parked']);
});

test('an operator who asks again has a parked finding repaired from the beginning', async () => {
  await inflict(url, FORGED);
  const failing = await IntegrityDesk.open(url, {
    rebuild: async () => ({ outcome: 'failed', detail: 'in vain' }),
  });
  await failing.audit();
  await failing.repairAll();
  await failing.close();
  expect(await desk.findings()).toMatchObject([{ state: 'parked', attempts: 3 }]);
  await requestRepairs(url, await verify({ url }));
  await desk.repairAll();
  expect(await desk.findings()).toMatchObject([{ state: 'repaired', attempts: 1 }]);
  const actions = await ask(url, 'select action, actor from integrity.finding_actions order by id');
  expect(actions.map(({ action, actor }) => `${String(action)} by ${String(actor)}`)).toEqual([
    'opened by system',
    'attempted by system',
    'attempted by system',
    'parked by system',
    'repair_requested by operator',
    'repaired by system',
  ]);
});

test('U14: a damage that comes back after every repair is a person’s the fourth time: no repair loops', async () => {
  const states: string[] = [];
  for (let time = 0; time < 4; time++) {
    await inflict(url, FORGED);
    await desk.audit();
    await desk.repair();
    states.push((await desk.findings()).at(-1)?.state ?? '');
  }
  expect(states).toEqual(['repaired', 'repaired', 'repaired', 'parked']);
});

test('a repair that throws is tried again, and three times at most', async () => {
  await inflict(url, FORGED);
  let attempts = 0;
  const failing = await IntegrityDesk.open(url, {
    rebuild: async () => {
      attempts++;
      throw new Error('the world failed');
    },
  });
  await failing.audit();
  await failing.repairAll();
  expect(await failing.findings()).toMatchObject([{ state: 'parked', attempts: 3 }]);
  expect(attempts).toBe(3);
  expect(failing.errors).toHaveLength(3);
  await failing.close();
});

test('what the logs say is not believed where the end of one may be gone', async () => {
  await ask(
    url,
    `update log.positions set position = position + 1 where consumer_group = 'ledger' and partition = 2`,
  );
  await inflict(url, FORGED);
  await desk.audit();
  await desk.repairAll();
  expect((await desk.findings()).filter(({ state }) => state !== 'parked')).toEqual([]);
  expect(await verify({ url })).toMatchObject({ ok: false });
});

test('what a whole audit does not see again is over, unless it is a verdict’s', async () => {
  const { subject } = await appendAlien();
  await judge();
  await ask(url, `update "authorization".sagas set state = 'failed' where payment_id = ${some('completed')}`);
  await desk.audit();
  const parked = (await desk.findings()).filter(({ kind }) => kind === 'different_saga');
  expect(parked).toMatchObject([{ state: 'parked' }]);
  await ask(
    url,
    `update "authorization".sagas set state = 'completed' where payment_id = ${some('completed')}`,
  );
  await desk.audit();
  expect(await desk.states()).toEqual([
    `out_of_order of ${subject}: parked`,
    `different_saga of ${parked[0]?.subject}: resolved`,
  ]);
});

test('one audit is asked for at a time, over all tenants, and is seen by who asked for it alone', async () => {
  const order = { scope: 'sagas', requestedBy: 'key_1' } as const;
  const [first, second] = await Promise.all([
    desk.audits.enqueue({ tenant: 'acme', ...order }),
    desk.audits.enqueue({ tenant: 'other', ...order }),
  ]);
  expect([first, second].filter((audit) => audit !== undefined)).toHaveLength(1);
  await inflict(url, FORGED);
  await desk.runner.run();
  expect(await desk.findings()).toHaveLength(1);
  const id = (first ?? second)?.id ?? ('adt_' as never);
  const [asker, stranger] = first === undefined ? ['other', 'acme'] : ['acme', 'other'];
  const audit = await desk.audits.find(asker, id);
  expect(audit).toMatchObject({ state: 'completed', scope: 'sagas', done: audit?.total });
  expect(audit?.phase).not.toBeNull();
  expect(await desk.audits.find(stranger, id)).toBeUndefined();
  expect(await desk.audits.enqueue({ tenant: 'acme', ...order })).toMatchObject({ state: 'queued' });
});

test('F1: two processes that see the same thing at once open one finding', async () => {
  const other = await IntegrityDesk.open(url);
  const sighting: Sighting = {
    tenant: 'acme',
    kind: 'different_payment',
    subject: sound.completed[0] ?? '',
    key: 'wallet',
    evidence: [],
    detail: 'something',
    source: 'audit',
  };
  await Promise.all(
    Array.from({ length: 10 }, (_, turn) => (turn % 2 === 0 ? desk : other).desk.open([sighting])),
  );
  expect(await desk.findings()).toMatchObject([{ seen: 10 }]);
  expect(await told()).toHaveLength(1);
  await other.close();
});

test('an audit that another process has begun anew is neither moved on nor ended by the one before', async () => {
  const { audits } = desk;
  const asked = await audits.enqueue({ tenant: 'acme', scope: 'log', requestedBy: 'key_1' });
  const stopped = await audits.take();
  await ask(
    url,
    `update integrity.audits set progress_at = now() - interval '1 minute', started_at = started_at - interval '1 minute'`,
  );
  const running = await audits.take();
  if (asked === undefined || stopped === undefined || running === undefined)
    throw new Error('nothing was taken');
  const progress = { phase: 'log', done: 1, total: 2 };
  expect(await audits.move(stopped, progress)).toBe(false);
  await audits.end(stopped, null);
  expect(await audits.find('acme', asked.id)).toMatchObject({ state: 'running' });
  expect(await audits.move(running, progress)).toBe(true);
  await audits.end(running, null);
  expect(await audits.find('acme', asked.id)).toMatchObject({ state: 'completed' });
});

test('a finding is claimed by one of two processes that repair', async () => {
  const other = await IntegrityDesk.open(url);
  await inflict(url, FORGED);
  await desk.audit();
  const claims = await Promise.all([desk, other, desk, other].map((each) => each.desk.claimDue()));
  expect(claims.filter((claim) => claim !== undefined)).toHaveLength(1);
  await other.close();
});

test('the standing of a tenant counts its own sagas and findings, and says how far the logs are verified', async () => {
  const session = new Session({ url, name: 'census' });
  const census = new Census(session);
  while (!(await census.count(Date.now())));
  await session.close();
  await inflict(url, FORGED);
  await desk.audit();
  const standing = await desk.reads.standing('acme');
  expect(standing).toMatchObject({
    sagas: { complete: 25, broken: 0, running: 0 },
    live: [{ kind: 'different_payment', severity: 'error', count: 1 }],
  });
  expect(standing.verifiedUpTo.map(({ topic, upTo }) => `${topic} ${upTo}`)).toContain('payments null');
  expect(await desk.reads.standing('other')).toMatchObject({
    sagas: { complete: 0, broken: 0, running: 0, countedAt: null },
    live: [],
    oldestSeenAt: null,
  });
});

const PARKED = `consumer_group, partition, parking_key, topic, position, parked_at`;
const OF_EVENT = `tenant, subject, type, version, correlation_id`;

test.each([
  [
    'a dead letter',
    `parked_keys (${PARKED}) select 'integrity', partition, 'key', 'ledger', position, now()`,
  ],
  [
    'behind one',
    `parked_events (${PARKED}, ${OF_EVENT}) select 'integrity', partition, 'key', 'ledger', position, now(), ${OF_EVENT}`,
  ],
])('nothing counts as verified from the first event on that integrity passed as %s', async (_what, rows) => {
  const { partition, position } = await completedEvent('ledger', 'entry.posted');
  await ask(url, `insert into log.${rows} from ledger.events where partition = $1 and position = $2`, [
    partition,
    position,
  ]);
  const standing = await desk.reads.standing('acme');
  const ledger = standing.verifiedUpTo.find(({ topic }) => topic === 'ledger');
  expect(ledger?.partitions.find((each) => each.partition === partition)?.position).toBe(position - 1);
  expect(ledger?.upTo).not.toBeNull();
  await takeOneCheckpoint(url);
  const signed = await ask(
    url,
    `select verified from integrity.checkpoint_logs
     where topic = 'ledger' and partition = $1 order by number desc limit 1`,
    [partition],
  );
  expect(signed.map(({ verified }) => Number(verified))).toEqual([position - 1]);
  expect((await verify({ url })).checks.find(({ name }) => name === 'checkpoints')?.findings).toEqual([]);
});

test('what is about the installation is nobody’s but the operator’s', async () => {
  await ask(url, `update log.heads set chain = sha256(chain) where topic = 'ledger' and partition = 2`);
  await desk.audit();
  expect(await desk.findings()).toMatchObject([
    { tenant: '', kind: 'wrong_head_chain', subject: 'ledger/2' },
  ]);
  const mine = { before: undefined, limit: 50 };
  expect(await desk.reads.list('acme', mine)).toEqual([]);
  expect(await desk.reads.countLive()).toEqual([{ kind: 'wrong_head_chain', state: 'parked', count: 1 }]);
});

test('an operator settles what puts the logs in doubt, and repairs go on; the same fact is not opened again', async () => {
  await ask(url, `update log.heads set chain = sha256(chain) where topic = 'ledger' and partition = 2`);
  await inflict(url, FORGED);
  await desk.audit();
  await desk.repairAll();
  expect((await desk.findings()).map(({ state }) => state)).toEqual(['parked', 'parked']);
  const [doubt] = (await desk.reads.listLive(10)).filter(({ tenant }) => tenant === '');
  const by = {
    actor: 'cli operator',
    reason: 'the last minute is lost, as the backup says',
    now: Date.now(),
  };
  await atOperatorDesk(url, (operator) =>
    operator.byPerson({ tenant: null, uuid: doubt?.uuid ?? '' }, (finding) => resolve(finding, by)),
  );
  await requestRepairs(url, await verify({ url }));
  await desk.repairAll();
  expect((await desk.findings()).map(({ kind, state }) => `${kind} ${state}`)).toEqual([
    'wrong_head_chain resolved',
    'different_payment repaired',
  ]);
});
