/**
 * P5, U14: every damage that is planted becomes a finding about the right subject; what a rule can repair is repaired, and
 * verifies clean; what none can waits for a person.
 */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { verify } from '#proof/verify.ts';
import { kindOf } from '#services/integrity/proof-port.ts';
import { type Damage, inflict } from './damage.ts';
import { DAMAGES } from './damages.ts';
import { DAMAGES_TO_GATEWAYS } from './damages-to-gateways.ts';
import { cloneTestDatabase, type TestDatabase } from './database.ts';
import { finishOrders } from './finish-orders.ts';
import { IntegrityDesk } from './integrity-desk.ts';
import { payEveryEnding } from './paid-installation.ts';
import { payThroughGateways } from './paid-through-gateways.ts';
import { ask } from './redelivery.ts';

let paid: TestDatabase;
let gateways: TestDatabase;

beforeAll(async () => {
  paid = (await payEveryEnding()).database;
  gateways = await payThroughGateways();
});

afterAll(async () => {
  await paid.drop();
  await gateways.drop();
});

/** Everything else is a person's: logs, entries, postings, accounts, and state that is not made from the logs alone. */
const REPAIRED: ReadonlySet<string> = new Set([
  'an edited balance',
  'a balance that does not sum to zero with the others',
  'a removed hold',
  'a hold opened again',
  'a forged status',
  'a status that claims to have been said later than all that is to come',
  'an edited amount of a payment',
  'a deleted payment',
  'a forged verdict',
  'a verdict with another path',
  'a verdict that tells of what was no incident',
  'a deleted verdict',
  'a deleted notification',
  'an edited notification',
  'a second notification',
  'a hold released although its charge is in doubt',
  'a refund’s hold that is gone',
  'the hold of a payment that was called off, opened again',
  'what a refund holds of the service, taken off its balance',
  'a compensated payment that shows as completed',
  'a payment struck off the list of those that wait for a person',
  'a payment on that list that waits for nobody',
  'a refund of another amount',
  'a refund in doubt that shows as failed',
  'a refund that is gone',
  'more left to be given back than there is',
  'totals of refunds that are gone',
  'a notification that corrects nothing any more',
  'a verdict of a refund that is gone',
  'a verdict of what is not over',
  'a charge under way that is never due',
  'a charge under way that is due in another century',
  'a charge under way whose time is never over',
]);

const CORPUS: readonly { damage: Damage; title: string; source: () => TestDatabase }[] = [
  ...DAMAGES.map((damage) => ({ damage, title: damage.title, source: () => paid })),
  ...DAMAGES_TO_GATEWAYS.map((damage) => ({ damage, title: damage.title, source: () => gateways })),
];

const isRepaired = ({ title }: { title: string }): boolean => REPAIRED.has(title);

/** One more than there are attempts: in each an order may be given, which helps nothing. */
const TURNS = 4;

/** Audited until nothing more is due, and once more. */
async function auditAndRepair(url: string) {
  const desk = await IntegrityDesk.open(url);
  try {
    await desk.audit();
    for (let turn = 0; turn < TURNS; turn++) {
      await desk.repairAll();
      await finishOrders(url, 'done');
    }
    const before = await desk.findings();
    await desk.audit();
    expect(desk.errors).toEqual([]);
    return { before, after: await desk.findings(), report: await verify({ url }) };
  } finally {
    await desk.close();
  }
}

test('every damage that is said to be repaired is planted', () => {
  expect(
    CORPUS.filter(isRepaired)
      .map(({ title }) => title)
      .toSorted(),
  ).toEqual([...REPAIRED].toSorted());
});

test.concurrent.each(CORPUS.filter(isRepaired))(
  '$title is found and repaired',
  async ({ damage, source }) => {
    const database = await cloneTestDatabase(source());
    try {
      const expected = await inflict(database.url, damage);
      const { before, after, report } = await auditAndRepair(database.url);
      for (const { subject, ...each } of expected.filter(({ check }) => check !== 'currencies')) {
        const finding = { kind: kindOf(each), subject, state: 'repaired' };
        expect(before).toContainEqual(expect.objectContaining(finding));
      }
      expect(report.checks.flatMap(({ findings }) => findings)).toEqual([]);
      // What only followed from it is over with it; the one incident there is was there before.
      const others = after.filter(({ state, kind }) => state !== 'repaired' && kind !== 'contradiction');
      expect(others.filter(({ state }) => state !== 'resolved')).toEqual([]);
    } finally {
      await database.drop();
    }
  },
);

test.concurrent.each(CORPUS.filter((each) => !isRepaired(each)))(
  '$title is found, and waits for a person',
  async ({ damage, source }) => {
    const database = await cloneTestDatabase(source());
    try {
      const expected = await inflict(database.url, damage);
      const { before, after, report } = await auditAndRepair(database.url);
      for (const { subject, ...each } of expected) {
        const finding = { kind: kindOf(each), subject, state: 'parked' };
        expect(before).toContainEqual(expect.objectContaining(finding));
      }
      expect(before.filter(({ state }) => state === 'open' || state === 'repairing')).toEqual([]);
      // Seen again, it is the same finding.
      expect(after.map(({ id }) => id)).toEqual(before.map(({ id }) => id));
      expect(report.ok).toBe(false);
    } finally {
      await database.drop();
    }
  },
);

const BALANCE = `select b.* from ledger.balances b join ledger.accounts a on a.key = b.account_key where a.id = 'wallet'`;
const WALLET = `(select key from ledger.accounts where id = 'wallet')`;

/** The wallet's balance before the damages and after the repairs, and what was found about it. */
async function balanceAfter(...damages: readonly string[]) {
  const database = await cloneTestDatabase(paid);
  const { url } = database;
  try {
    const before = await ask(url, BALANCE);
    for (const damage of damages) await ask(url, damage);
    const { before: found } = await auditAndRepair(url);
    const about = found.filter(
      ({ kind, subject }) => kind === 'different_balance' && subject === 'acme/wallet',
    );
    return { before, after: await ask(url, BALANCE), states: about.map(({ state }) => state) };
  } finally {
    await database.drop();
  }
}

test.concurrent('RR1: a hold that no event tells of is not counted when a balance is made right', async () => {
  const { before, after, states } = await balanceAfter(
    `insert into ledger.holds (id, account_key, amount, state, opened_at)
     values (gen_random_uuid(), ${WALLET}, 500000, 'open', now())`,
    `update ledger.balances set posted = posted + 1 where account_key = ${WALLET}`,
  );
  expect(after).toEqual(before);
  expect(states).toEqual(['repaired']);
});

test.concurrent('RR1: a right balance stays when its last posting tells another instant than the log', async () => {
  const { before, after, states } = await balanceAfter(
    `update ledger.postings set posted_at = posted_at + interval '1 ms'
     where account_key = ${WALLET} and sequence = (select max(sequence) from ledger.postings where account_key = ${WALLET})`,
  );
  expect(after).toEqual(before);
  expect(states).toEqual(['parked']);
});
