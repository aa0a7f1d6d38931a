/**
 * U4, P4: whatever providers, processes and callers do, no money is lost, and none is charged twice. Callers pay by plans,
 * processes are killed and stopped, providers misbehave; then all is let settle, and compared one by one with the books.
 *
 * What is drawn is the same for the same seed: LASTRO_TEST_CHAOS_SEED. LASTRO_TEST_CHAOS_SECONDS is how long it goes on.
 */
import { Client } from 'pg';
import { afterAll, beforeAll, expect, test } from 'vitest';
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

test(
  `U4, P4: nothing is lost and nothing charged twice, seed ${SEED}`,
  async () => {
    const crowd = new Crowd(home, SEED);
    const disturber = new Disturber(home, SEED);
    const person = new Person(home);
    const moods = new SeededRandom(SEED + 1);
    await crowd.openAccounts();
    crowd.start(CLIENTS);
    disturber.start();
    const endsAt = performance.now() + SECONDS * 1000;
    await expect
      .poll(
        async () => {
          await person.seeTo(() => moods.isHappening(0.2));
          return performance.now() < endsAt;
        },
        { timeout: SECONDS * 1000 + 60_000, interval: 500 },
      )
      .toBe(false);
    await disturber.stop();
    await crowd.stop();
    await home.behave();
    const settlingSince = performance.now();
    const isPatienceOver = (): boolean => performance.now() - settlingSince > PATIENCE_MS;
    const settled = expect.poll(
      async () => {
        await person.seeTo(
          ({ failure }) => failure?.code === 'payments.compensation_failed' || isPatienceOver(),
        );
        return unsettled();
      },
      { timeout: SETTLES_WITHIN_MS, interval: 250 },
    );
    const left = await settled.toEqual([]).then(
      () => [],
      () => unsettled(),
    );
    const settledMs = Math.round(performance.now() - settlingSince);
    const findings = await judge({
      caller: home.caller,
      desks: home.desks,
      payments: crowd.payments,
      refunds: crowd.refunds,
      funds: FUNDS,
    });
    const { checks } = await verify({ url: home.lastro.database.url });
    const proof = checks.flatMap(({ findings: found }) => found.map((finding) => JSON.stringify(finding)));
    process.stderr.write(
      `seed ${SEED}: ${crowd.payments.length} payments, ${crowd.refunds.length} refunds, ${disturber.done.length} disturbances, ${person.said.length} resolutions, settled in ${settledMs} ms\n`,
    );
    expect({
      seed: SEED,
      left,
      answers: crowd.contradictions,
      findings,
      proof,
    }).toEqual({ seed: SEED, left: [], answers: [], findings: [], proof: [] });
    expect(crowd.payments.length).toBeGreaterThan(CLIENTS * 3);
  },
  SECONDS * 1000 + 300_000,
);
