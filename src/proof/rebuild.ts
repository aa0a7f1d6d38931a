/**
 * `lastro rebuild`: makes the read models anew from the logs (U15), while payments come in. Nothing is wiped first, so
 * readers never meet an empty table: range by range, rows are made what their events say, and what no event speaks of is
 * removed. A table that was wiped, or lost, is filled in the same way.
 *
 * B1: the group that writes the table is kept out of a range's transaction by its fence, for some 300 ms at a time.
 * B2: the logs are believed. Verify them first.
 */

import type { LogEvent } from '#platform/log/event.ts';
import { decodeEvent, type EventRow } from '#platform/log/event-log.ts';
import type { ModelTransaction, ReadModel, SubjectsInRange, Timeline } from '#platform/log/read-model.ts';
import type { Range } from '#platform/postgres/ranges.ts';
import { verdictsModel } from '#services/integrity/contract.ts';
import { notificationsModel } from '#services/notification/contract.ts';
import {
  correctRefundTotals,
  countRefundTotals,
  paymentsModel,
  type RowRef,
  refundsModel,
  removeForgedPayments,
  removeForgedRefunds,
} from '#services/payments/contract.ts';
import {
  FIRST_RANGE,
  type IdRange,
  isLast,
  lastSuffix,
  nextRange,
  SAGA_PREFIXES,
  STRAY_SUBJECTS,
  subjectsOf,
} from './id-ranges.ts';
import { eventsOf, readInstallation, schemaOf } from './installation.ts';
import { Lane } from './lane.ts';
import { PageSize } from './page-size.ts';
import { type OnProgress, Phase } from './progress.ts';
import { rebuildDays } from './rebuild-days.ts';
import { isSagaSubject } from './saga-timelines.ts';

/** With what each is about: subjects of these kinds. */
const MODELS = {
  payments: { model: paymentsModel, kinds: ['pay'] },
  // After the payments: what can be given back of one is read from its row.
  refunds: { model: refundsModel, kinds: ['ref'] },
  verdicts: { model: verdictsModel, kinds: SAGA_PREFIXES },
  notifications: { model: notificationsModel, kinds: SAGA_PREFIXES },
} as const satisfies Record<string, ModelOfKinds>;

interface ModelOfKinds {
  readonly model: ReadModel;
  readonly kinds: readonly ('pay' | 'ref')[];
}

/** Made anew subject by subject; what one is about can be made anew alone. */
export type SubjectModelName = keyof typeof MODELS;

/** `days` are of accounts, about which the logs are not searched: they are made anew together (rebuild-days.ts). */
export type ReadModelName = SubjectModelName | 'days';

export const READ_MODELS: readonly ReadModelName[] = [...(Object.keys(MODELS) as SubjectModelName[]), 'days'];

const PAGE = { first: 500, least: 50, most: 4_000 };
const ROWS_PAGE = 2_000;

export interface RebuildOptions {
  /** Of the database; the role of the services suffices. */
  readonly url: string;
  /** Default all. */
  readonly models?: readonly ReadModelName[] | undefined;
  readonly onProgress?: OnProgress | undefined;
  /** Ends it after the range under way; `rebuild` then throws the reason. What was done stays done. */
  readonly signal?: AbortSignal | undefined;
}

export interface RebuiltModel {
  readonly model: ReadModelName;
  /** Payments and refunds whose rows were looked at; none for days, which are of accounts. */
  readonly payments: number;
  /** Rows inserted or changed. */
  readonly written: number;
  readonly removed: number;
  readonly durationMs: number;
}

export async function rebuild(options: RebuildOptions): Promise<readonly RebuiltModel[]> {
  const lane = new Lane(options.url);
  try {
    const installation = await readInstallation(lane);
    const rebuilt: RebuiltModel[] = [];
    for (const name of options.models ?? READ_MODELS) {
      const { onProgress = () => undefined, signal } = options;
      const total = eventsOf(installation, name === 'days' ? 'ledger' : 'payments');
      const phase = new Phase({ name, total, onProgress, signal });
      const counts =
        name === 'days'
          ? { payments: 0, ...(await rebuildDays(lane, phase)) }
          : await new ModelRebuild(lane, MODELS[name], phase).run();
      rebuilt.push({ model: name, ...counts, durationMs: Math.round(phase.end()) });
    }
    return rebuilt;
  } finally {
    await lane.close();
  }
}

class ModelRebuild {
  readonly #lane: Lane;
  readonly #model: ReadModel;
  readonly #kinds: ModelOfKinds['kinds'];
  readonly #phase: Phase;
  readonly #pageSize = new PageSize(PAGE);
  #payments = 0;
  #written = 0;
  #removed = 0;

  constructor(lane: Lane, { model, kinds }: ModelOfKinds, phase: Phase) {
    this.#lane = lane;
    this.#model = model;
    this.#kinds = kinds;
    this.#phase = phase;
  }

  async run(): Promise<Omit<RebuiltModel, 'model' | 'durationMs'>> {
    const last = await lastSuffix(this.#lane);
    for (let range: IdRange = FIRST_RANGE; !isLast(range) && range.after <= last; ) {
      range = await nextRange(this.#lane, range, this.#pageSize.rows);
      for (const kind of this.#kinds) await this.#correct(subjectsOf(range, kind));
    }
    for (const range of STRAY_SUBJECTS) await this.#correct(range);
    for (const walk of ROW_WALKS.get(this.#model) ?? []) await this.#walkRows(walk);
    return { payments: this.#payments, written: this.#written, removed: this.#removed };
  }

  async #correct(range: Range): Promise<void> {
    const startedAt = performance.now();
    const { timelines, correction } = await this.#lane.transaction(async (tx) => {
      const positions = await fence(tx, this.#model.group);
      const subjects = await readSubjects(tx, { model: this.#model, range, positions });
      return { timelines: subjects.timelines, correction: await this.#model.correct(tx, subjects) };
    });
    this.#payments += timelines.length;
    this.#written += correction.written;
    this.#removed += correction.removed;
    this.#phase.advance(timelines.length);
    this.#pageSize.took(performance.now() - startedAt);
  }

  async #walkRows(walk: RowWalk): Promise<void> {
    for (let cursor: RowRef | undefined; ; ) {
      const after: RowRef | undefined = cursor;
      const page = await this.#lane.transaction(async (tx) => {
        await fence(tx, this.#model.group);
        return walk(tx, after, ROWS_PAGE);
      });
      this.#written += page.written ?? 0;
      this.#removed += page.removed ?? 0;
      this.#phase.advance(0);
      if (page.next === undefined) return;
      cursor = page.next;
    }
  }
}

/** Makes the rows about one payment or refund anew (B1); how many were changed or removed. */
export function rebuildSubject(lane: Lane, name: SubjectModelName, range: Range): Promise<number> {
  const { model } = MODELS[name];
  return lane.transaction(async (tx) => {
    const positions = await fence(tx, model.group);
    const subjects = await readSubjects(tx, { model, range, positions });
    const { written, removed } = await model.correct(tx, subjects);
    return written + removed;
  });
}

/** Counts anew what can be given back of a payment, unless that came to more than now (B1). */
export function recountRefunds(lane: Lane, payment: RowRef): Promise<'corrected' | 'sound' | 'more'> {
  return lane.transaction(async (tx) => {
    await fence(tx, paymentsModel.group);
    return countRefundTotals(tx, payment);
  });
}

/** Corrects the next rows of a table that is led by the tenant: what no log speaks of is in no range of ids. */
type RowWalk = (
  tx: ModelTransaction,
  after: RowRef | undefined,
  limit: number,
) => Promise<{
  readonly next: RowRef | undefined;
  readonly written?: number;
  readonly removed?: number;
}>;

const ROW_WALKS: ReadonlyMap<ReadModel, readonly RowWalk[]> = new Map([
  [paymentsModel, [removeForgedPayments]],
  [refundsModel, [removeForgedRefunds, correctRefundTotals]],
]);

/** R1, B1: what the group does waits until the end of the transaction; where it stands, by topic and partition. */
async function fence(tx: ModelTransaction, group: string): Promise<ReadonlyMap<string, number>> {
  const rows = await tx.query<{ place: string; position: bigint }>(
    `select topic || '/' || partition as place, position from log.positions
     where consumer_group = $1 order by topic, partition for no key update`,
    [group],
  );
  return new Map(rows.map(({ place, position }) => [place, Number(position)]));
}

/** By the index on subjects, once for each topic of the model. Open ranges hold no payment and no refund. */
async function readSubjects(
  tx: ModelTransaction,
  options: {
    readonly model: ReadModel;
    readonly range: Range;
    readonly positions: ReadonlyMap<string, number>;
  },
): Promise<SubjectsInRange> {
  const { model, range, positions } = options;
  const { after, upTo } = range;
  if (after === null || upTo === null) return { ...range, timelines: [] };
  const byTopic = await Promise.all(
    model.topics.map(async (topic) => {
      const rows = await tx.query<EventRow>(
        `select partition, position, type, version, subject, tenant, key, data, occurred_at, correlation_id, causation,
                traceparent
         from ${schemaOf(topic)}.events where subject > $1 and subject <= $2 order by partition, position`,
        [after, upTo],
      );
      return rows.map((row) => decodeEvent(topic, row));
    }),
  );
  return { ...range, timelines: timelinesOf(byTopic.flat(), positions) };
}

function timelinesOf(events: readonly LogEvent[], positions: ReadonlyMap<string, number>): Timeline[] {
  const bySubject = new Map<string, LogEvent[]>();
  for (const event of events) {
    // Accounts are named by their owners, and may be named like a payment.
    if (!isSagaSubject(event.subject) || event.type.startsWith('account.')) continue;
    const known = bySubject.get(event.subject);
    if (known === undefined) bySubject.set(event.subject, [event]);
    else known.push(event);
  }
  return [...bySubject].map(([subject, own]) => ({
    subject,
    events: own,
    begun: own.some((event) => event.position <= (positions.get(`${event.topic}/${event.partition}`) ?? 0)),
  }));
}
