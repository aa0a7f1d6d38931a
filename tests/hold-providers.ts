/** A process that uses the sandbox's providers until its standard input ends: `hold-providers.ts <data folder> <callback URL>`. */
import { createLogger } from '#platform/telemetry/logger.ts';
import { openSandboxProviders } from '../src/sandbox-providers.ts';

const [dataDir = '', callbackUrl = ''] = process.argv.slice(2);
const opened = await openSandboxProviders({
  dataDir,
  callbackUrlOf: (name) => `${callbackUrl}/${name}`,
  logger: createLogger({ level: 'silent' }),
});
process.stdout.write(`${JSON.stringify(opened.providers)}\n`);
process.stdin.resume().once('end', () => void opened.close().then(() => process.exit(0)));
