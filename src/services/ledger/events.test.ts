import { readdirSync, readFileSync } from 'node:fs';
import { Ajv2020 } from 'ajv/dist/2020.js';
import { describe, expect, test } from 'vitest';
import { idOf, newId, type PaymentId, uuidOf } from '#kernel/ids.ts';
import type { Command } from '#platform/batch/command.ts';
import { isRfc3339 } from '#platform/http/instants.ts';
import type { EventDraft, LogEvent } from '#platform/log/event.ts';
import type { PaymentAuthorized } from '#services/authorization/contract.ts';
import { Books } from './books.ts';
import { ledgerConsumer } from './consumer.ts';
import { type LedgerBatch, LedgerCommands } from './ledger-commands.ts';
import type { LedgerOrder } from './orders.ts';
import { LedgerStore } from './store.ts';

const TENANT = 'acme';
const NOW = Date.UTC(2026, 10, 20);
const FOLDER = new URL('./events/', import.meta.url);

const ajv = new Ajv2020({ strict: true, allowUnionTypes: true, formats: { 'date-time': isRfc3339 } });
const contracts = new Map(
  readdirSync(FOLDER).map((file) => [
    file.replace('.json', ''),
    ajv.compile(JSON.parse(readFileSync(new URL(file, FOLDER), 'utf8')) as object),
  ]),
);

/** What the contract has against the event as it is stored, which is as text. */
function faultsOf({ type, version, data }: EventDraft): unknown {
  const isValid = contracts.get(`${type}.v${version}`);
  if (isValid === undefined) return `no contract of ${type} version ${version}`;
  return isValid(JSON.parse(JSON.stringify(data))) ? [] : isValid.errors;
}

/** The ledger in memory: its deciders over books that no database keeps. */
class Memory {
  readonly #batch: LedgerBatch = {
    books: new Books({ balances: [], holds: [], entryIds: [] }),
    profiles: new Map(),
    keys: Array.from({ length: 20 }, (_, index) => BigInt(index + 1)),
  };
  readonly #store = new LedgerStore();
  readonly #commands = new LedgerCommands({
    store: this.#store,
    renderProblem: ({ code, detail }) => ({ status: 400, body: `${code}: ${detail}` }),
  });

  order(body: LedgerOrder, id: string = newId('jen')): readonly EventDraft[] {
    const command: Command<LedgerOrder> = {
      operation: body.operation,
      tenant: TENANT,
      idempotencyKey: undefined,
      body,
      id,
      requestId: 'req_1',
      correlationId: 'cor-1',
      traceparent: '00-1-1-01',
    };
    const { answer, drafts } = this.#commands.decide(this.#batch, command, NOW);
    if (answer.status >= 300) throw new Error(answer.body);
    return drafts;
  }

  open(
    id: string,
    more: Partial<Extract<LedgerOrder, { operation: 'accounts.create' }>> = {},
  ): readonly EventDraft[] {
    return this.order({ operation: 'accounts.create', id, kind: 'external', currency: 'USD', ...more }, id);
  }

  /** A payment of 5 whose hold was placed; what the ledger makes of it. */
  authorized(payment: PaymentId, [wallet_id, service_id]: readonly [string, string]): readonly EventDraft[] {
    const { books } = this.#batch;
    books.reserve({ id: uuidOf(payment), tenant: TENANT, accountId: wallet_id, amountMinor: 5n });
    const hold_id = idOf('hld', uuidOf(payment));
    const data: PaymentAuthorized = {
      wallet_id,
      service_id,
      amount: 5,
      currency: 'USD',
      method: 'balance',
      hold_id,
    };
    const event: LogEvent = {
      type: 'payment.authorized',
      version: 1,
      subject: payment,
      tenant: TENANT,
      key: wallet_id,
      data,
      correlationId: 'cor-1',
      causation: 'validation/0/1',
      traceparent: null,
      topic: 'authorization',
      partition: 0,
      position: 1,
      occurredAt: NOW,
    };
    return ledgerConsumer(this.#store).decide({ books, answered: new Set() }, [event], NOW).drafts;
  }
}

const MINIMAL = {
  correlationId: 'cor-1',
  causation: 'req_1',
  traceparent: '00-1-1-01',
  tenant: TENANT,
  version: 1,
};

describe('what the ledger emits is what its contracts say (P8)', () => {
  test('of an account with everything, and with nothing but what it needs', () => {
    const memory = new Memory();
    const [full] = memory.open('a', { name: 'Ana', floor: -5, time_zone: 'UTC', metadata: { team: 'x' } });
    const [bare] = memory.open('b', { kind: 'wallet', currency: 'JPY' });
    expect(full).toEqual({
      ...MINIMAL,
      type: 'account.opened',
      subject: 'a',
      key: 'a',
      data: {
        account_id: 'a',
        kind: 'external',
        currency: 'USD',
        floor: -5,
        name: 'Ana',
        time_zone: 'UTC',
        metadata: { team: 'x' },
      },
    });
    expect(bare?.data).toMatchObject({
      floor: 0,
      name: null,
      time_zone: 'America/Sao_Paulo',
      metadata: null,
    });
    expect([full, bare].map((draft) => faultsOf(draft as EventDraft))).toEqual([[], []]);
  });

  test('of an account that is closed', () => {
    const memory = new Memory();
    memory.open('a');
    const [closed] = memory.order({ operation: 'accounts.close', account_id: 'a' });
    expect(closed).toEqual({
      ...MINIMAL,
      type: 'account.closed',
      subject: 'a',
      key: 'a',
      data: { account_id: 'a' },
    });
    expect(faultsOf(closed as EventDraft)).toEqual([]);
  });

  test('of a manual entry, keyed by itself, with its texts and without', () => {
    const memory = new Memory();
    memory.open('a');
    memory.open('b');
    const postings = [
      { account_id: 'a', direction: 'debit', amount: 5 },
      { account_id: 'b', direction: 'credit', amount: 5 },
    ] as const;
    const texts = { description: 'Rent', reference: 'r', effective_on: '2026-11-01' };
    const id = newId('jen');
    const [full] = memory.order({ operation: 'journal_entries.create', postings, ...texts }, id);
    const [bare] = memory.order({ operation: 'journal_entries.create', postings });
    expect(full).toMatchObject({ ...MINIMAL, type: 'entry.posted', subject: id, key: id });
    expect(full?.data).toMatchObject({ entry_id: id, cause: id, purpose: 'manual', ...texts });
    expect(Object.keys(bare?.data ?? {})).toEqual(['entry_id', 'cause', 'purpose', 'postings']);
    expect([full, bare].map((draft) => faultsOf(draft as EventDraft))).toEqual([[], []]);
  });

  test('of a payment that is posted, and of one that is refused', () => {
    const memory = new Memory();
    for (const id of ['a', 'b', 'c']) memory.open(id);
    memory.order({ operation: 'accounts.close', account_id: 'c' });
    const [paid, failed] = [newId('pay'), newId('pay')];
    const [posted] = memory.authorized(paid, ['a', 'b']);
    const [refused] = memory.authorized(failed, ['a', 'c']);
    expect(posted).toMatchObject({
      type: 'entry.posted',
      subject: paid,
      key: 'a',
      data: { cause: paid, purpose: 'payment' },
    });
    expect(refused).toMatchObject({
      type: 'posting.refused',
      subject: failed,
      key: 'a',
      data: { payment_id: failed, code: 'ledger.account_closed' },
    });
    expect([posted, refused].map((draft) => faultsOf(draft as EventDraft))).toEqual([[], []]);
  });

  test('and a contract refuses what it does not name', () => {
    const [opened] = new Memory().open('a');
    const more = { ...(opened as EventDraft), data: { ...opened?.data, colour: 'red' } };
    expect(faultsOf(more)).toEqual([expect.objectContaining({ keyword: 'additionalProperties' })]);
  });
});
