import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { newId } from '#kernel/ids.ts';
import { ProvidersFixture, termsOf } from '../../../tests/providers-fixture.ts';
import { recordStatements } from '../../../tests/sent-statements.ts';
import { type HttpSender, httpSender } from './http-sender.ts';
import { SEND_WITHIN_MS } from './schedule.ts';

let world: ProvidersFixture;

beforeAll(async () => {
  world = await ProvidersFixture.open();
});

beforeEach(async () => {
  // What earlier tests have left open is nobody's to take up.
  await world.owner.query('update providers.attempts set due_at = null');
  for (const gateway of [world.alfa, world.beta]) {
    gateway.conduct = () => undefined;
    gateway.seen.length = 0;
    gateway.book.clear();
  }
});

afterEach(() => world.stopProcesses());

afterAll(() => world.close());

test('a charge is asked for once, approved, and told with what the provider calls it', async () => {
  world.process();
  const payment = await world.authorize();
  expect(await world.hears(payment, 'provider.approved')).toEqual(['provider.approved']);
  const [row] = await world.rows(payment);
  expect(row).toMatchObject({ state: 'approved', provider: 'alfa', number: 1, due_at: null });
  const [told] = await world.told(payment);
  expect(told?.data).toMatchObject({ number: 1, provider: 'alfa', amount: 100, currency: 'USD' });
  expect(told?.causation).toMatch(/^authorization\/\d+\/\d+$/);
  expect(world.alfa.count('charge')).toBe(1);
  expect(world.alfa.charged).toHaveLength(1);
});

test('a payment by balance is nobody’s to charge, and no attempts of it are looked for', async () => {
  world.process();
  const { sent, stop } = recordStatements();
  try {
    await world.say({
      type: 'payment.authorized',
      subject: newId('pay'),
      data: { ...termsOf(), method: 'balance', hold_id: 'hld' },
    });
    await world.waitUntil(isAllRead);
    const attempts = await world.owner.query('select from providers.attempts where due_at is not null');
    expect(attempts.rowCount).toBe(0);
    const ofAttempts = [...sent.keys()].filter((name) => name.startsWith('providers.'));
    expect(ofAttempts.filter((name) => !name.startsWith('providers.claim_'))).toEqual([]);
  } finally {
    stop();
  }
});

/** Whether the service has read all that the coordinator has said. */
async function isAllRead(): Promise<boolean> {
  const behind = await world.owner.query(
    `select from log.positions p join log.heads h using (topic, partition)
     where p.consumer_group = 'providers' and p.position < h.position`,
  );
  return behind.rows.length === 0;
}

test('a declined charge is final: no other provider is asked', async () => {
  world.alfa.conduct = () => ({ status: 'declined' });
  world.process();
  const payment = await world.authorize();
  expect(await world.hears(payment, 'provider.declined')).toEqual(['provider.declined']);
  const [told] = await world.told(payment);
  expect(told?.data).toMatchObject({ code: 'providers.charge_declined' });
  expect(world.beta.seen).toEqual([]);
});

test('without a route nothing is asked, once, however often the event is delivered', async () => {
  const everything = { currencies: ['EUR'], minAmount: 1, maxAmount: 1000, providers: ['alfa'] };
  const first = world.process({ routes: [everything] });
  const payment = await world.authorize();
  expect(await world.hears(payment, 'provider.exhausted')).toEqual(['provider.exhausted']);
  await first.stop();
  await world.owner.query(`update log.positions set position = 0 where consumer_group = 'providers'`);
  world.process({ routes: [everything] });
  const next = await world.authorize();
  await world.hears(next, 'provider.exhausted');
  expect(await world.types(payment)).toEqual(['provider.exhausted']);
});

describe('a provider that cannot be reached', () => {
  test('is passed over: the attempt is closed, the next provider charges, each event caused by the one before', async () => {
    await world.alfa.refuse();
    try {
      world.process();
      const payment = await world.authorize();
      expect(await world.hears(payment, 'provider.approved')).toEqual([
        'provider.closed',
        'provider.approved',
      ]);
      const [closed, approved] = await world.told(payment);
      expect(approved?.causation).toBe(closed?.identity);
      expect((await world.rows(payment)).map(({ state, provider }) => [provider, state])).toEqual([
        ['alfa', 'closed'],
        ['beta', 'approved'],
      ]);
    } finally {
      await world.alfa.listen();
    }
  });

  test('nobody charges if all are like that, after a bounded number of attempts', async () => {
    await Promise.all([world.alfa.refuse(), world.beta.refuse()]);
    try {
      world.process();
      const payment = await world.authorize();
      const rush = setInterval(() => void world.hasten(payment), 50);
      const told = await world.hears(payment, 'provider.exhausted').finally(() => clearInterval(rush));
      expect(told.filter((type) => type === 'provider.closed')).toHaveLength(6);
      expect(told.at(-1)).toBe('provider.exhausted');
    } finally {
      await Promise.all([world.alfa.listen(), world.beta.listen()]);
    }
  });
});

describe('an outcome that is not known', () => {
  test('of a charge that was made: it is found by an inquiry, and nobody charges again', async () => {
    world.alfa.conduct = ({ operation }) => (operation === 'charge' ? { answers: 'never' } : undefined);
    world.process();
    const payment = await world.authorize();
    expect(await world.hears(payment, 'provider.approved')).toEqual([
      'provider.unknown',
      'provider.approved',
    ]);
    expect(world.alfa.charged).toHaveLength(1);
    expect(world.beta.seen).toEqual([]);
  });

  test('of a charge that was not made: it is voided before the next provider is asked', async () => {
    world.alfa.conduct = ({ operation }) =>
      operation === 'charge' ? { acts: false, answers: 'never' } : undefined;
    world.process();
    const payment = await world.authorize();
    expect(await world.hears(payment, 'provider.approved')).toEqual([
      'provider.unknown',
      'provider.closed',
      'provider.approved',
    ]);
    expect(world.alfa.seen.map(({ operation }) => operation)).toEqual(['charge', 'inquire', 'void']);
    expect([world.alfa.charged.length, world.beta.charged.length]).toEqual([0, 1]);
  });

  test.each(['garbage', 'cut'] as const)('after %s is unknown too', async (answers) => {
    world.alfa.conduct = ({ operation }) => (operation === 'charge' ? { answers } : undefined);
    world.process();
    const payment = await world.authorize();
    expect(await world.hears(payment, 'provider.approved')).toEqual([
      'provider.unknown',
      'provider.approved',
    ]);
    expect(world.alfa.charged).toHaveLength(1);
  });

  test('stays so while nobody answers: told once, and once that its time is over; a late answer is taken', async () => {
    world.alfa.conduct = () => ({ answers: 'never' });
    world.process({ chargeDeadlineMs: 1000 });
    const payment = await world.authorize();
    expect(await world.hears(payment, 'provider.unresolved')).toEqual([
      'provider.unknown',
      'provider.unresolved',
    ]);
    world.alfa.conduct = () => undefined;
    await world.hasten(payment);
    expect(await world.hears(payment, 'provider.approved')).toEqual([
      'provider.unknown',
      'provider.unresolved',
      'provider.approved',
    ]);
    expect(world.beta.seen).toEqual([]);
  });

  test('at a provider that cannot void closes only when its longest delay has passed', async () => {
    world.alfa.conduct = ({ operation }) =>
      operation === 'charge' ? { acts: false, answers: 'never' } : undefined;
    world.process({ canVoid: false, settlesWithinMs: 3_000_000 });
    const payment = await world.authorize();
    await world.hears(payment, 'provider.unknown');
    await world.waitUntil(() => world.alfa.count('inquire') > 0);
    expect(await world.types(payment)).toEqual(['provider.unknown']);
    await world.hasten(payment);
    expect(await world.hears(payment, 'provider.approved')).toEqual([
      'provider.unknown',
      'provider.closed',
      'provider.approved',
    ]);
    expect(world.alfa.count('void')).toBe(0);
  });
});

test('500 twice, then it works: repeated under the same key, charged once', async () => {
  let failures = 0;
  world.alfa.conduct = ({ operation }) =>
    operation === 'charge' && failures++ < 2 ? { answers: 500 } : undefined;
  world.process();
  const payment = await world.authorize();
  expect(await world.hears(payment, 'provider.approved')).toEqual(['provider.approved']);
  expect(new Set(world.alfa.seen.map(({ key }) => key)).size).toBe(1);
  expect(world.alfa.charged).toHaveLength(1);
});

test('429 is obeyed, and a wait that is too long is a reason to go elsewhere', async () => {
  let busy = 0;
  world.alfa.conduct = ({ operation }) =>
    operation === 'charge' && busy++ < 1
      ? { acts: false, answers: 429, headers: { 'retry-after': '1' } }
      : undefined;
  world.process();
  const startedAt = performance.now();
  expect(await world.hears(await world.authorize(), 'provider.approved')).toEqual(['provider.approved']);
  expect(performance.now() - startedAt).toBeGreaterThan(1000);
  world.alfa.conduct = ({ operation }) =>
    operation === 'charge' ? { acts: false, answers: 429, headers: { 'retry-after': '60' } } : undefined;
  expect(await world.hears(await world.authorize(), 'provider.approved')).toEqual([
    'provider.closed',
    'provider.approved',
  ]);
});

/** A sender whose charges stand still before they leave, until they are let go. */
class HeldSender {
  held: (() => void)[] = [];

  open = (terms: Parameters<typeof httpSender>[0]): HttpSender => {
    const sender = httpSender(terms);
    return {
      close: () => sender.close(),
      send: async (request, signal) => {
        // Whoever stands still hears no timeout either: its signal has not fired when it goes on.
        if (request.path !== '/charges') return sender.send(request, signal);
        await new Promise<void>((resolve) => this.held.push(resolve));
        return sender.send(request, new AbortController().signal);
      },
    };
  };

  release(): void {
    for (const go of this.held.splice(0)) go();
  }
}

describe('a sender that is paused between the commit and the sending', () => {
  test('cannot cause a second charge: its key was voided before another provider was asked', async () => {
    const sender = new HeldSender();
    const paused = world.process({ openSender: sender.open });
    const payment = await world.authorize();
    await world.waitUntil(() => sender.held.length > 0);
    paused.own(false);
    await world.hasten(payment);
    world.process();
    expect(await world.hears(payment, 'provider.approved')).toEqual([
      'provider.unknown',
      'provider.closed',
      'provider.approved',
    ]);
    sender.release();
    await world.waitUntil(() => world.alfa.count('charge') > 0);
    await paused.stop();
    expect([world.alfa.charged.length, world.beta.charged.length]).toEqual([0, 1]);
    expect(await world.types(payment)).toHaveLength(3);
  });

  test('sends nothing if its partition is another’s by then; whoever has it sends', async () => {
    let asked = 0;
    let isOwner = false;
    // Believes to own what it reads, as one does whose lease has just ended.
    const isOwned = (): boolean => ++asked > 0 && isOwner;
    const late = world.process({ isOwned, timeoutMs: 60_000 });
    const payment = await world.authorize();
    await world.waitUntil(() => asked > 0);
    await world.waitUntil(async () => (await world.rows(payment))[0]?.state === 'waiting');
    expect(world.alfa.count('charge')).toBe(0);
    isOwner = true;
    expect(await world.hears(payment, 'provider.approved')).toEqual(['provider.approved']);
    expect(late.failures).toEqual([]);
  });

  test('sends nothing if its time is over by then', async () => {
    let aheadMs = 0;
    let asked = 0;
    let isLetGo = false;
    const clock = { now: () => Date.now() + aheadMs };
    const isOwned = (): boolean => {
      // It is asked last before the clock is.
      if (++asked === 1) aheadMs = SEND_WITHIN_MS;
      return asked === 1 || isLetGo;
    };
    // Nobody takes it over while it is this one's to report.
    world.process({ clock, isOwned, timeoutMs: 60_000 });
    const payment = await world.authorize();
    await world.waitUntil(() => asked > 0);
    await world.waitUntil(async () => (await world.rows(payment))[0]?.state === 'waiting');
    expect(world.alfa.count('charge')).toBe(0);
    isLetGo = true;
    expect(await world.hears(payment, 'provider.approved')).toEqual(['provider.approved']);
  });
});

test('kill −9 with a charge under way: another process finds out what became of it', async () => {
  world.alfa.conduct = ({ operation }) => (operation === 'charge' ? { answers: 'never' } : undefined);
  const first = world.process({ timeoutMs: 10_000 });
  const payment = await world.authorize();
  await world.waitUntil(() => world.alfa.count('charge') === 1);
  first.kill();
  await world.hasten(payment);
  world.process();
  expect(await world.hears(payment, 'provider.approved')).toEqual(['provider.unknown', 'provider.approved']);
  expect(world.alfa.charged).toHaveLength(1);
});

describe('calling off', () => {
  const cancelling = (subject: string) => ({ type: 'payment.cancelling', subject, data: termsOf() });

  test('before anything was sent, in the same batch, leaves nothing to send', async () => {
    world.process();
    const subject = newId('pay');
    await world.say(
      { type: 'payment.authorized', version: 2, subject, data: { ...termsOf(), hold_id: 'hld' } },
      cancelling(subject),
    );
    expect(await world.hears(subject, 'provider.cancelled')).toEqual(['provider.cancelled']);
    expect(world.alfa.seen).toEqual([]);
  });

  test('of a charge under way is asked of the provider, and told once it has confirmed', async () => {
    world.alfa.conduct = ({ operation }) => (operation === 'charge' ? { status: 'pending' } : undefined);
    world.process();
    const payment = await world.authorize();
    await world.waitUntil(async () => (await world.rows(payment))[0]?.state === 'pending');
    await world.say(cancelling(payment));
    expect(await world.hears(payment, 'provider.cancelled')).toEqual(['provider.cancelled']);
    const [told] = await world.told(payment);
    expect(told?.causation).toMatch(/^authorization\//);
    expect(world.beta.seen).toEqual([]);
  });

  test('is too late when the provider has charged: it stays charged', async () => {
    world.alfa.conduct = ({ operation }) => (operation === 'charge' ? { answers: 'never' } : undefined);
    world.process({ timeoutMs: 3000 });
    const payment = await world.authorize();
    await world.waitUntil(() => world.alfa.charged.length === 1);
    await world.say(cancelling(payment));
    expect(await world.hears(payment, 'provider.approved')).toEqual(['provider.approved']);
    expect(world.alfa.charged).toHaveLength(1);
  });
});

describe('a person who resolves', () => {
  const resolved = (
    subject: string,
    outcome: 'charged' | 'not_charged',
    regarding: 'charge' | 'completion' = 'charge',
  ) => ({
    type: 'payment.charge_resolved',
    subject,
    data: { ...termsOf(), outcome, reason: 'seen at the bank', actor: 'key_1', regarding },
  });

  test('what is unknown ends it; the provider’s charge against that is given back', async () => {
    world.alfa.conduct = () => ({ answers: 'never' });
    world.process();
    const payment = await world.authorize();
    await world.hears(payment, 'provider.unknown');
    await world.say(resolved(payment, 'not_charged'));
    await world.hears(payment, 'provider.resolved');
    expect((await world.told(payment)).at(-1)?.data).toMatchObject({
      outcome: 'not_charged',
      provider: null,
    });
    world.alfa.conduct = () => undefined;
    await world.hasten(payment);
    expect((await world.hears(payment, 'provider.unexpected_charge_refunded')).slice(2)).toEqual([
      'provider.charged_unexpectedly',
      'provider.unexpected_charge_refunded',
    ]);
    expect(world.alfa.charged).toEqual([]);
    const [, , unexpected, refunded] = await world.told(payment);
    expect(refunded?.causation).toBe(unexpected?.identity);
  });

  test('against what the provider has said meanwhile is told so; regarding the completion it is believed', async () => {
    world.process();
    const payment = await world.authorize();
    await world.hears(payment, 'provider.approved');
    await world.say(resolved(payment, 'not_charged'));
    await world.hears(payment, 'provider.resolved');
    expect((await world.told(payment)).at(-1)?.data).toMatchObject({ outcome: 'charged', provider: 'alfa' });
    await world.say(resolved(payment, 'not_charged', 'completion'));
    // The word holds, and the provider, asked once more, says otherwise: that is for a person to know.
    expect(await world.hears(payment, 'provider.contradicted')).toEqual([
      'provider.approved',
      'provider.resolved',
      'provider.resolved',
      'provider.contradicted',
    ]);
    expect((await world.told(payment))[2]?.data).toMatchObject({ outcome: 'not_charged' });
    expect((await world.rows(payment))[0]).toMatchObject({ state: 'reversed', due_at: null });
  });
});

describe('giving back', () => {
  const refundOf = (payment: string, amount: number) => ({
    type: 'refund.authorized',
    subject: newId('ref'),
    data: { ...termsOf({ amount }), payment_id: payment, hold_id: 'hld' },
  });

  test('a refund is asked of the provider that charged, and may be told by a later answer', async () => {
    world.process();
    const payment = await world.authorize();
    await world.hears(payment, 'provider.approved');
    world.alfa.conduct = ({ operation }) => (operation === 'refund' ? { status: 'pending' } : undefined);
    const refund = refundOf(payment, 40);
    await world.say(refund);
    await world.waitUntil(async () => (await world.rows(refund.subject))[0]?.state === 'pending');
    for (const booked of world.alfa.book.values()) if (booked.kind === 'refund') booked.status = 'succeeded';
    expect(await world.hears(refund.subject, 'provider.refunded')).toEqual(['provider.refunded']);
    expect((await world.told(refund.subject))[0]?.data).toMatchObject({ amount: 40, provider: 'alfa' });
  });

  test('is asked for again under the same key when nobody knows whether it arrived', async () => {
    world.process();
    const payment = await world.authorize();
    await world.hears(payment, 'provider.approved');
    let answers = 0;
    world.alfa.conduct = ({ operation }) =>
      operation === 'refund' && answers++ < 2 ? { answers: 'never' } : undefined;
    const refund = refundOf(payment, 40);
    await world.say(refund);
    await world.hears(refund.subject, 'provider.refunded');
    const refunds = [...world.alfa.book.values()].filter(({ kind }) => kind === 'refund');
    expect(refunds).toHaveLength(1);
  });

  test('is refused when the provider refuses, or when nobody has charged', async () => {
    world.process();
    const payment = await world.authorize();
    await world.hears(payment, 'provider.approved');
    world.alfa.conduct = ({ operation }) => (operation === 'refund' ? { status: 'failed' } : undefined);
    const refused = refundOf(payment, 40);
    const unknown = refundOf(newId('pay'), 40);
    await world.say(refused, unknown);
    expect(await world.hears(refused.subject, 'provider.refund_refused')).toEqual([
      'provider.refund_refused',
    ]);
    expect(await world.hears(unknown.subject, 'provider.refund_refused')).toEqual([
      'provider.refund_refused',
    ]);
  });

  test('a compensation is tried again under new keys before it is given up', async () => {
    world.process();
    const payment = await world.authorize();
    await world.hears(payment, 'provider.approved');
    let failures = 0;
    world.alfa.conduct = ({ operation }) =>
      operation === 'refund' && failures++ < 2 ? { status: 'failed' } : undefined;
    await world.say({
      type: 'payment.compensating',
      subject: payment,
      data: { ...termsOf(), code: 'ledger.account_closed', detail: 'x', step: 'refund_charge' },
    });
    expect(await world.hears(payment, 'provider.refunded')).toEqual([
      'provider.approved',
      'provider.refunded',
    ]);
    expect(world.alfa.charged).toEqual([]);
    expect(
      (await world.rows(payment)).filter(({ kind }) => kind === 'refund').map(({ state }) => state),
    ).toEqual(['refused', 'refused', 'refunded']);
  });
});

test('U3: every event delivered again, in other batches, changes nothing', async () => {
  const first = world.process();
  const payments = await Promise.all(Array.from({ length: 10 }, () => world.authorize()));
  for (const payment of payments) await world.hears(payment, 'provider.approved');
  await world.say({ type: 'payment.cancelling', subject: payments[0] ?? '', data: termsOf() });
  const closing = await world.authorize();
  await world.hears(closing, 'provider.approved');
  await first.stop();
  const dump = async (): Promise<unknown> => {
    const events = await world.owner.query<object>(
      'select * from providers.events order by partition, position',
    );
    const attempts = await world.owner.query<object>('select * from providers.attempts order by id');
    return [events.rows, attempts.rows];
  };
  const before = await dump();
  const charges = world.alfa.count('charge');
  await world.owner.query(`update log.positions set position = 0 where consumer_group = 'providers'`);
  world.process();
  await world.waitUntil(isAllRead);
  expect(await dump()).toEqual(before);
  expect(world.alfa.count('charge')).toBe(charges);
});
