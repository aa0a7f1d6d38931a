/**
 * Where findings are opened and settled outside of the consumer's batches: one transaction at a time, each with its events.
 *
 * FD1: a finding is locked before it is decided what becomes of it; who comes second decides by what the first has made.
 * FD2: its event is of the same commit, and so is what a person is answered about it.
 */

import type { Clock } from '#kernel/clock.ts';
import { accepted, type Decision } from '#kernel/decision.ts';
import { newId, uuidOf } from '#kernel/ids.ts';
import type { CommandOutcome } from '#platform/batch/command-worker.ts';
import { type AskedOnce, KeptAnswers } from '#platform/batch/kept-answers.ts';
import { sendDrafts } from '#platform/batch/send-drafts.ts';
import type { Answer } from '#platform/idempotency/idempotency.ts';
import type { AppendedSegment } from '#platform/log/append.ts';
import type { EventDraft } from '#platform/log/event.ts';
import { textArray } from '#platform/postgres/arrays.ts';
import { DatabaseFault } from '#platform/postgres/faults.ts';
import type { Session, Transaction } from '#platform/postgres/session.ts';
import { decideSightings, isLive, type Sighting, type StoredFinding } from './finding.ts';
import {
  CLAIM_DUE,
  CLOSE_UNSEEN,
  FIND_LIVE_OF_KINDS,
  type FindingRow,
  lockFinding,
  lockFindings,
  saveActions,
  saveSettled,
  saveSightings,
  storedFinding,
} from './finding-store.ts';
import { LOGS_IN_DOUBT } from './repair-rules.ts';
import { requestRepair, type Settled, settleUnseen } from './settle-finding.ts';

/** What the outside hears of findings. */
export interface FindingObserver {
  opened(finding: StoredFinding): void;
  settled(finding: StoredFinding): void;
}

/** Where the events go: an `EventLog`, or for a program without one what counts partitions. */
export interface EventSink {
  readonly partitions: number;
  publish(segments: readonly AppendedSegment[]): void;
}

export interface FindingDeskOptions {
  /** Of its own. */
  readonly session: Session;
  readonly log: EventSink;
  readonly clock: Clock;
  readonly observer: FindingObserver;
}

/** Sightings of one transaction. */
const SIGHTINGS_MAX = 200;
/** An attempt is looked at again after so long, the next one after twice as long. */
const RETRY_MS = 3000;
const UNSEEN_MAX = 500;

const ANSWERS = new KeptAnswers('integrity');

export class FindingDesk {
  readonly #options: FindingDeskOptions;
  /** FD1: a session has one transaction at a time. */
  #last: Promise<unknown> = Promise.resolve();

  constructor(options: FindingDeskOptions) {
    this.#options = options;
  }

  /** What was seen becomes findings, or was known. `isRequested`: an operator wants what is found repaired. */
  async open(sightings: readonly Sighting[], { isRequested = false } = {}): Promise<void> {
    const pages = Array.from({ length: Math.ceil(sightings.length / SIGHTINGS_MAX) }, (_, page) =>
      sightings.slice(page * SIGHTINGS_MAX, (page + 1) * SIGHTINGS_MAX),
    );
    // FD1: one behind the other all the same.
    await Promise.all(pages.map((page) => this.#openPage(page, isRequested)));
  }

  async #openPage(sightings: readonly Sighting[], isRequested: boolean): Promise<void> {
    const open = () =>
      this.#transaction(async (tx, now) => {
        const known = await lockFindings(
          tx,
          sightings.map(({ subject }) => subject),
        );
        const uuids = sightings.map(() => uuidOf(newId('fnd')));
        const plan = decideSightings(sightings, known, { now, uuids });
        saveSightings(tx, plan, now);
        const seen = new Set(plan.seenAgain.map(({ uuid }) => uuid));
        const requested = isRequested ? known.filter(({ uuid }) => seen.has(uuid)) : [];
        const settled = requested.flatMap((finding) => requestRepair(finding, now) ?? []);
        this.#save(tx, settled, now);
        return { drafts: plan.drafts, result: plan.opened };
      });
    const opened = await this.#twice(open);
    for (const finding of opened) this.#options.observer.opened(finding);
  }

  /** The next finding whose repair is due, for this process alone until its next attempt is. */
  claimDue(): Promise<StoredFinding | undefined> {
    return this.#transaction(async (tx, now) => {
      const [row] = await tx.query<FindingRow>(CLAIM_DUE, [new Date(now), RETRY_MS]);
      return { drafts: [], result: row && storedFinding(row) };
    });
  }

  /** `decide` sees it as it is now; `work` is of the same commit. Nothing, if it was claimed again, or closed, meanwhile. */
  async settle(
    claimed: StoredFinding,
    decide: (finding: StoredFinding, now: number) => Settled,
    work: (tx: Transaction) => void = () => undefined,
  ): Promise<void> {
    const settled = await this.#transaction(async (tx, now) => {
      const finding = await lockFinding(tx, claimed.uuid, null);
      if (finding === undefined || !isLive(finding) || finding.state === 'acknowledged') return NOTHING;
      if (finding.attempts !== claimed.attempts) return NOTHING;
      work(tx);
      const outcome = decide(finding, now);
      this.#save(tx, [outcome], now);
      return { drafts: outcome.drafts, result: outcome };
    });
    if (settled !== undefined) this.#options.observer.settled(settled.finding);
  }

  /** What a person asks for over the API, once for each key; `work` is of the same commit. */
  async answerOnce(
    asked: AskedOnce,
    work: (tx: Transaction, now: number) => Promise<{ readonly answer: Answer; readonly settled?: Settled }>,
  ): Promise<CommandOutcome> {
    const answerIn = async (tx: Transaction, now: number) => {
      const outcome = await ANSWERS.find(tx, asked);
      if (outcome !== undefined) return { drafts: [], result: { outcome } };
      const { answer, settled } = await work(tx, now);
      if (settled !== undefined) this.#save(tx, [settled], now);
      ANSWERS.keep(tx, asked, answer, now);
      return { drafts: settled?.drafts ?? [], result: { outcome: { answer, replayed: false }, settled } };
    };
    const { outcome, settled } = await this.#twice(() =>
      this.#transaction<{ outcome: CommandOutcome; settled?: Settled | undefined }>(answerIn),
    );
    if (settled !== undefined) this.#options.observer.settled(settled.finding);
    return outcome;
  }

  /** What a person does at the command line; undefined if the tenant has no such finding. Null instead of a tenant: the operator, of any. */
  async byPerson(
    { tenant, uuid }: { readonly tenant: string | null; readonly uuid: string },
    decide: (finding: StoredFinding, now: number) => Decision<Settled>,
  ): Promise<Decision<StoredFinding> | undefined> {
    const decided = await this.#transaction<Decision<StoredFinding> | undefined>(async (tx, now) => {
      const finding = await lockFinding(tx, uuid, tenant);
      if (finding === undefined) return NOTHING;
      const outcome = decide(finding, now);
      if (!outcome.ok) return { drafts: [], result: outcome };
      this.#save(tx, [outcome.value], now);
      return { drafts: outcome.value.drafts, result: accepted(outcome.value.finding) };
    });
    if (decided?.ok === true) this.#options.observer.settled(decided.value);
    return decided;
  }

  /** What an audit of everything, which began then, has not seen again is over. */
  async closeUnseen(since: number, reason: string): Promise<void> {
    const closed = await this.#transaction(async (tx, now) => {
      const rows = await tx.query<FindingRow>(CLOSE_UNSEEN, [
        new Date(since),
        new Date(now),
        reason,
        UNSEEN_MAX,
      ]);
      const settled = rows.map((row) => settleUnseen(storedFinding(row), reason));
      saveActions(
        tx,
        settled.flatMap(({ actions }) => actions),
        now,
      );
      return { drafts: settled.flatMap(({ drafts }) => drafts), result: settled };
    });
    for (const { finding } of closed) this.#options.observer.settled(finding);
  }

  /** Whether the end of some log may be gone, as far as is known. */
  isLogInDoubt(): Promise<boolean> {
    return this.#transaction(async (tx) => {
      const rows = await tx.query(FIND_LIVE_OF_KINDS, [textArray(LOGS_IN_DOUBT)]);
      return { drafts: [], result: rows.length > 0 };
    });
  }

  /** Ends with the transaction under way. */
  async stop(): Promise<void> {
    await this.#last;
  }

  /** Another process may have made what was looked for since: then it is there now. */
  #twice<Result>(make: () => Promise<Result>): Promise<Result> {
    return make().catch((error: unknown) => {
      if (error instanceof DatabaseFault && error.uniqueViolation) return make();
      throw error;
    });
  }

  #save(tx: Transaction, settled: readonly Settled[], now: number): void {
    for (const { finding } of settled) saveSettled(tx, finding);
    saveActions(
      tx,
      settled.flatMap(({ actions }) => actions),
      now,
    );
  }

  /** FD2 */
  #transaction<Result>(
    work: (tx: Transaction, now: number) => Promise<{ drafts: readonly EventDraft[]; result: Result }>,
  ): Promise<Result> {
    const turn = this.#last.then(async () => {
      const { session, log, clock } = this.#options;
      let segments: Promise<AppendedSegment[]> | undefined;
      const outcome = await session.transaction(async (tx) => {
        const now = clock.now();
        const { drafts, result } = await work(tx, now);
        const { partitions } = log;
        segments = sendDrafts(tx, { topic: 'integrity', partitions, occurredAt: now, drafts });
        return result;
      });
      if (segments !== undefined) log.publish(await segments);
      return outcome;
    });
    this.#last = turn.catch(() => undefined);
    return turn;
  }
}

const NOTHING = { drafts: [], result: undefined };
