/**
 * The composition root: it opens the database, has each part made (parts.ts), and starts and stops everything in order.
 */
import { refusalToStart } from '#platform/config/credentials-required.ts';
import { registerDeadLetterRoutes } from '#platform/dead-letters/routes.ts';
import { type Address, claimAddress, listen, urlOf } from '#platform/http/address.ts';
import { closeHttpApp } from '#platform/http/closing.ts';
import { registerEventRoutes } from '#platform/http/event-routes.ts';
import type { HttpApp } from '#platform/http/http-app.ts';
import { LogPages } from '#platform/log/log-pages.ts';
import { RunningServices } from '#platform/log/running-services.ts';
import { DatabaseFault } from '#platform/postgres/faults.ts';
import { registerSecretRoutes } from '#platform/vault/routes.ts';
import type { Vault } from '#platform/vault/vault.ts';
import { registerAuthorizeRoutes } from '#services/cards/authorize-routes.ts';
import { registerCardRoutes } from '#services/cards/card-routes.ts';
import { LedgerReads } from '#services/ledger/reads.ts';
import { registerLedgerRoutes } from '#services/ledger/routes.ts';
import { NotificationReads } from '#services/notification/reads.ts';
import { registerNotificationRoutes } from '#services/notification/routes.ts';
import { refuseAbsentServices } from './absent-services.ts';
import type { CardParts } from './card-parts.ts';
import { logServer, namingTheSetting, type OpenedDatabase, openDatabase } from './open-database.ts';
import { Parts, type StartOptions } from './parts.ts';
import { openProviderConfiguration } from './provider-configuration.ts';
import { ensureSandboxKey } from './sandbox-key.ts';
import { ensureSecretKeys, refuseOtherKeys } from './secret-key.ts';
import { seedSandbox } from './seed-sandbox.ts';
import { ensureSigningKey } from './signing-key.ts';
import { Stops } from './stops.ts';
import { TOPOLOGY } from './topology.ts';

export type { StartOptions } from './parts.ts';

export interface Lastro {
  readonly url: string;
  readonly sandboxKey: string | undefined;
  readonly joinedDatabase: boolean;
  /** Finishes what is in flight, then leaves; nothing that was acknowledged is lost. */
  close(): Promise<void>;
}

/** Starts the services that the settings name; resolves when requests are taken. */
export async function startLastro(options: StartOptions): Promise<Lastro> {
  const { settings, dataDir } = options;
  const stops = new Stops();
  try {
    const address = await claimAddress(settings);
    const database = await openDatabase({
      dataDir,
      databaseUrl: settings.databaseUrl,
      partitions: settings.partitions,
      onProgress: options.onProgress ?? (() => undefined),
      keepRunning: logServer(options.logger),
    });
    stops.add(() => database.close());
    return await startServices(options, { address, database, stops });
  } catch (error) {
    await stops.run();
    throw settings.databaseUrl !== undefined && error instanceof DatabaseFault
      ? namingTheSetting(error)
      : error;
  }
}

interface Ground {
  readonly address: Address;
  readonly database: OpenedDatabase;
  readonly stops: Stops;
}

async function startServices(options: StartOptions, { address, database, stops }: Ground): Promise<Lastro> {
  const { settings, logger } = options;
  const part = new Parts(options, database, stops);
  const sandboxKey =
    settings.mode === 'sandbox' ? await ensureSandboxKey(part.access, options.dataDir) : undefined;
  const refusal = refusalToStart(settings, await part.access.countUsableKeys());
  if (refusal !== undefined) throw new Error(refusal);

  const signingKey = settings.services.includes('integrity')
    ? ensureSigningKey(settings, options.dataDir)
    : undefined;
  const vault = await openVault(part, options);
  const log = await part.engine.openLog();
  if (signingKey !== undefined) part.integrity.openCheckpoints(signingKey, settings.checkpointIntervalMs);
  const deadLetters = part.openDeadLetters(log);
  const workers = part.consumerWorkers(log);
  const url = urlOf(address);
  const configuration = await openProviderConfiguration({ ...options, stops }, url);
  const providers = part.providers(log, configuration);
  if (settings.services.includes('providers')) workers.push(providers.start());
  const webhooks = await part.webhooks(log, vault, workers);
  const lags = await part.engine.openLagMonitor();
  const changes = part.payments.openChanges(log);
  const ledgerCommands = part.ledgerCommands(log);
  const cards = await part.cards(log);
  const cashflow = part.cashflow(log);
  const payments = {
    intake: part.payments.openIntake(log, lags),
    admission: part.payments.admission(lags),
  };
  const hub = part.hub(log, { vault, payments, cards: cards.routes.commands, cash: cashflow.commands });
  if (settings.services.includes('hub')) workers.push(...hub.start());
  const keeper = part.integrity.keeper(log, { isStarted: settings.services.includes('integrity') });
  await part.openLeases(log, part.withStraightThrough(log, workers));
  if (settings.services.includes('authorization')) part.openAskAgain(log);
  part.engine.openMaintenance();

  const app = await part.httpApp();
  refuseAbsentServices(app, { services: settings.services, running: new RunningServices(part.reads) });
  part.payments.registerRoutes(app, { ...payments, changes });
  registerLedgerRoutes(app, { commands: ledgerCommands, reads: new LedgerReads(part.reads) });
  registerCards(app, cards);
  cashflow.registerRoutes(app);
  part.integrity.registerRoutes(app, keeper, { ...settings, signingKey });
  registerNotificationRoutes(app, new NotificationReads(part.reads));
  part.consolidation.registerRoutes(app, lags);
  webhooks.registerRoutes(app);
  providers.registerRoutes(app);
  hub.registerRoutes(app);
  registerSecretRoutes(app, vault);
  registerDeadLetterRoutes(app, deadLetters.routes());
  registerEventRoutes(app, TOPOLOGY.topics, new LogPages(part.reads));
  // Before it listens: whoever is let in finds the wallet that pays.
  if (sandboxKey !== undefined) await seedSandbox(app, { apiKey: sandboxKey, services: settings.services });
  await listen(app, address);
  stops.add(() => closeHttpApp(app, settings.shutdownTimeoutMs));
  for (const waiting of [...part.payments.ends, hub.ends]) stops.add(async () => waiting.stop());
  logger.info({ url, services: settings.services }, 'started');
  return { url, sandboxKey, joinedDatabase: database.joined, close: () => stops.run() };
}

async function openVault(part: Parts, { settings, dataDir }: StartOptions): Promise<Vault> {
  const vault = part.vault(ensureSecretKeys(settings, dataDir));
  await refuseOtherKeys(vault);
  return vault;
}

function registerCards(app: HttpApp, { routes, authorizing }: CardParts): void {
  registerCardRoutes(app, routes);
  registerAuthorizeRoutes(app, authorizing);
}
