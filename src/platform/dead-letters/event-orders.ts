/**
 * Executes an order about an event: to hand it to its group again, or what a person has decided of its dead letter. Under the
 * group's positions (redeliverer.ts, whose D1 to D4 this keeps), in the transaction that they are locked in.
 */
import type { Clock } from '#kernel/clock.ts';
import { assertNever } from '#kernel/fault.ts';
import type { JsonObject, LogEvent } from '../log/event.ts';
import { LogGap } from '../log/event-log.ts';
import { readEventsAt } from '../log/events-at.ts';
import type { Transaction } from '../postgres/session.ts';
import { failureOf, noteAction } from './bury.ts';
import type { Handler } from './handler.ts';
import { auditOf, type Done, NOTHING_LEFT } from './order-end.ts';
import * as store from './order-store.ts';
import { hasPassed } from './passed-places.ts';
import { findAbandonedEvents, type RedeliveryOutcome } from './redelivery.ts';

interface Executing {
  readonly handler: Handler;
  readonly positions: store.HeldPositions;
  readonly clock: Clock;
}

/** Of an order about a dead letter. */

export async function executeEventOrder(tx: Transaction, id: string, executing: Executing): Promise<Done> {
  const { positions, clock } = executing;
  const order = await store.loadOrder(tx, id);
  if (order === undefined) return undefined;
  const { about } = order;
  if (about.action === 'redeliver') return redeliver(tx, order, executing);
  if (!about.isOpen) return finish(tx, order, { outcome: 'done', clock });
  if (!hasPassed(positions, order)) return undefined; // D3
  const { action } = about;
  switch (action) {
    case 'replay':
      return replay(tx, order, { about, ...executing });
    case 'skip':
      return passOver(tx, order, { about, clock });
    case 'discard':
      return discard(tx, order, { about, clock });
    default:
      return assertNever(action);
  }
}

/** The order has failed on its event. */
export async function failEventOrder(
  tx: Transaction,
  id: string,
  { error, clock }: { readonly error: unknown; readonly clock: Clock },
): Promise<Done> {
  const order = await store.loadOrder(tx, id);
  return order && fail(tx, order, { outcome: 'failed', error, clock });
}

async function redeliver(
  tx: Transaction,
  order: store.Order,
  { handler, positions, clock }: Executing,
): Promise<Done> {
  const { group, partition } = order;
  const end = (outcome: RedeliveryOutcome): Done => finish(tx, order, { outcome, clock });
  if (!positions.has(order.topic)) return end('not_handled');
  if (!hasPassed(positions, order)) return end('not_passed');
  if ((await findAbandonedEvents(tx, [order])).length > 0) return end('abandoned'); // D4
  const [event] = await readEventsAt(tx, partition, [order]);
  if (event === undefined) return end('not_found');
  if (!handler.actsOn(event)) return end('not_handled');
  const key = handler.parkingKeyOf(event);
  if (await store.isParked(tx, { group, partition, key })) return end('behind_dead_letter');
  const published = await handler.handle(tx, [event], { isAgain: true });
  end('done');
  store.moveTurns(tx, order);
  return published;
}

/** D2: the dead event alone, with other data if it was edited; its identity is the same. */
async function replay(
  tx: Transaction,
  order: store.Order,
  { about, handler, clock }: { about: store.AboutDeadLetter; handler: Handler; clock: Clock },
): Promise<Done> {
  const [event] = await readEventsAt(tx, order.partition, [order]);
  if (event === undefined) {
    const lacking = new LogGap(order.topic, order.partition, order.position);
    return fail(tx, order, { outcome: 'not_found', error: lacking, clock });
  }
  const replayed = withData(event, about.editedData);
  const published = handler.actsOn(replayed) ? await handler.handle(tx, [replayed]) : undefined;
  resolve(tx, order, { about, state: 'replayed', clock });
  return published ?? NOTHING_LEFT;
}

function withData(event: LogEvent, editedData: string | null): LogEvent {
  return editedData === null ? event : { ...event, data: JSON.parse(editedData) as JsonObject };
}

function passOver(
  tx: Transaction,
  order: store.Order,
  { about, clock }: { about: store.AboutDeadLetter; clock: Clock },
): Done {
  resolve(tx, order, { about, state: 'skipped', clock });
  return NOTHING_LEFT;
}

async function discard(
  tx: Transaction,
  order: store.Order,
  { about, clock }: { about: store.AboutDeadLetter; clock: Clock },
): Promise<Done> {
  const gone = await store.unparkAll(tx, { ...order, key: about.key }, about.deadLetter);
  resolve(tx, order, { about, state: 'discarded', gone, clock });
  return NOTHING_LEFT;
}

/** The dead letter has come to its end, and its key goes on. `gone`: identities of what was given up with it. */
function resolve(
  tx: Transaction,
  order: store.Order,
  end: {
    readonly about: store.AboutDeadLetter;
    readonly state: 'replayed' | 'skipped' | 'discarded';
    readonly gone?: readonly string[];
    readonly clock: Clock;
  },
): void {
  const { about, state, gone = [], clock } = end;
  const at = clock.now();
  if (state !== 'replayed') store.abandon(tx, order, about.deadLetter);
  store.resolve(tx, { uuid: about.deadLetter, state, editedData: about.editedData, at });
  const entry = auditOf(order, about, at);
  noteAction(tx, { ...entry, action: state, dataAfter: about.editedData });
  if (gone.length > 0) noteAction(tx, { ...entry, action: 'passed_behind', detail: gone.join(' ') });
  finish(tx, order, { outcome: 'done', clock });
  store.releaseKey(tx, { ...order, key: about.key });
  store.moveTurns(tx, order);
}

/** The order is done, and its dead letter, if it is about one, stays what it is. */
function fail(
  tx: Transaction,
  order: store.Order,
  failed: { readonly outcome: 'failed' | 'not_found'; readonly error: unknown; readonly clock: Clock },
): Done {
  const { about } = order;
  const { outcome, error, clock } = failed;
  const at = clock.now();
  const { code, text } = failureOf(error);
  if (about.action !== 'redeliver') {
    store.failAgain(tx, { uuid: about.deadLetter, code, text, at });
    const entry = auditOf(order, about, at);
    noteAction(tx, { ...entry, action: 'replay_failed', dataAfter: about.editedData, detail: text });
  }
  store.finishOrder(tx, { id: order.id, outcome, error: text, at });
  return NOTHING_LEFT;
}

function finish(
  tx: Transaction,
  order: store.Order,
  { outcome, clock }: { readonly outcome: RedeliveryOutcome; readonly clock: Clock },
): Done {
  store.finishOrder(tx, { id: order.id, outcome, at: clock.now() });
  return NOTHING_LEFT;
}
