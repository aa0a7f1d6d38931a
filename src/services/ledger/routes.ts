/** The accounts and journal entries API (DESIGN §6). */
import type { CommandQueue } from '#platform/http/command-route.ts';
import type { HttpApp } from '#platform/http/http-app.ts';
import { registerAccountCommands, registerAccountReads } from './account-routes.ts';
import { registerEntryCommand, registerEntryRead } from './entry-routes.ts';
import type { LedgerOrder } from './orders.ts';
import type { LedgerReads } from './reads.ts';

export interface LedgerRoutes {
  /** The worker of `LedgerCommands`. */
  readonly commands: CommandQueue<LedgerOrder>;
  readonly reads: LedgerReads;
}

export function registerLedgerRoutes(app: HttpApp, { commands, reads }: LedgerRoutes): void {
  registerAccountCommands(app, commands);
  registerAccountReads(app, reads);
  registerEntryCommand(app, commands);
  registerEntryRead(app, reads);
}
