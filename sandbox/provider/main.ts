/** The program: one provider, until SIGTERM or SIGINT. It knows Lastro by HTTP alone. */
import { parseSettings } from './options.ts';
import { runProvider } from './run-provider.ts';

/** What cannot be gone on from is told and ends the process; whoever keeps it running starts it anew from its book. */
function fail(error: unknown): never {
  process.stderr.write(
    `sandbox provider: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`,
  );
  process.exit(1);
}

try {
  const settings = parseSettings(process.argv.slice(2), process.env);
  const provider = await runProvider(settings, fail);
  const end = (): void => void provider.close().then(() => process.exit(0), fail);
  process.once('SIGTERM', end);
  process.once('SIGINT', end);
  process.stdout.write(`provider ${settings.name} listens on ${provider.url}\n`);
} catch (error) {
  fail(error);
}
