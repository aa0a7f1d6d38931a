/**
 * Requests to the probe's installation (probe.ts): an order of an item is noted in a table that has no uniqueness of
 * its own, and leaves one event `ordered` in `target`. What stands for a process is a worker with an EventLog and a
 * session of its own.
 */
import { systemClock } from '#kernel/clock.ts';
import { newId } from '#kernel/ids.ts';
import type { Command, CommandHandler, Verdict } from '#platform/batch/command.ts';
import { type CommandOutcome, CommandWorker } from '#platform/batch/command-worker.ts';
import { type Answer, IdempotencyStore } from '#platform/idempotency/idempotency.ts';
import { EventLog } from '#platform/log/event-log.ts';
import { int8Array, textArray } from '#platform/postgres/arrays.ts';
import { Session, statement, type Transaction } from '#platform/postgres/session.ts';
import { HookedSession, type Probe, type SessionHooks } from './probe.ts';

export interface Order {
  readonly item: string;
  readonly price: number;
}

interface PlacedOrder extends Order {
  readonly id: string;
}

export interface CommandHooks {
  readonly session?: SessionHooks;
  readonly onLoad?: () => Promise<void>;
  readonly batchMax?: number;
  readonly delayMs?: () => number;
  readonly takes?: (waiting: number) => number;
}

/** A price that the database refuses to note, as data that no check at the edge has foreseen. */
export const POISONED_PRICE = -1;
/** A price that collides with a row which no look-up finds: only its insert fails, and always. */
export const COLLIDING_PRICE = -3;
/** A price at which `decide` throws. */
export const UNDECIDABLE_PRICE = -2;
/** An item that is refused with 422. */
export const REFUSED_ITEM = 'nothing';

const NOTE_ORDERS = statement(
  'probe.note_orders',
  `insert into probe.orders (id, item, price) select * from unnest($1::text[], $2::text[], $3::bigint[])`,
);

const ordering: CommandHandler<Order, undefined, PlacedOrder> = {
  load: () => Promise.resolve(undefined),
  decide: (_loaded, command) => decideOrder(command),
  save(tx: Transaction, orders) {
    if (orders.length === 0) return;
    tx.run(NOTE_ORDERS, [
      textArray(orders.map(({ id }) => id)),
      textArray(orders.map(({ item }) => item)),
      int8Array(orders.map(({ price }) => price)),
    ]);
  },
};

function decideOrder(command: Command<Order>): Verdict<PlacedOrder> {
  const { id, body, tenant, correlationId, requestId } = command;
  if (body.price === UNDECIDABLE_PRICE) throw new RangeError('no decision about this price');
  if (body.item === REFUSED_ITEM)
    return { answer: { status: 422, body: '{"code":"refused"}' }, effect: undefined, drafts: [] };
  const placed = { id, ...body };
  return {
    answer: { status: 201, body: JSON.stringify(placed) },
    effect: placed,
    drafts: [
      {
        type: 'ordered',
        version: 1,
        subject: id,
        tenant,
        key: body.item,
        data: { price: body.price },
        correlationId,
        causation: requestId,
        traceparent: null,
      },
    ],
  };
}

export interface CommandProcess {
  readonly worker: CommandWorker<Order, undefined, PlacedOrder>;
  readonly failures: readonly unknown[];
  order(order: Order, key: string | undefined, scope?: Partial<OrderScope>): Promise<CommandOutcome>;
  stop(): Promise<void>;
}

export interface OrderScope {
  readonly tenant: string;
  readonly operation: string;
}

/** The tables that the orders need, in the probe's schema. */
export async function prepareOrders(probe: Probe): Promise<void> {
  await probe.query(
    `create table probe.orders (id text, item text, price bigint check (price <> ${POISONED_PRICE}))`,
  );
  await probe.query(
    `create unique index on probe.orders (price, (case price when ${COLLIDING_PRICE} then '' else id end))`,
  );
  await probe.query('create table probe.idempotency_keys (like payments.idempotency_keys including all)');
  await probe.query('grant select, insert on probe.orders, probe.idempotency_keys to lastro_service');
}

export function renderKeyReused(pointers: readonly string[]): Answer {
  return { status: 422, body: JSON.stringify(pointers) };
}

export async function startOrdering(probe: Probe, hooks: CommandHooks = {}): Promise<CommandProcess> {
  const { url, partitions } = probe;
  const failures: unknown[] = [];
  const onError = (error: unknown): void => void failures.push(error);
  const heads = new Session({ url, name: 'probe heads' });
  const log = await EventLog.open({ session: heads, topics: ['target'], partitions, onError });
  const session = new HookedSession({ url, name: 'probe' }, hooks.session ?? {});
  const worker = new CommandWorker({
    name: 'probe.orders',
    topic: 'target',
    handler: {
      ...ordering,
      async load() {
        await hooks.onLoad?.();
        return undefined;
      },
    },
    idempotency: new IdempotencyStore('probe'),
    keyReused: renderKeyReused,
    log,
    session,
    clock: systemClock,
    random: () => 0,
    batchMax: hooks.batchMax ?? 100,
    delayMs: hooks.delayMs ?? (() => 0),
    takes: hooks.takes,
    observer: { committed: () => undefined, failed: (_worker, error) => onError(error) },
  });
  worker.start();
  return {
    worker,
    failures,
    order: (order, key, scope = {}) => worker.submit(orderCommand(order, key, scope)),
    async stop() {
      await worker.stop();
      await log.close();
      await Promise.all([session.close(), heads.close()]);
    },
  };
}

export function orderCommand(
  order: Order,
  key: string | undefined,
  scope: Partial<OrderScope> = {},
): Command<Order> {
  return {
    operation: scope.operation ?? 'orders.create',
    tenant: scope.tenant ?? 'acme',
    idempotencyKey: key,
    body: order,
    id: newId('pay'),
    requestId: newId('req'),
    correlationId: 'cor_probe',
    traceparent: null,
  };
}
