/**
 * `lastro verify`: recomputes everything from the logs and compares; exit status 1 if anything differs, with `--repair` too,
 * and 2 if that could not be found out: it is the running integrity service that repairs, afterwards.
 */
import { CHECKS, type VerifyReport } from '#proof/report.ts';
import { verify } from '#proof/verify.ts';
import type { KeptEvidence } from '#proof/verify-checkpoints.ts';
import { type RequestedRepairs, requestRepairs } from '../request-repairs.ts';
import { failWithoutVerdict } from './environment.ts';
import { checkpointsAt, keysAt } from './kept-evidence.ts';
import { onDatabase } from './on-database.ts';

interface Options {
  readonly json?: boolean;
  readonly repair?: boolean;
  readonly keys?: string;
  readonly checkpoints?: string;
}

export async function verifyCommand(options: Options): Promise<void> {
  const kept = await keptBy(options).catch(failWithoutVerdict);
  return onDatabase(
    async (database) => {
      const report = await verify({ ...database, kept });
      const repairs = options.repair === true ? await requestRepairs(database.url, report) : undefined;
      return { report, repairs };
    },
    ({ report, repairs }) => {
      console.log(options.json === true ? JSON.stringify({ ...report, repairs }) : renderReport(report));
      if (repairs !== undefined && options.json !== true) console.log(renderRepairs(repairs));
      process.exitCode = report.ok ? 0 : 1;
    },
  );
}

function renderRepairs({ requested, parked, isServed }: RequestedRepairs): string {
  const handed = `${requested} findings are handed to the integrity service for repair, ${parked} for a person`;
  if (requested === 0 || isServed) return handed;
  return `${handed}. No process runs it: start one, and they are repaired then`;
}

async function keptBy({ keys, checkpoints }: Options): Promise<KeptEvidence> {
  return {
    keys: keys === undefined ? undefined : await keysAt(keys),
    checkpoints: checkpoints === undefined ? undefined : await checkpointsAt(checkpoints),
  };
}

function renderReport(report: VerifyReport): string {
  const width = Math.max(...report.checks.map(({ name }) => name.length));
  const rows = report.checks.map(
    ({ name, checked, total }) =>
      `${name.padEnd(width)}  ${String(checked).padStart(10)}  ${total === 0 ? 'ok' : `${total} found`.padEnd(12)}  ${CHECKS[name]}`,
  );
  const findings = report.checks.flatMap(({ name, findings: found }) =>
    found.map(({ kind, subject, detail }) => `  ${name}  ${kind}  ${subject}  ${detail}`),
  );
  const phases = report.phases.map(({ phase, durationMs }) => `${phase} ${durationMs} ms`).join(', ');
  return [
    `${'check'.padEnd(width)}  ${'checked'.padStart(10)}`,
    ...rows,
    '',
    ...(findings.length === 0 ? [] : ['findings', ...findings, '']),
    `${report.payments} payments and ${report.refunds} refunds, ${report.running} under way${behindDeadLetters(report)}, in ${report.durationMs} ms (${Math.round(report.paymentsPerSecond)}/s): ${phases}`,
    report.ok ? 'verified: logs and tables agree' : 'NOT VERIFIED: logs and tables differ',
  ].join('\n');
}

function behindDeadLetters({ parked }: VerifyReport): string {
  return parked === 0 ? '' : ` (${parked} of them behind a dead letter)`;
}
