/** What the coordinator orders of the ledger: who pays whom, in which version it is told, and what stands in the way (R5, D5, U5). */
import { describe, expect, test } from 'vitest';
import { idOf, newId, type PaymentId, type RefundId, uuidOf } from '#kernel/ids.ts';
import { MAX_AMOUNT_MINOR } from '#kernel/money.ts';
import type { JsonObject, LogEvent } from '#platform/log/event.ts';
import { type Account, type Balance, Books, type Hold } from './books.ts';
import { ledgerConsumer } from './consumer.ts';
import { entryIdOf } from './entry-id.ts';
import { partiesOf, postFor, postingOrderOf } from './post-order.ts';
import { LedgerStore } from './store.ts';

const TENANT = 'acme';
const NOW = Date.UTC(2026, 10, 20);
const AMOUNT = 100n;

const PAYMENT: PaymentId = newId('pay');
const REFUND: RefundId = newId('ref');

let position = 0;

function event(type: string, more: JsonObject = {}): LogEvent {
  const subject = type.startsWith('refund.') ? REFUND : PAYMENT;
  const terms = { wallet_id: 'wallet', service_id: 'service', amount: Number(AMOUNT), currency: 'USD' };
  const data = {
    ...(subject === REFUND ? { payment_id: PAYMENT } : {}),
    ...terms,
    method: 'gateway',
    ...more,
  };
  position += 1;
  return {
    type,
    version: 1,
    subject,
    tenant: TENANT,
    key: 'wallet',
    data,
    correlationId: 'cor',
    causation: 'req',
    traceparent: null,
    topic: 'authorization',
    partition: 0,
    position,
    occurredAt: NOW,
  };
}

interface Given {
  readonly postedMinor?: bigint;
  readonly floorMinor?: bigint | null;
  readonly status?: 'open' | 'closed';
}

/** Books with a hold of the amount on the account that pays. */
function given(
  payer: 'wallet' | 'service' | 'nobody',
  { wallet = {}, service = {} }: { wallet?: Given; service?: Given } = {},
): Books {
  const balances = [balanceOf(1n, 'wallet', wallet), balanceOf(2n, 'service', service)];
  const cause = uuidOf(payer === 'wallet' ? PAYMENT : REFUND);
  const holds: Hold[] = [];
  for (const balance of balances.filter(({ account }) => account.id === payer)) {
    balance.heldMinor = AMOUNT;
    holds.push({ id: cause, accountKey: balance.account.key, amountMinor: AMOUNT, state: 'open' });
  }
  return new Books({ balances, holds, entryIds: [] });
}

function balanceOf(key: bigint, id: string, { floorMinor = 0n, ...state }: Given): Balance {
  const account: Account = { key, tenant: TENANT, id, kind: 'wallet', currency: 'USD', floorMinor };
  return {
    account,
    status: 'open',
    postedMinor: 1000n,
    heldMinor: 0n,
    sequence: 0n,
    lastPostedAt: NOW,
    ...state,
  };
}

function moneyIn(books: Books): unknown[] {
  return ['wallet', 'service'].map((id) => {
    const { postedMinor, heldMinor } = books.find(TENANT, id) as Balance;
    return [Number(postedMinor), Number(heldMinor)];
  });
}

function holdIn(books: Books): string | undefined {
  return (books.findHold(uuidOf(PAYMENT)) ?? books.findHold(uuidOf(REFUND)))?.state;
}

const COMPENSATING = { code: 'some.code', detail: 'Some detail.' };

describe('an order', () => {
  test.each([
    ['payment.authorized', { method: 'balance' }, ['payment', 'wallet', 'service']],
    ['payment.authorized', { method: 'gateway' }, undefined],
    ['payment.charged', {}, ['payment', 'wallet', 'service']],
    ['payment.compensating', { ...COMPENSATING, step: 'reverse_posting' }, ['reversal', 'service', 'wallet']],
    ['payment.compensating', { ...COMPENSATING, step: 'refund_charge' }, undefined],
    ['payment.cancelling', { method: 'balance' }, undefined],
    ['payment.completed', { method: 'balance' }, undefined],
    ['refund.authorized', { method: 'balance' }, ['refund', 'service', 'wallet']],
    ['refund.authorized', { method: 'gateway' }, undefined],
    ['refund.confirmed', {}, ['refund', 'service', 'wallet']],
  ] as const)('%s %j', (type, more, expected) => {
    const order = postingOrderOf(event(type, more));
    expect(order && [order.purpose, order.payer, order.payee]).toEqual(expected);
    if (order === undefined) return;
    const cause = uuidOf(type.startsWith('refund.') ? REFUND : PAYMENT);
    expect(order).toMatchObject({ cause, amountMinor: AMOUNT, entryId: entryIdOf(cause, order.purpose) });
    expect(partiesOf(order)).toEqual([order.payer, order.payee].map((id) => ({ tenant: TENANT, id })));
  });

  test('of a payment, of its reversal and of its refund have entries of their own', () => {
    const ids = [
      event('payment.charged'),
      event('payment.compensating', { step: 'reverse_posting' }),
      event('refund.confirmed'),
    ].map((each) => postingOrderOf(each)?.entryId);
    expect(new Set(ids).size).toBe(3);
  });
});

describe('what is posted', () => {
  test.each([
    {
      type: 'payment.authorized',
      more: { method: 'balance' },
      payer: 'wallet',
      version: 1,
      purpose: 'payment',
      money: [
        [900, 0],
        [1100, 0],
      ],
    },
    {
      type: 'payment.charged',
      more: {},
      payer: 'wallet',
      version: 1,
      purpose: 'payment',
      money: [
        [900, 0],
        [1100, 0],
      ],
    },
    {
      type: 'refund.authorized',
      more: { method: 'balance' },
      payer: 'service',
      version: 2,
      purpose: 'refund',
      money: [
        [1100, 0],
        [900, 0],
      ],
    },
    {
      type: 'refund.confirmed',
      more: {},
      payer: 'service',
      version: 2,
      purpose: 'refund',
      money: [
        [1100, 0],
        [900, 0],
      ],
    },
    {
      type: 'payment.compensating',
      more: { step: 'reverse_posting' },
      payer: 'nobody',
      version: 1,
      purpose: 'reversal',
      money: [
        [1100, 0],
        [900, 0],
      ],
    },
  ] as const)('$type $more: $purpose', ({ type, more, payer, version, purpose, money }) => {
    const books = given(payer);
    const order = event(type, more);
    const posted = postFor(books, order, NOW);
    const cause = purpose === 'refund' ? REFUND : PAYMENT;
    expect(posted).toMatchObject({
      type: 'entry.posted',
      version,
      subject: cause,
      causation: `authorization/0/${order.position}`,
      data: { purpose, cause, entry_id: idOf('jen', entryIdOf(uuidOf(cause), purpose)) },
    });
    const { postings } = posted?.data ?? {};
    const [from, to] = purpose === 'payment' ? ['wallet', 'service'] : ['service', 'wallet'];
    expect(postings).toMatchObject([
      { account_id: from, direction: 'debit', amount: 100 },
      { account_id: to, direction: 'credit', amount: 100 },
    ]);
    expect(moneyIn(books)).toEqual(money);
    expect(holdIn(books)).toBe(payer === 'nobody' ? undefined : 'captured');
    // U3, and the same ordered once more: both find the entry.
    for (const again of [order, event(type, more)]) expect(postFor(books, again, NOW)).toBeUndefined();
    expect(moneyIn(books)).toEqual(money);
  });
});

describe('what is refused moves nothing, and leaves the hold as it was', () => {
  const AROUND = [-1n, 0n, 1n] as const;

  test.each(AROUND)('U5: a reversal of what the service has above its floor %i', (over) => {
    for (const floorMinor of [0n, -50n, 40n]) {
      const books = given('nobody', { service: { floorMinor, postedMinor: AMOUNT + floorMinor - over } });
      const before = moneyIn(books);
      const said = postFor(books, event('payment.compensating', { step: 'reverse_posting' }), NOW);
      if (over <= 0n) {
        expect(said?.type).toBe('entry.posted');
      } else {
        expect(said).toMatchObject({
          type: 'posting.refused',
          version: 2,
          data: { payment_id: PAYMENT, purpose: 'reversal', code: 'ledger.insufficient_funds' },
        });
        expect(moneyIn(books)).toEqual(before);
      }
    }
  });

  test('a reversal does not touch what is held for others', () => {
    const books = given('service', { service: { postedMinor: 2n * AMOUNT - 1n } });
    const said = postFor(books, event('payment.compensating', { step: 'reverse_posting' }), NOW);
    expect(said?.data['code']).toBe('ledger.insufficient_funds');
    expect(holdIn(books)).toBe('open');
  });

  test.each(AROUND)('D5: a refund captures what is held for it, also where that is all and %i', (over) => {
    // The floor was kept when the amount was held: what is below it by now is not the refund’s.
    const books = given('service', { service: { postedMinor: AMOUNT - over } });
    const said = postFor(books, event('refund.confirmed'), NOW);
    expect(said?.type).toBe(over <= 0n ? 'entry.posted' : 'posting.refused');
    expect(moneyIn(books)).toEqual(
      over <= 0n
        ? [
            [1100, 0],
            [Number(-over), 0],
          ]
        : [
            [1000, 0],
            [99, 100],
          ],
    );
    expect(holdIn(books)).toBe(over <= 0n ? 'captured' : 'open');
  });

  test.each([
    { what: 'a refund', type: 'refund.confirmed', more: {}, payer: 'service', closed: 'wallet' },
    {
      what: 'a refund by balance',
      type: 'refund.authorized',
      more: { method: 'balance' },
      payer: 'service',
      closed: 'wallet',
    },
    { what: 'a payment', type: 'payment.charged', more: {}, payer: 'wallet', closed: 'service' },
    {
      what: 'a reversal',
      type: 'payment.compensating',
      more: { step: 'reverse_posting' },
      payer: 'nobody',
      closed: 'wallet',
    },
    {
      what: 'a reversal',
      type: 'payment.compensating',
      more: { step: 'reverse_posting' },
      payer: 'nobody',
      closed: 'service',
    },
  ] as const)('$what where $closed is closed', ({ type, more, payer, closed }) => {
    const books = given(payer, { [closed]: { status: 'closed' } });
    const before = moneyIn(books);
    const order = event(type, more);
    const said = postFor(books, order, NOW);
    const purpose = postingOrderOf(order)?.purpose;
    expect(said).toMatchObject({
      type: 'posting.refused',
      version: purpose === 'payment' ? 1 : 2,
      data: { code: 'ledger.account_closed' },
    });
    expect(said?.data['purpose']).toBe(purpose === 'payment' ? undefined : purpose);
    expect(said?.data['payment_id']).toBe(purpose === 'refund' ? undefined : PAYMENT);
    expect(moneyIn(books)).toEqual(before);
    expect(holdIn(books)).toBe(payer === 'nobody' ? undefined : 'open');
  });

  test.each(AROUND)('whoever receives up to the largest amount %i', (over) => {
    const books = given('service', { wallet: { postedMinor: MAX_AMOUNT_MINOR - AMOUNT + over } });
    const said = postFor(books, event('refund.confirmed'), NOW);
    expect(said?.data['code']).toBe(over > 0n ? 'ledger.amount_out_of_range' : undefined);
  });

  test.each([
    { type: 'payment.charged', payer: 'wallet' },
    { type: 'refund.confirmed', payer: 'service' },
  ] as const)('$type whose hold was released, or never was', ({ type, payer }) => {
    const released = given(payer);
    released.release(uuidOf(payer === 'wallet' ? PAYMENT : REFUND));
    for (const books of [released, given('nobody')])
      expect(postFor(books, event(type), NOW)?.data['code']).toBe('ledger.hold_closed');
  });
});

describe('U3: the consumer looks a refusal up in the log, by the event that it answered', () => {
  const reversal = { step: 'reverse_posting' };

  test('an order that was refused is not posted when it comes again, though now it could be', () => {
    const consumer = ledgerConsumer(new LedgerStore());
    const order = event('payment.compensating', reversal);
    const answered = new Set([`authorization/0/${order.position}`]);
    expect(consumer.decide({ books: given('nobody'), answered }, [order], NOW).drafts).toEqual([]);
  });

  test('the same ordered by another event is', () => {
    const consumer = ledgerConsumer(new LedgerStore());
    const refused = event('payment.compensating', reversal);
    const answered = new Set([`authorization/0/${refused.position}`]);
    const asked = event('payment.compensating', reversal);
    const { drafts } = consumer.decide({ books: given('nobody'), answered }, [refused, asked, asked], NOW);
    expect(drafts.map(({ type, causation }) => [type, causation])).toEqual([
      ['entry.posted', `authorization/0/${asked.position}`],
    ]);
  });
});
