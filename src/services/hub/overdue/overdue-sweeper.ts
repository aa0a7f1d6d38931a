/**
 * Looks once at every integration when it is some minutes old, again at those that have not ended, and at those that somebody has
 * had undone since, for a stage that will not answer any more (H7): its group has passed the event, nobody outside is asked, and
 * nothing waits for a dead letter.
 *
 * O1: what is missing is mended by delivering the event again to its group, three times; that changes nothing where it was
 *     handled. What then stands still is a dead letter, which a person has replayed or discards.
 * O2: what is remembered is bounded: while it is full nothing new is looked for.
 */
import { type Clock, type EpochMs, toRfc3339 } from '#kernel/clock.ts';
import { firstUuidAt } from '#kernel/first-uuid.ts';
import { idOf, newId } from '#kernel/ids.ts';
import type { BatchObserver } from '#platform/batch/observer.ts';
import { repeatWhile } from '#platform/batch/repeat.ts';
import { Signal } from '#platform/batch/signal.ts';
import {
  type BuriedWork,
  buryGivenUp,
  findOpenWork,
  type GivenUp,
  tellBuried,
} from '#platform/dead-letters/given-up.ts';
import {
  findAbandonedEvents,
  findOrderedEvents,
  findWaitingEvents,
  type GroupedEvent,
  requestRedeliveries,
} from '#platform/dead-letters/redelivery.ts';
import type { Session, Transaction } from '#platform/postgres/session.ts';
import {
  type Integration,
  type IntegrationRef,
  integrationRef,
  isEnded,
  STANDS_STILL_AFTER_MS,
} from '../integration.ts';
import { lockIntegrations } from '../store.ts';
import { type OverdueStage, overdueStage, type Standing } from './overdue-stage.ts';
import { findBegun, PAGE, readPositions, readStanding } from './overdue-store.ts';
import { FIRST_UNDOING, findUndoings, forgetUndoings } from './undoing-store.ts';

const EVERY_MS = 10_000;
/** How far back a process looks when it begins: what stood still before then was seen by one before it. */
const LOOK_BACK_MS = 3_600_000;
/** Of what was begun, looked through in one turn: at 3000 a second, a million rows of an index. */
const STRETCH_MS = 300_000;
/** O2 */
const REMEMBERED_MAX = 10_000;
/** O1 */
const REDELIVERIES_MAX = 3;

interface Remembered extends IntegrationRef {
  /** If somebody has had it undone. */
  readonly since?: EpochMs;
  /** Of its last event, when it was looked at last. */
  position: number;
  /** Of that. */
  redeliveries: number;
}

interface Missing {
  readonly remembered: Remembered;
  readonly standing: Standing;
  readonly stage: OverdueStage;
  readonly event: GroupedEvent;
}

export interface OverdueSweeperOptions {
  readonly session: Session;
  readonly clock: Clock;
  readonly observer: Pick<BatchObserver, 'deadLettered'>;
  readonly onError: (error: unknown) => void;
}

export class OverdueSweeper {
  readonly #options: OverdueSweeperOptions;
  readonly #signal = new Signal();
  readonly #remembered = new Map<string, Remembered>();
  /** Up to which instant those that were begun have been looked at, or up to which of that time. */
  #until: EpochMs;
  #after: string | undefined;
  /** The last of those that are being undone that was looked at. */
  #undoing = FIRST_UNDOING;
  #stopping = false;
  #running: Promise<void> | undefined;

  constructor(options: OverdueSweeperOptions) {
    this.#options = options;
    this.#until = options.clock.now() - LOOK_BACK_MS;
  }

  start(): void {
    this.#running ??= repeatWhile(
      () => !this.#stopping,
      async () => {
        await this.sweep().catch(this.#options.onError);
        if (!this.#stopping) await this.#signal.wait(EVERY_MS);
      },
    );
  }

  async stop(): Promise<void> {
    this.#stopping = true;
    this.#signal.raise();
    await this.#running;
  }

  async sweep(): Promise<void> {
    if (this.#remembered.size < REMEMBERED_MAX) {
      await this.#rememberUndoing();
      await this.#remember();
    }
    const page = [...this.#remembered.values()].slice(0, PAGE);
    if (page.length === 0) return;
    const missing = await this.#findMissing(page);
    const [again, lost] = [missing.filter(isToBeMended), missing.filter((each) => !isToBeMended(each))];
    if (missing.length === 0) return;
    const { session, observer } = this.#options;
    const { letters, done } = await session.transaction(async (tx) => {
      const buried = await this.#bury(tx, lost);
      requestRedeliveries(tx, again.map(orderOf));
      return buried;
    });
    tellBuried(observer, letters);
    for (const { remembered } of again) remembered.redeliveries++;
    for (const { remembered } of done) this.#remembered.delete(integrationRef(remembered));
  }

  async #remember(): Promise<void> {
    const { session, clock } = this.#options;
    const until = Math.min(this.#until + STRETCH_MS, clock.now() - STANDS_STILL_AFTER_MS);
    if (until <= this.#until) return;
    const found = await findBegun(session, this.#after ?? firstUuidAt(this.#until), firstUuidAt(until));
    for (const ref of found) this.#remembered.set(integrationRef(ref), { ...ref, ...NOT_LOOKED_AT });
    this.#after = found.length < PAGE ? undefined : found.at(-1)?.uuid;
    if (this.#after === undefined) this.#until = until;
  }

  /** A page at a time, and from the first again behind the last. */
  async #rememberUndoing(): Promise<void> {
    const { session, clock } = this.#options;
    const found = await findUndoings(session, this.#undoing, clock.now() - STANDS_STILL_AFTER_MS);
    this.#undoing = (found.length < PAGE ? undefined : found.at(-1)) ?? FIRST_UNDOING;
    for (const each of found) {
      const ref = integrationRef(each);
      this.#remembered.set(ref, { ...NOT_LOOKED_AT, ...this.#remembered.get(ref), ...each });
    }
  }

  /** Those of the page that have ended are forgotten; the others come again behind the rest. */
  async #findMissing(page: readonly Remembered[]): Promise<Missing[]> {
    const { session, clock } = this.#options;
    const positionOf = await readPositions(session);
    const standing = await readStanding(session, page);
    const now = clock.now();
    for (const each of page) this.#remembered.delete(integrationRef(each));
    const known = new Map(page.map((each) => [integrationRef(each), each]));
    const missing = standing.flatMap((each): Missing[] => {
      const ref = integrationRef(each);
      const remembered = known.get(ref);
      if (remembered === undefined || isEnded(each.status)) return [];
      this.#remembered.set(ref, remembered);
      const stage = overdueStage(each, positionOf, now);
      const { partition, position } = each.event;
      if (remembered.position !== position) Object.assign(remembered, { position, redeliveries: 0 });
      if (stage === undefined) return [];
      return [
        {
          remembered,
          standing: each,
          stage,
          event: { group: stage.group, topic: 'hub', partition, position },
        },
      ];
    });
    const ended = page.filter((each) => !this.#remembered.has(integrationRef(each)));
    await forgetUndoings(
      session,
      ended.flatMap(({ uuid, since }) => (since === undefined ? [] : { uuid, since })),
    );
    return this.#withoutExplained(missing);
  }

  /** Without those that wait for a dead letter, or whose event was ordered already, or given up by a person. */
  async #withoutExplained(missing: readonly Missing[]): Promise<Missing[]> {
    const { session } = this.#options;
    const events = missing.map(({ event }) => event);
    const explained = await Promise.all([
      findWaitingEvents(session, events),
      findOrderedEvents(session, events),
      findAbandonedEvents(session, events),
    ]);
    const places = new Set(explained.flat().map(placeOf));
    return missing.filter(({ event }) => !places.has(placeOf(event)));
  }

  /** O1. `done`: those that are dead letters of their group now, or were already; what has moved meanwhile is looked at again. */
  async #bury(
    tx: Transaction,
    lost: readonly Missing[],
  ): Promise<{ readonly letters: readonly BuriedWork[]; readonly done: readonly Missing[] }> {
    if (lost.length === 0) return { letters: [], done: [] };
    const refs = lost.map(({ remembered }) => remembered);
    const works = refs.map(({ tenant, uuid }) => ({ tenant, work: idOf('int', uuid) }));
    // Read behind the locks (R2): what another process has buried meanwhile is there.
    const [locked, standing, open] = await Promise.all([
      lockIntegrations(tx, refs),
      readStanding(tx, refs),
      findOpenWork(tx, works),
    ]);
    const integrations = new Map(locked.map((each) => [integrationRef(each), each]));
    const current = new Set(standing.map(standingRef));
    const buried = new Set(open.map(({ work, group }) => `${work} ${group}`));
    const done = lost.filter((each) => current.has(standingRef({ ...each.remembered, ...each.standing })));
    const letters = done.flatMap((each) => {
      const integration = integrations.get(integrationRef(each.remembered));
      const isBuried = buried.has(`${idOf('int', each.remembered.uuid)} ${each.stage.group}`);
      return integration === undefined || isBuried ? [] : letterAbout(each, integration);
    });
    return { letters: buryGivenUp(tx, letters, this.#options.clock.now()), done };
  }
}

const NOT_LOOKED_AT = { position: 0, redeliveries: 0 };

/** Where it stands, and since when, and that nobody is asked. */
function standingRef({ event, isCalling, ...ref }: Standing & IntegrationRef): string {
  return `${integrationRef(ref)} ${event.partition} ${event.position} ${isCalling}`;
}

function letterAbout(
  { remembered, standing, stage, event }: Missing,
  { connector: target, correlationId }: Integration,
): GivenUp {
  const { tenant, uuid, redeliveries } = remembered;
  const work = idOf('int', uuid);
  const { type, occurredAt } = standing.event;
  return {
    group: stage.group,
    event: { ...event, tenant, subject: work, type, version: 1, correlationId },
    target,
    work,
    failure: { code: 'hub.overdue', text: describe(stage, occurredAt), status: null },
    attempts: redeliveries,
    firstAt: occurredAt,
    waitsFor: null,
  };
}

function isToBeMended({ remembered }: Missing): boolean {
  return remembered.redeliveries < REDELIVERIES_MAX;
}

function orderOf({ event, stage, standing }: Missing) {
  const reason = describe(stage, standing.event.occurredAt);
  return { ...event, id: newId('rdl'), reason, requestedBy: 'hub' };
}

function describe({ name, group }: OverdueStage, since: EpochMs): string {
  return `The stage ${name} is due at ${group} since ${toRfc3339(since)}, which has passed the event and left nothing.`;
}

function placeOf({ group, partition, position }: GroupedEvent): string {
  return `${group} ${partition} ${position}`;
}
