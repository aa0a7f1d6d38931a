/** The cards' parts of a process, made with what they share with the others (parts.ts). */
import type { Clock } from '#kernel/clock.ts';
import { newId, uuidOf } from '#kernel/ids.ts';
import type { BatchObserver } from '#platform/batch/observer.ts';
import type { Reach } from '#platform/egress/reachable.ts';
import type { CommandQueue } from '#platform/http/command-route.ts';
import type { EventLog } from '#platform/log/event-log.ts';
import type { ReadPool } from '#platform/postgres/read-pool.ts';
import type { Session } from '#platform/postgres/session.ts';
import type { Metrics } from '#platform/telemetry/metrics.ts';
import type { AuthorizeRoutes } from '#services/cards/authorize-routes.ts';
import { CardCommands } from '#services/cards/card-commands.ts';
import type { CardOrder } from '#services/cards/card-orders.ts';
import type { CardRoutes } from '#services/cards/card-routes.ts';
import { CODES } from '#services/cards/card-transaction.ts';
import { Cards } from '#services/cards/cards.ts';
import { CardReads } from '#services/cards/reads.ts';
import type { Ledger } from '#services/ledger/contract.ts';
import { LedgerReads } from '#services/ledger/reads.ts';
import { renderAnswer } from './problems.ts';
import type { Stops } from './stops.ts';

export interface CardParts {
  readonly routes: CardRoutes;
  readonly authorizing: AuthorizeRoutes;
}

export interface SharedWithCards {
  readonly ledger: Ledger;
  readonly log: EventLog;
  readonly openSession: (name: string) => Session;
  readonly clock: Clock;
  readonly batchMax: number;
  readonly observer: BatchObserver;
  readonly onError: (error: unknown) => void;
  readonly onWaited: (part: number) => void;
  readonly metrics: Metrics;
  readonly reads: ReadPool;
  readonly stops: Stops;
  readonly reach: Reach;
  readonly commandsOf: (handler: CardCommands) => CommandQueue<CardOrder>;
}

/** The authorizer has sessions that nothing else uses. */
export async function openCardParts(shared: SharedWithCards): Promise<CardParts> {
  const { ledger, metrics, reads, stops, commandsOf } = shared;
  const cards = new Cards({ ...shared, random: Math.random, newUuid: () => uuidOf(newId('crv')) });
  stops.add(() => cards.stop());
  await cards.start();
  const commands = commandsOf(new CardCommands({ ledger, renderProblem: renderAnswer, reach: shared.reach }));
  const answers = metrics.counter({
    name: 'lastro_card_transactions_total',
    help: 'Card transactions answered by this process, by their code; repeats too.',
    labels: ['code'],
    known: CODES.map((code) => ({ code })),
  });
  return {
    routes: { commands, reads: new CardReads(reads, new LedgerReads(reads)) },
    authorizing: {
      authorizer: cards.authorizer,
      reach: shared.reach,
      onAnswered: (code) => answers.with({ code }).inc(),
    },
  };
}
