/** The service in one process: decisions, the requests beside them, and what has to be looked after. */
import type { Clock } from '#kernel/clock.ts';
import type { BatchObserver } from '#platform/batch/observer.ts';
import type { EventLog } from '#platform/log/event-log.ts';
import type { Session } from '#platform/postgres/session.ts';
import type { Ledger } from '#services/ledger/contract.ts';
import { Authorizer } from './authorizer.ts';
import { LateReversals } from './late-reversals.ts';
import { CardWatch } from './watch.ts';

export interface CardsOptions {
  readonly ledger: Ledger;
  readonly log: EventLog;
  readonly openSession: (name: string) => Session;
  readonly clock: Clock;
  readonly random: () => number;
  readonly newUuid: () => string;
  readonly batchMax: number;
  readonly observer: BatchObserver;
  readonly onError: (error: unknown) => void;
  /** Which part of their time the slowest card transactions have waited; 1 is all of it. */
  readonly onWaited: (part: number) => void;
}

export class Cards {
  readonly authorizer: Authorizer;
  readonly watch: CardWatch;
  readonly lateReversals: LateReversals;

  constructor(options: CardsOptions) {
    const { openSession, newUuid } = options;
    this.lateReversals = new LateReversals({ ...options, session: openSession('cards.late') });
    this.authorizer = new Authorizer({
      ...options,
      processUuid: newUuid(),
      session: openSession('cards'),
      lateReversals: this.lateReversals,
    });
    this.watch = new CardWatch({ ...options, session: openSession('cards.watch') });
  }

  async start(): Promise<void> {
    this.lateReversals.start();
    await this.authorizer.start();
    this.watch.start();
  }

  /** What is waiting is decided; what was approved too late is given back, if the database answers. */
  async stop(): Promise<void> {
    await this.watch.stop();
    this.lateReversals.noteStopping();
    await this.authorizer.stop();
    await this.lateReversals.stop();
  }
}
