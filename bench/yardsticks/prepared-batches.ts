/**
 * Batches of payments made ready to be written: every parameter in its binary form, so that the program that sends
 * them has next to nothing to do.
 *
 * Y1: two connections never touch the same row: each has half of the wallets (by their partition), of the partitions
 *     and of the services. A ceiling waits for no lock.
 */
import { randomBytes, randomUUID } from 'node:crypto';
import { newId, uuidOf } from '#kernel/ids.ts';
import { DIGEST_BYTES } from '#kernel/merkle.ts';
import { partitionOf } from '#kernel/partition-of.ts';
import { Random } from '../load/random.ts';
import { byteaArray, int2Array, int4Array, int8Array, textArray, uuidArray } from './binary-arrays.ts';
import * as statements from './payment-statements.ts';
import * as texts from './payment-texts.ts';
import { FIRST_COUNT, PARTITIONS, TENANT } from './yardstick-database.ts';

export const BATCH = 500;
export const CONNECTIONS = 2;
const FUNDS_MINOR = 1_000_000_000_000;

export interface BoundStatement {
  readonly statement: statements.Statement;
  readonly values: unknown[];
}

export type Batch = readonly BoundStatement[];

interface Account {
  readonly key: bigint;
  readonly id: string;
  readonly partition: number;
  posted: number;
  sequence: number;
  credits: number;
  debits: number;
  /** As the database has it. */
  day: Day;
}

/** Of today, the figures of an account. */
interface Day {
  readonly version: number;
  readonly credits: number;
  readonly debits: number;
  readonly count: number;
  readonly closing: number;
  readonly hash: Buffer;
  readonly cause: string;
}

interface Payment extends texts.PaymentFacts {
  readonly wallet: Account;
  readonly service: Account;
}

/** Makes the batches of one connection, in the order in which they are to be written. */
export class BatchMaker {
  readonly #wallets: readonly Account[];
  readonly #services: readonly Account[];
  readonly #random: Random;
  readonly #heads = new Map<string, number>();

  constructor(options: { connection: number; wallets: number; services: number; seed: number }) {
    const { connection, wallets, services } = options;
    const isOwn = ({ partition }: Account) => partition % CONNECTIONS === connection; // Y1
    this.#wallets = accounts('w', 1, wallets, FUNDS_MINOR).filter(isOwn);
    this.#services = accounts('s', wallets + 1, services, 0).filter(
      (_, index) => index % CONNECTIONS === connection,
    );
    this.#random = new Random(options.seed + connection);
  }

  next(): Batch {
    const now = new Date();
    const chosen = Array.from({ length: BATCH }, () => ({
      wallet: pick(this.#wallets, this.#random),
      service: pick(this.#services, this.#random),
    }));
    const touchedWallets = [...new Set(chosen.map(({ wallet }) => wallet))].sort(byKey);
    const payments = chosen.map(({ wallet, service }) => this.#pay(wallet, service, now));
    const touched = [...touchedWallets, ...new Set(payments.map(({ service }) => service))].sort(byKey);
    const identities = payments.map((): string[] => []);
    const uuids = uuidArray(payments.map(({ uuid }) => uuid));
    const append = (topic: string, type: string, data: (payment: Payment) => string) =>
      this.#append(payments, { topic, type, data, now, identities });
    return [
      insertKeys(payments, now),
      insertPayments(payments, now),
      append('payments', 'payment.requested', texts.requestedText),
      append('validation', 'payment.validated', texts.validatedText),
      insertHolds(payments, now),
      insertSagas(payments, now),
      append('authorization', 'payment.authorized', texts.authorizedText),
      { statement: statements.INSERT_ENTRIES, values: [uuids, TENANT, now] },
      insertPostings(payments, now),
      updateBalances(
        touched.map(({ key, posted, sequence }) => ({ key, posted, sequence })),
        now,
      ),
      append('ledger', 'entry.posted', texts.postedText),
      append('authorization', 'payment.completed', texts.completedText),
      { statement: statements.UPDATE_STATUSES, values: [tenants(payments), uuids, now] },
      insertNotifications(payments, now),
      append('notification', 'notification.queued', texts.queuedText),
      insertVerdicts(payments, identities, now),
      ...countDays(touched, now),
    ];
  }

  #pay(wallet: Account, service: Account, now: Date): Payment {
    const amount = 1000 + this.#random.below(9000);
    wallet.posted -= amount;
    wallet.sequence += 1;
    wallet.debits += amount;
    service.posted += amount;
    service.sequence += 1;
    service.credits += amount;
    const id = newId('pay');
    return {
      id,
      uuid: uuidOf(id),
      notificationUuid: randomUUID(),
      wallet,
      service,
      walletId: wallet.id,
      serviceId: service.id,
      amount,
      walletAfter: wallet.posted,
      serviceAfter: service.posted,
      walletSequence: wallet.sequence,
      serviceSequence: service.sequence,
      correlationId: newId('cor'),
      at: now.toISOString(),
    };
  }

  /** An event per payment, by partition; notes the identity that each gets, since nobody else moves these heads. */
  #append(
    payments: readonly Payment[],
    event: {
      topic: string;
      type: string;
      data: (payment: Payment) => string;
      now: Date;
      identities: readonly string[][];
    },
  ): BoundStatement {
    const { topic } = event;
    const partitions = [...new Set(payments.map(({ wallet }) => wallet.partition))].sort((a, b) => a - b);
    const slots = partitions.map((partition) =>
      [...payments.entries()].filter(([, { wallet }]) => wallet.partition === partition),
    );
    const inOrder = slots.flat();
    const causes = inOrder.map(([index]) => event.identities[index]?.at(-1) ?? newId('req'));
    for (const [slot, partition] of partitions.entries())
      this.#advance(`${topic}/${partition}`, slots[slot] ?? [], event.identities);
    const ofPayments = (value: (payment: Payment) => string) =>
      textArray(inOrder.map(([, payment]) => value(payment)));
    return {
      statement: statements.appendTo(topic),
      values: [
        int2Array(partitions),
        int4Array(slots.map((slot) => slot.length)),
        byteaArray(slots.map(() => randomBytes(32))),
        event.now,
        int2Array(slots.flatMap((slot, index) => slot.map(() => index + 1))),
        int4Array(slots.flatMap((slot) => slot.map((_, offset) => offset))),
        ofPayments(() => event.type),
        int2Array(inOrder.map(() => 1)),
        ofPayments(({ id }) => id),
        ofPayments(() => TENANT),
        ofPayments(({ walletId }) => walletId),
        ofPayments(event.data),
        ofPayments(({ correlationId }) => correlationId),
        textArray(causes),
        textArray(inOrder.map(() => null)),
      ],
    };
  }

  #advance(log: string, slot: readonly [number, Payment][], identities: readonly string[][]): void {
    const head = this.#heads.get(log) ?? 0;
    for (const [offset, [index]] of slot.entries()) identities[index]?.push(`${log}/${head + 1 + offset}`);
    this.#heads.set(log, head + slot.length);
  }
}

function accounts(prefix: string, firstKey: number, count: number, posted: number): Account[] {
  return Array.from({ length: count }, (_, index) => {
    const id = `${prefix}-${firstKey + index}`;
    return {
      key: BigInt(firstKey + index),
      id,
      partition: partitionOf(TENANT, id, PARTITIONS),
      posted,
      sequence: 0,
      credits: 0,
      debits: 0,
      day: {
        version: 1,
        credits: 0,
        debits: 0,
        count: FIRST_COUNT,
        closing: posted,
        hash: Buffer.alloc(DIGEST_BYTES),
        cause: 'ledger/0/1',
      },
    };
  });
}

function pick(among: readonly Account[], random: Random): Account {
  return among[random.below(among.length)] as Account;
}

function byKey(a: Account, b: Account): number {
  return a.key < b.key ? -1 : 1;
}

function tenants(payments: readonly Payment[]): Buffer {
  return textArray(payments.map(() => TENANT));
}

function insertKeys(payments: readonly Payment[], now: Date): BoundStatement {
  const digests = payments.map(() => randomUUID()).sort((a, b) => (a < b ? -1 : 1));
  const values = [
    uuidArray(digests),
    textArray(payments.map(texts.requestText)),
    int2Array(payments.map(() => 202)),
    textArray(payments.map(texts.answerText)),
    now,
  ];
  return { statement: statements.INSERT_KEYS, values };
}

function insertPayments(payments: readonly Payment[], now: Date): BoundStatement {
  const values = [
    tenants(payments),
    uuidArray(payments.map(({ uuid }) => uuid)),
    textArray(payments.map(({ walletId }) => walletId)),
    textArray(payments.map(({ serviceId }) => serviceId)),
    int8Array(payments.map(({ amount }) => BigInt(amount))),
    textArray(payments.map(({ correlationId }) => correlationId)),
    now,
  ];
  return { statement: statements.INSERT_PAYMENTS, values };
}

function insertHolds(payments: readonly Payment[], now: Date): BoundStatement {
  const values = [
    uuidArray(payments.map(({ uuid }) => uuid)),
    int8Array(payments.map(({ wallet }) => wallet.key)),
    int8Array(payments.map(({ amount }) => BigInt(amount))),
    now,
  ];
  return { statement: statements.INSERT_HOLDS, values };
}

function insertSagas(payments: readonly Payment[], now: Date): BoundStatement {
  const values = [
    uuidArray(payments.map(({ uuid }) => uuid)),
    textArray(payments.map(({ walletId }) => walletId)),
    textArray(payments.map(({ serviceId }) => serviceId)),
    int8Array(payments.map(({ amount }) => BigInt(amount))),
    now,
  ];
  return { statement: statements.INSERT_SAGAS, values };
}

function updateBalances(
  balances: readonly { key: bigint; posted: number; sequence: number }[],
  now: Date,
): BoundStatement {
  const values = [
    int8Array(balances.map(({ key }) => key)),
    int8Array(balances.map(({ posted }) => BigInt(posted))),
    int8Array(balances.map(({ sequence }) => BigInt(sequence))),
    now,
  ];
  return { statement: statements.UPDATE_BALANCES, values };
}

function insertPostings(payments: readonly Payment[], now: Date): BoundStatement {
  const sides = payments.flatMap((payment) => [
    {
      account: payment.wallet,
      amount: -payment.amount,
      sequence: payment.walletSequence,
      after: payment.walletAfter,
      uuid: payment.uuid,
    },
    {
      account: payment.service,
      amount: payment.amount,
      sequence: payment.serviceSequence,
      after: payment.serviceAfter,
      uuid: payment.uuid,
    },
  ]);
  const values = [
    int8Array(sides.map(({ account }) => account.key)),
    int8Array(sides.map(({ sequence }) => BigInt(sequence))),
    uuidArray(sides.map(({ uuid }) => uuid)),
    int8Array(sides.map(({ amount }) => BigInt(amount))),
    int8Array(sides.map(({ after }) => BigInt(after))),
    now,
  ];
  return { statement: statements.INSERT_POSTINGS, values };
}

function insertNotifications(payments: readonly Payment[], now: Date): BoundStatement {
  const values = [
    textArray(payments.map(({ id }) => id)),
    TENANT,
    uuidArray(payments.map(({ notificationUuid }) => notificationUuid)),
    textArray(payments.map(texts.notificationText)),
    now,
  ];
  return { statement: statements.INSERT_NOTIFICATIONS, values };
}

function insertVerdicts(
  payments: readonly Payment[],
  identities: readonly string[][],
  now: Date,
): BoundStatement {
  const values = [
    textArray(payments.map(({ id }) => id)),
    TENANT,
    textArray(identities.map((path) => texts.stagesText(path, now.getTime()))),
    now,
  ];
  return { statement: statements.INSERT_VERDICTS, values };
}

/** The daily balances of the accounts that a batch has posted to, as the consolidation counts them: one version a batch. */
function countDays(touched: readonly Account[], now: Date): BoundStatement[] {
  const replaced = touched.map((account) => ({ ...account.day, key: account.key }));
  for (const account of touched) account.day = nextDay(account);
  const keys = int8Array(touched.map(({ key }) => key));
  const today = now.toISOString().slice(0, 10);
  const days = touched.map(({ day }) => day);
  const openings = replaced.map(({ closing, credits, debits }) => closing - credits + debits);
  const versions = [
    keys,
    int4Array(replaced.map(({ version }) => version)),
    int8Array(openings.map(BigInt)),
    ...figuresOf(replaced),
    today,
    now,
  ];
  const current = [keys, int4Array(days.map(({ version }) => version)), ...figuresOf(days), now, today];
  const standings = [keys, int8Array(touched.map(({ sequence }) => BigInt(sequence)))];
  return [
    { statement: statements.UPDATE_STANDINGS, values: standings },
    { statement: statements.INSERT_DAY_VERSIONS, values: versions },
    { statement: statements.UPDATE_DAYS, values: current },
  ];
}

function nextDay({ day, posted, sequence, credits, debits }: Account): Day {
  return {
    version: day.version + 1,
    credits,
    debits,
    count: FIRST_COUNT + sequence,
    closing: posted,
    hash: randomBytes(DIGEST_BYTES),
    cause: `ledger/0/${sequence}`,
  };
}

function figuresOf(days: readonly Day[]): Buffer[] {
  return [
    int8Array(days.map(({ credits }) => BigInt(credits))),
    int8Array(days.map(({ debits }) => BigInt(debits))),
    int8Array(days.map(({ count }) => BigInt(count))),
    int8Array(days.map(({ closing }) => BigInt(closing))),
    byteaArray(days.map(({ hash }) => hash)),
    textArray(days.map(({ cause }) => cause)),
  ];
}
