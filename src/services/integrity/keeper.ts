/**
 * What the service does beside following the logs: it sweeps the sagas under way, audits the tables, repairs, counts. One
 * process at a time does it, the owner of the group's first partition; where two believe that they are, for a moment,
 * rows are claimed and nothing is done twice. Each chore has a connection of its own and rests most of the time.
 */
import type { Clock } from '#kernel/clock.ts';
import { Chore } from '#platform/batch/chore.ts';
import type { Session } from '#platform/postgres/session.ts';
import { AuditQueue } from './audit-queue.ts';
import { AuditRunner } from './audit-runner.ts';
import { CardJudge } from './card-judge.ts';
import { Census } from './census.ts';
import { type EventSink, FindingDesk, type FindingObserver } from './finding-desk.ts';
import type { Proof } from './proof-port.ts';
import { Repairer } from './repairer.ts';
import { StageSweeper } from './stage-sweeper.ts';

/** Between looks for something to do. */
const LOOK_MS = 1000;
/** A page takes some ten milliseconds at most (SS4). */
const SWEEP_MS = 500;
/** The proof rests by itself. */
const CARDS_MS = 0;
/** Ten a second. A table that was wiped is for `lastro rebuild`. */
const REPAIR_MS = 100;
/** A pass over a small installation is over at once: it need not be read all the time. */
const AUDIT_REST_MS = 10_000;

export interface KeeperOptions {
  readonly openSession: (name: string) => Session;
  readonly log: EventSink;
  readonly proof: Proof;
  readonly clock: Clock;
  readonly random: () => number;
  readonly observer: FindingObserver;
  /** Whether this process is the one that does the chores. */
  readonly isOwner: () => boolean;
  readonly onError: (error: unknown) => void;
}

export class IntegrityKeeper {
  readonly desk: FindingDesk;
  readonly audits: AuditQueue;
  readonly proof: Proof;
  readonly #options: KeeperOptions;
  readonly #runner: AuditRunner;
  readonly #chores: readonly Chore[];

  constructor(options: KeeperOptions) {
    this.#options = options;
    const { openSession, log, clock, observer, proof, isOwner, onError } = options;
    const desk = new FindingDesk({ session: openSession('integrity.findings'), log, clock, observer });
    this.desk = desk;
    this.proof = proof;
    this.audits = new AuditQueue(openSession('integrity.audits'));
    const stages = new StageSweeper({ session: openSession('integrity.stages'), desk, clock });
    const audits = openSession('integrity.audits');
    this.#runner = new AuditRunner({
      session: audits,
      queue: new AuditQueue(audits),
      desk,
      proof,
      clock,
      restMs: AUDIT_REST_MS,
      isOwner,
      onError,
    });
    const repairStages = new StageSweeper({ session: openSession('integrity.repairs'), desk, clock });
    const repairer = new Repairer({ desk, stages: repairStages, proof, onError });
    const cards = new CardJudge({ session: openSession('integrity.cards'), desk, proof });
    const census = new Census(openSession('integrity.census'));
    this.#chores = [
      this.#chore(async () => ((await stages.sweep()) ? LOOK_MS : SWEEP_MS)),
      this.#chore(async () => ((await repairer.repairDue()) ? REPAIR_MS : LOOK_MS)),
      this.#chore(async () => {
        await this.#runner.run();
        return LOOK_MS;
      }),
      this.#chore(async () => ((await cards.judge()) ? CARDS_MS : LOOK_MS)),
      this.#chore(async () => {
        await census.count(clock.now());
        return LOOK_MS;
      }),
    ];
  }

  start(): void {
    for (const chore of this.#chores) chore.start();
  }

  /** Finishes what is under way, but for audits: they end where they are. */
  async stop(): Promise<void> {
    this.#runner.stop();
    await Promise.all(this.#chores.map((chore) => chore.stop()));
    await this.desk.stop();
  }

  #chore(work: () => Promise<number>): Chore {
    const { random, isOwner, onError } = this.#options;
    const ifOwner = async (): Promise<number> => (isOwner() ? work() : LOOK_MS);
    return new Chore({ pauseMs: LOOK_MS, work: ifOwner, random, onError });
  }
}
