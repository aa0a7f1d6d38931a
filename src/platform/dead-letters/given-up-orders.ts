/**
 * Executes an order about what a service has given up. Its effect, what it says of the dead letter and that it is done are one
 * commit, under the lock of the dead letter: a process that is killed in between has done nothing, and one that looks again
 * finds nothing to do.
 */
import type { EpochMs } from '#kernel/clock.ts';
import { idOf } from '#kernel/ids.ts';
import type { Transaction } from '../postgres/session.ts';
import { type Failure, noteAction } from './bury.ts';
import type { GivenUpOrder, GivenUpWork } from './given-up.ts';
import { auditOf, type Done, NOTHING_LEFT } from './order-end.ts';
import * as store from './order-store.ts';
import { toldFailure } from './told-failure.ts';

type Found = NonNullable<Awaited<ReturnType<typeof find>>>;

export async function executeGivenUp(
  tx: Transaction,
  id: string,
  { work, now }: { work: GivenUpWork; now: EpochMs },
): Promise<Done> {
  const found = await find(tx, id);
  if (found === undefined) return undefined;
  const { order, about } = found;
  if (!about.isOpen) {
    store.finishOrder(tx, { id, outcome: 'done', at: now });
    return NOTHING_LEFT;
  }
  const given = orderOf(found, now);
  if (about.action !== 'replay') {
    const committed = await work.giveUp?.(tx, given);
    resolve(tx, { order, about, now, state: about.action === 'skip' ? 'skipped' : 'discarded' });
    return committed ?? NOTHING_LEFT;
  }
  const end = await work.replay(tx, given);
  if ('failure' in end) return fail(tx, { order, about, now, failure: end.failure });
  resolve(tx, { order, about, now, state: 'replayed', replayedAs: end.replayedAs });
  return end.committed;
}

/** What its service has thrown: the order is done, and the dead letter stays. */
export async function failGivenUp(
  tx: Transaction,
  id: string,
  { failure, now }: { failure: Failure; now: EpochMs },
): Promise<Done> {
  const found = await find(tx, id);
  return found && fail(tx, { ...found, failure, now });
}

async function find(tx: Transaction, id: string) {
  const order = await store.loadOrder(tx, id);
  if (order === undefined || order.about.action === 'redeliver' || order.about.work === undefined)
    return undefined;
  return { order, about: order.about, place: order.about.work };
}

function orderOf({ order, about, place }: Found, now: EpochMs): GivenUpOrder {
  const { id, topic, partition, position, group, reason, requestedBy: actor } = order;
  const { tenant, subject, type } = place;
  return {
    tenant,
    group,
    event: { topic, partition, position, subject, type },
    work: place.id,
    editedData: about.editedData,
    orderId: idOf('rdl', id),
    reason,
    actor,
    now,
  };
}

interface Executing {
  readonly order: store.Order;
  readonly about: store.AboutDeadLetter;
  readonly now: EpochMs;
}

function resolve(
  tx: Transaction,
  {
    order,
    about,
    now: at,
    state,
    replayedAs,
  }: Executing & { state: 'replayed' | 'skipped' | 'discarded'; replayedAs?: string },
): void {
  const { deadLetter, editedData } = about;
  const became = replayedAs === undefined ? {} : { replayedAs };
  store.resolve(tx, { uuid: deadLetter, state, editedData, at, ...became });
  const entry = auditOf(order, about, at);
  noteAction(tx, { ...entry, action: state, dataAfter: editedData });
  store.finishOrder(tx, { id: order.id, outcome: 'done', at });
}

/** What was given up stays as it failed; the audit says why it could not be tried again. */
function fail(tx: Transaction, { order, about, now: at, failure }: Executing & { failure: Failure }): Done {
  const entry = auditOf(order, about, at);
  const detail = `${failure.code}: ${toldFailure(failure)}`;
  noteAction(tx, { ...entry, action: 'replay_failed', dataAfter: about.editedData, detail });
  store.finishOrder(tx, { id: order.id, outcome: 'failed', error: detail, at });
  return NOTHING_LEFT;
}
