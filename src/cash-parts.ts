/** The cash flow's parts of a process, made with what they share with the others (parts.ts). */
import type { Clock } from '#kernel/clock.ts';
import type { BatchObserver } from '#platform/batch/observer.ts';
import type { CommandQueue } from '#platform/http/command-route.ts';
import type { HttpApp } from '#platform/http/http-app.ts';
import type { EventLog } from '#platform/log/event-log.ts';
import type { ReadPool } from '#platform/postgres/read-pool.ts';
import type { Session } from '#platform/postgres/session.ts';
import { CashCommands } from '#services/cashflow/cash-commands.ts';
import type { CashOrder } from '#services/cashflow/cash-orders.ts';
import { registerCashRoutes } from '#services/cashflow/cash-routes.ts';
import { registerImportRoutes } from '#services/cashflow/import-routes.ts';
import { Importer } from '#services/cashflow/importer.ts';
import { CashReads } from '#services/cashflow/reads.ts';
import { Uploads } from '#services/cashflow/uploads.ts';
import type { Ledger } from '#services/ledger/contract.ts';
import { renderAnswer } from './problems.ts';
import type { Stops } from './stops.ts';

export interface SharedWithCash {
  readonly ledger: Ledger;
  readonly log: EventLog;
  readonly openSession: (name: string) => Session;
  readonly clock: Clock;
  readonly observer: BatchObserver;
  readonly reads: ReadPool;
  readonly stops: Stops;
  /** Whether imports are worked on in this process; the routes are there in every one. */
  readonly isStarted: boolean;
  readonly commandsOf: (handler: CashCommands) => CommandQueue<CashOrder>;
}

export interface CashParts {
  readonly commands: CommandQueue<CashOrder>;
  registerRoutes(app: HttpApp): void;
}

export function openCashParts(shared: SharedWithCash): CashParts {
  const { openSession, clock, stops } = shared;
  const uploads = new Uploads({ session: openSession('cashflow.uploads'), clock });
  const importer = new Importer({
    ...shared,
    uploads,
    session: openSession('cashflow.imports'),
    random: Math.random,
  });
  stops.add(() => importer.stop());
  if (shared.isStarted) importer.start();
  const commands = shared.commandsOf(
    new CashCommands({ ledger: shared.ledger, renderProblem: renderAnswer }),
  );
  const reads = new CashReads(shared.reads);
  return {
    commands,
    registerRoutes(app) {
      registerCashRoutes(app, { commands, reads });
      registerImportRoutes(app, { commands, reads, uploads, onBegun: () => importer.wake() });
    },
  };
}
