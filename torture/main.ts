/**
 * `lastro torture`: breaks everything around the product while callers pay, and judges by their history whether anything
 * was lost or doubled (README.md). Exit status: 0, or 1 when anything was wrong, whatever the speed.
 */
import { fileURLToPath } from 'node:url';
import { parseOptions, USAGE } from './options.ts';
import { Stand } from './product/stand.ts';
import { isBroken, renderReport, type TortureReport } from './report.ts';
import { torture } from './torture.ts';

const ROOT = fileURLToPath(new URL('../', import.meta.url));
const SEEDS = 1_000_000_000;

let stand: Stand | undefined;

function say(text: string): void {
  process.stderr.write(`… ${text}\n`);
}

async function main(args: readonly string[]): Promise<number> {
  if (args.includes('--help')) {
    process.stdout.write(USAGE);
    return 0;
  }
  const options = parseOptions(args, 1 + (Date.now() % SEEDS));
  if (!options.ok) {
    process.stderr.write(`${options.fault}\n\n${USAGE}`);
    return 2;
  }
  stand = await Stand.prepare(ROOT);
  say(`seed ${options.value.seed}, in ${stand.folder}`);
  const found = await torture({ stand, options: options.value, onProgress: say });
  const report: TortureReport = { ...found, failures: [...found.failures, ...(await stand.stop())] };
  process.stdout.write(options.value.json ? `${JSON.stringify(report)}\n` : renderReport(report));
  if (!isBroken(report) && !options.value.keep) stand.remove();
  return isBroken(report) ? 1 : 0;
}

function leaveOn(signal: NodeJS.Signals, status: number): void {
  process.once(signal, () => {
    void (stand?.kill() ?? Promise.resolve()).finally(() => process.exit(status));
  });
}

leaveOn('SIGHUP', 129);
leaveOn('SIGINT', 130);
leaveOn('SIGTERM', 143);
try {
  process.exitCode = await main(process.argv.slice(2));
} catch (error) {
  process.stderr.write(
    `torture: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`,
  );
  if (stand !== undefined) process.stderr.write(`its logs are in ${stand.folder}\n`);
  await stand?.kill();
  process.exitCode = 1;
}
process.exit();
