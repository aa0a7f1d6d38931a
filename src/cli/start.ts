/** `lastro start`: starts the services, prints where they are, and stops them in order on SIGTERM, SIGINT or SIGHUP. */
import { createLogger } from '#platform/telemetry/logger.ts';
import { SANDBOX_SERVICE, SANDBOX_WALLET } from '../../sandbox/seed.ts';
import { type Lastro, startLastro } from '../main.ts';
import { fail, readEnvironment, say } from './environment.ts';

/** Ctrl-C reaches a process started by npm twice, from the terminal and from npm; within this time both are one. */
const REPEATED_SIGNAL_MS = 1000;

export async function start(): Promise<void> {
  const { settings, dataDir, version } = readEnvironment();
  const logger = createLogger({ level: settings.logLevel });
  const starting = startLastro({
    settings,
    dataDir,
    version,
    logger,
    onProgress: (text) => say(`… ${text}`),
  });
  stopOnSignal(starting);
  try {
    welcome(await starting, dataDir);
  } catch (error) {
    fail(error);
  }
}

/** From the beginning: a start that is broken off would leave the embedded server running with nobody to stop it. */
function stopOnSignal(starting: Promise<Lastro>): void {
  let stoppingSince: number | undefined;
  const stop = (signal: string): void => {
    if (stoppingSince !== undefined) {
      if (Date.now() - stoppingSince < REPEATED_SIGNAL_MS) return;
      say(`${signal} again: leaving without waiting. What was acknowledged is safe.`);
      process.exit(130);
    }
    stoppingSince = Date.now();
    say('finishing what is in flight …');
    starting
      .then((lastro) => lastro.close())
      .then(
        () => process.exit(0),
        (error: unknown) => fail(error),
      );
  };
  for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP']) process.on(signal, stop);
}

function welcome({ url, sandboxKey }: Lastro, dataDir: string): void {
  say(`
Lastro is ready at ${url}
  API reference  ${url}/docs
  metrics        ${url}/metrics`);
  if (sandboxKey === undefined) return;
  say(`  sandbox key    ${sandboxKey}   (kept in ${dataDir}/sandbox-key)

Pay 12.30 USD:

curl --location '${url.replace(/^http:\/\//, '')}/payments' \\
--header 'x-idempotent-key: 1234' \\
--header 'Content-Type: application/json' \\
--data '{
    "wallet_id": "${SANDBOX_WALLET}",
    "service_id": "${SANDBOX_SERVICE}",
    "amount": 1230,
    "currency": "USD",
    "method": "balance"
}'
`);
}
