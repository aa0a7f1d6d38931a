/**
 * U4, P4: whatever providers, processes and callers do, no money is lost, and none is charged twice. Callers pay by plans,
 * processes are killed and stopped, providers misbehave; then all is let settle, and compared one by one with the books.
 *
 * The plans are the same for the same seed, LASTRO_TEST_CHAOS_SEED; when they meet is not. LASTRO_TEST_CHAOS_SECONDS is how
 * long it goes on.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { Client } from 'pg';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { verify } from '#proof/verify.ts';
import { Crowd, FUNDS } from './gateway-crowd.ts';
import { Disturber } from './gateway-disturber.ts';
import { GatewayHome } from './gateway-home.ts';
import { judge } from './gateway-judge.ts';
import { Person } from './gateway-person.ts';
import { SeededRandom } from './seeded-random.ts';

const SEED = Number(process.env['LASTRO_TEST_CHAOS_SEED'] ?? Date.now() % 1_000_000);
const SECONDS = Number(process.env['LASTRO_TEST_CHAOS_SECONDS'] ?? 15);
const CLIENTS = 6;
const SETTINGS = { PROVIDER_TIMEOUT_MS: '300', PROVIDER_DEADLINE_MS: '4000', PARTITIONS: '8' };
/** Refunds that a provider has failed at are asked again after half a minute at most. */
const SETTLES_WITHIN_MS = 120_000;
/** What a provider answers late needs no person. */
const PATIENCE_MS = 8000;

let home: GatewayHome;
let client: Client;

beforeAll(async () => {
  home = await GatewayHome.open(SETTINGS);
  client = new Client({ connectionString: home.lastro.database.url });
  await client.connect();
  await Promise.all([home.start(), home.start()]);
});

afterAll(async () => {
  await client.end();
  await home.remove();
});

/** Payments and refunds without an end, attempts under way, and sagas without a verdict, each as all that is known of it. */
async function unsettled(): Promise<unknown[]> {
  const { rows } = await client.query<Record<string, unknown>>(
    `select id::text as what, status from payments.payments where status in ('pending', 'authorized', 'reconciliation_required')
     union all select id::text, status from payments.refunds where status in ('pending', 'authorized', 'reconciliation_required')
     union all select subject, row_to_json(a)::text from providers.attempts a where due_at is not null
     union all select subject, events from integrity.followed`,
  );
  return rows;
}

/** Everything happens at once, and a person now and then sees to what waits for one; then all is as it should be again. */
async function wreakHavoc(crowd: Crowd, disturber: Disturber, person: Person): Promise<void> {
  const moods = new SeededRandom(SEED + 1);
  await crowd.openAccounts();
  crowd.start(CLIENTS);
  disturber.start();
  for (const endsAt = performance.now() + SECONDS * 1000; performance.now() < endsAt; await delay(500))
    await person.seeTo(() => moods.isHappening(0.2));
  await disturber.stop();
  await crowd.stop();
  await home.behave();
}

/** Waits until everything has its end and agrees with the books; what is wrong if it does not. */
async function settle(crowd: Crowd, person: Person): Promise<unknown[]> {
  const { caller, desks } = home;
  const { payments, refunds } = crowd;
  const patienceEndsAt = performance.now() + PATIENCE_MS;
  let wrong: unknown[] = [];
  const isSettled = async (): Promise<boolean> => {
    await person.seeTo(
      ({ failure }) => failure?.code === 'payments.compensation_failed' || performance.now() > patienceEndsAt,
    );
    wrong = await unsettled();
    if (wrong.length === 0) wrong = await judge({ caller, desks, payments, refunds, funds: FUNDS });
    return wrong.length === 0;
  };
  await vi.waitUntil(isSettled, { timeout: SETTLES_WITHIN_MS, interval: 250 }).catch(() => undefined);
  return wrong;
}

test(
  `U4, P4: nothing is lost and nothing charged twice, seed ${SEED}`,
  async () => {
    const crowd = new Crowd(home, SEED);
    const disturber = new Disturber(home, SEED);
    const person = new Person(home);
    await wreakHavoc(crowd, disturber, person);
    const wrong = await settle(crowd, person);
    const { checks } = await verify({ url: home.lastro.database.url });
    const { payments, refunds, contradictions } = crowd;
    process.stderr.write(
      `seed ${SEED}: ${payments.length} payments, ${refunds.length} refunds, ${disturber.done.length} disturbances, ${person.said.length} resolutions\n`,
    );
    expect({
      seed: SEED,
      answers: [...contradictions, ...disturber.failures],
      wrong,
      proof: checks.flatMap(({ findings }) => findings),
    }).toEqual({ seed: SEED, answers: [], wrong: [], proof: [] });
    expect(payments.length).toBeGreaterThan(CLIENTS * 3);
  },
  SECONDS * 1000 + 300_000,
);
