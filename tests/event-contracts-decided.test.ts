/** P8: what the deciders emit is what the contracts say, for every event of the saga, on every way that it can end. */
import { Ajv2020 } from 'ajv/dist/2020.js';
import { describe, expect, test } from 'vitest';
import { newId, uuidOf } from '#kernel/ids.ts';
import { isRfc3339 } from '#platform/http/instants.ts';
import type { EventDraft, LogEvent } from '#platform/log/event.ts';
import { authorizationConsumer } from '#services/authorization/consumer.ts';
import { Sagas } from '#services/authorization/sagas.ts';
import { ledgerConsumer } from '#services/ledger/consumer.ts';
import { type Account, type AccountKind, accountRef, Books } from '#services/ledger/contract.ts';
import { LedgerStore } from '#services/ledger/store.ts';
import { notificationConsumer } from '#services/notification/consumer.ts';
import type { PaymentOrder } from '#services/payments/payment.ts';
import { paymentRequested, requestPayment } from '#services/payments/request-payment.ts';
import { validationConsumer } from '#services/validation/consumer.ts';
import { loadEventContracts } from './event-contracts.ts';

const TENANT = 'acme';
const NOW = Date.UTC(2026, 10, 20, 12);
const LARGEST = Number.MAX_SAFE_INTEGER;

const ajv = new Ajv2020({ strict: true, allowUnionTypes: true, allErrors: true });
ajv.addFormat('date-time', isRfc3339);
const validators = new Map(
  loadEventContracts().map(({ service, type, version, schema }) => [
    `${service} ${type}/${version}`,
    ajv.compile(schema),
  ]),
);

/** What the contract of the event says against it; that there is none, if there is none. */
function faultsOf({ topic, type, version, data }: LogEvent): unknown {
  const isValid = validators.get(`${topic} ${type}/${version}`);
  if (isValid === undefined) return 'no contract';
  // As it is stored and read back: text.
  return isValid(JSON.parse(JSON.stringify(data))) ? [] : isValid.errors;
}

/** Every service of the saga with its state in memory, each event handed to the next one by hand. */
class Flow {
  readonly books: Books;
  readonly #ledger = new LedgerStore();
  readonly #sagas = new Sagas();
  readonly #order: PaymentOrder;
  #position = 0;

  constructor(order: PaymentOrder, accounts: readonly Account[], fundedMinor: bigint) {
    this.#order = order;
    this.books = new Books({ balances: [], holds: [], entryIds: [] });
    for (const opened of accounts) this.books.openAccount(opened, NOW);
    const wallet = this.books.find(TENANT, order.wallet_id);
    if (wallet !== undefined) wallet.postedMinor = fundedMinor;
  }

  requested(): LogEvent {
    const request = {
      tenant: TENANT,
      uuid: uuidOf(newId('pay')),
      order: this.#order,
      correlationId: newId('cor'),
      traceparent: null,
    };
    const decided = requestPayment(new Map(), request, NOW);
    if (!decided.ok) throw new Error(decided.problem.detail);
    return this.#committed(
      'payments',
      paymentRequested(decided.value, { requestId: newId('req'), traceparent: null }),
    );
  }

  /** Stage one. */
  validated(event: LogEvent): LogEvent {
    const ids = [this.#order.wallet_id, this.#order.service_id];
    const accounts = new Map(
      ids.flatMap((id) => {
        const found = this.books.find(TENANT, id);
        const ref = accountRef({ tenant: TENANT, id });
        return found === undefined
          ? []
          : [[ref, { currency: found.account.currency, status: found.status }] as const];
      }),
    );
    const { drafts } = validationConsumer(this.#ledger).decide(
      { accounts, answered: new Set(), caused: new Set() },
      [event],
      NOW,
    );
    return this.#committed('validation', drafts[0]);
  }

  /** Stages two and four: the coordinator. */
  coordinated(event: LogEvent): LogEvent {
    const loaded = { sagas: this.#sagas, books: this.books, answered: new Set<string>() };
    const { drafts } = authorizationConsumer(this.#ledger).decide(loaded, [event], NOW);
    return this.#committed('authorization', drafts[0]);
  }

  /** Stage three. */
  posted(event: LogEvent): LogEvent {
    const { drafts } = ledgerConsumer(this.#ledger).decide(
      { books: this.books, answered: new Set() },
      [event],
      NOW,
    );
    return this.#committed('ledger', drafts[0]);
  }

  /** Stage five. */
  notified(event: LogEvent): LogEvent {
    const { drafts } = notificationConsumer().decide(new Set<string>(), [event], NOW);
    return this.#committed('notification', drafts[0]);
  }

  #committed(topic: string, draft: EventDraft | undefined): LogEvent {
    if (draft === undefined) throw new Error(`${topic} emitted nothing`);
    this.#position += 1;
    return { ...draft, topic, partition: 0, position: this.#position, occurredAt: NOW };
  }
}

function account(key: bigint, id: string, kind: AccountKind): Account {
  return { key, tenant: TENANT, id, kind, currency: 'USD', floorMinor: 0n };
}

const WALLET = account(1n, 'wal-1234', 'wallet');
const SERVICE = account(2n, 'abc-1234', 'service');

const LEAST: PaymentOrder = {
  wallet_id: WALLET.id,
  service_id: SERVICE.id,
  amount: 1,
  currency: 'USD',
  method: 'balance',
};
const MOST: PaymentOrder = {
  ...LEAST,
  amount: LARGEST,
  reference: '€'.repeat(255),
  description: '\u{1F4B8}'.repeat(250),
  metadata: { nested: { list: [1, 'two', null, { three: true }] }, '': 'unnamed' },
};

function happyPath(order: PaymentOrder): LogEvent[] {
  const flow = new Flow(order, [WALLET, SERVICE], BigInt(LARGEST));
  const requested = flow.requested();
  const validated = flow.validated(requested);
  const authorized = flow.coordinated(validated);
  const posted = flow.posted(authorized);
  const completed = flow.coordinated(posted);
  return [requested, validated, authorized, posted, completed, flow.notified(completed)];
}

describe('every event keeps its contract', () => {
  test.each([
    ['with only what it must have', LEAST],
    ['with all that it may have', MOST],
  ])('of a payment that completes, %s', (_, order) => {
    const events = happyPath(order);
    expect(events.map(({ type }) => type)).toEqual([
      'payment.requested',
      'payment.validated',
      'payment.authorized',
      'entry.posted',
      'payment.completed',
      'notification.queued',
    ]);
    expect(events.map(faultsOf)).toEqual(events.map(() => []));
  });

  test.each([
    ['an unknown account', [WALLET], () => undefined],
    ['another currency', [WALLET, { ...SERVICE, currency: 'BRL' }], () => undefined],
    ['a closed account', [WALLET, SERVICE], (flow: Flow) => flow.books.closeAccount(TENANT, SERVICE.id)],
  ])('of a payment that is rejected for %s', (_, accounts, prepare) => {
    const flow = new Flow(LEAST, accounts, 100n);
    prepare(flow);
    const requested = flow.requested();
    const rejected = flow.validated(requested);
    const events = [requested, rejected, flow.notified(rejected)];
    expect(events.map(({ type }) => type)).toEqual([
      'payment.requested',
      'payment.rejected',
      'notification.queued',
    ]);
    expect(events.map(faultsOf)).toEqual(events.map(() => []));
  });

  test('of a payment that is declined', () => {
    const flow = new Flow(LEAST, [WALLET, SERVICE], 0n);
    const declined = flow.coordinated(flow.validated(flow.requested()));
    const events = [declined, flow.notified(declined)];
    expect(events.map(({ type }) => type)).toEqual(['payment.declined', 'notification.queued']);
    expect(events.map(faultsOf)).toEqual(events.map(() => []));
  });

  test('of a payment that fails at the ledger, and whose hold is released', () => {
    const flow = new Flow(LEAST, [WALLET, SERVICE], 100n);
    const authorized = flow.coordinated(flow.validated(flow.requested()));
    flow.books.closeAccount(TENANT, SERVICE.id);
    const refused = flow.posted(authorized);
    const failed = flow.coordinated(refused);
    const events = [refused, failed, flow.notified(failed)];
    expect(events.map(({ type }) => type)).toEqual([
      'posting.refused',
      'payment.failed',
      'notification.queued',
    ]);
    expect(events.map(faultsOf)).toEqual(events.map(() => []));
    expect(flow.books.find(TENANT, WALLET.id)?.heldMinor).toBe(0n);
  });
});

describe('what breaks a contract is found', () => {
  const [requested] = happyPath(MOST) as [LogEvent];

  test.each([
    ['a member that it does not name', { ...requested.data, surprise: 1 }],
    ['a member that is missing', { ...requested.data, currency: undefined as never }],
    ['an amount of nothing', { ...requested.data, amount: 0 }],
    ['an amount that is not exact', { ...requested.data, amount: LARGEST + 1 }],
    ['an amount with a fraction', { ...requested.data, amount: 1.5 }],
    ['a text where an amount stands', { ...requested.data, amount: '1' }],
  ])('%s', (_, data) => {
    expect(faultsOf({ ...requested, data })).not.toEqual([]);
  });

  test('an event type or a version that has no contract', () => {
    expect(faultsOf({ ...requested, version: 999 })).toBe('no contract');
    expect(faultsOf({ ...requested, topic: 'ledger' })).toBe('no contract');
  });
});
