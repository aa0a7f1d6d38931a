/**
 * `lastro bench`: measures the whole product under load (README.md). The report goes to standard output and, as JSON,
 * to bench/results. Exit status: 0, or 1 when a payment was lost or `verify` is not clean, whatever the speed.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { runBench } from './bench.ts';
import { parseOptions, USAGE } from './parse-options.ts';
import { Cleanup } from './product/cleanup.ts';
import { recordOf, renderReport } from './report.ts';

const ROOT = fileURLToPath(new URL('../', import.meta.url));
const RESULTS = join(ROOT, 'bench/results');
const SEEDS = 1_000_000_000;

const cleanup = new Cleanup();

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
  const name = new Date().toISOString().replaceAll(/[:.]/g, '-');
  mkdirSync(RESULTS, { recursive: true });
  const report = await runBench(options.value, { root: ROOT, resultsDir: RESULTS, name, cleanup });
  writeFileSync(join(RESULTS, `${name}.json`), `${JSON.stringify(recordOf(report), null, 2)}\n`);
  process.stdout.write(renderReport(report));
  return report.faults.length === 0 ? 0 : 1;
}

function leaveOn(signal: NodeJS.Signals, status: number): void {
  process.once(signal, () => {
    void cleanup.run().finally(() => process.exit(status));
  });
}

leaveOn('SIGHUP', 129);
leaveOn('SIGINT', 130);
leaveOn('SIGTERM', 143);
try {
  process.exitCode = await main(process.argv.slice(2));
} catch (error) {
  process.stderr.write(`bench: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`);
  process.exitCode = 1;
} finally {
  await cleanup.run();
}
