/** What a run was and what came of it, for people. */
import type { Judgement } from './check/check-history.ts';
import type { Recovery } from './inject/recovery-watch.ts';
import type { TortureOptions } from './options.ts';
import { KINDS } from './plan/fault-kinds.ts';

export interface TortureReport {
  readonly options: TortureOptions;
  /** Injected, by kind. */
  readonly faults: Readonly<Record<string, number>>;
  readonly judgement: Judgement;
  readonly recoveries: readonly Recovery[];
  /** Answers of the 2xx, repeats included. */
  readonly acknowledged: number;
  readonly resolutions: number;
  readonly seconds: number;
  /** What `lastro verify` said; of one that said nothing, how it ended. */
  readonly verified: {
    readonly ok: boolean;
    readonly payments: number;
    readonly findings: readonly string[];
  };
  /** Of processes and faults, not of the history. */
  readonly failures: readonly string[];
  readonly folder: string;
}

/** Of a broken run: the first say most. */
const SHOWN_MAX = 20;
const INTAKE_TARGET_MS = 5000;

export function isBroken(report: TortureReport): boolean {
  const { judgement, verified, failures, recoveries } = report;
  const isAway = recoveries.some(({ intakeMs }) => intakeMs === undefined);
  const isWrong = judgement.findings.length > 0 || !verified.ok || failures.length > 0;
  return isWrong || isAway || emptiness(report).length > 0;
}

/** Where next to nothing was there to be judged, that nothing was found says nothing. */
function emptiness({ judgement, verified }: TortureReport): string[] {
  const { completed = 0 } = judgement.payments;
  const known = Object.values(judgement.payments).reduce((sum, count) => sum + count, 0);
  return [
    ...(completed === 0 ? ['no payment has completed'] : []),
    ...(verified.payments < known ? [`verify has looked at ${verified.payments} of ${known} payments`] : []),
  ];
}

export interface Spread {
  readonly p50: number;
  readonly p99: number;
  readonly max: number;
}

/** Nearest rank; undefined of nothing. */
export function spreadOf(values: readonly number[]): Spread | undefined {
  const sorted = values.toSorted((a, b) => a - b);
  const at = (share: number): number => sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)] ?? 0;
  return sorted.length === 0 ? undefined : { p50: at(0.5), p99: at(0.99), max: at(1) };
}

export function renderReport(report: TortureReport): string {
  const { options, faults, judgement, verified, failures } = report;
  const total = Object.values(faults).reduce((sum, count) => sum + count, 0);
  const lines = [
    `seed ${options.seed}: ${total} faults in ${Math.round(report.seconds)} s`,
    '',
    ...renderKinds(report),
    '',
    `acknowledged      ${report.acknowledged} answers; requests by operation: ${renderCounts(judgement.acknowledged)}`,
    `payments          ${renderCounts(judgement.payments)}`,
    `refunds           ${renderCounts(judgement.refunds)}`,
    `card transactions ${renderCounts(judgement.cardTransactions)}`,
    `resolutions       ${report.resolutions} by a person`,
    ...renderRecovery(report.recoveries),
    `checker           ${judgement.findings.length === 0 ? 'nothing found' : `${judgement.findings.length} findings`}`,
    `lastro verify     ${verified.ok ? `${verified.payments} payments, logs and tables agree` : 'NOT VERIFIED'}`,
    ...renderWrong([
      ...failures,
      ...emptiness(report),
      ...judgement.findings.map(({ rule, subject, what }) => `${rule} ${subject} ${what}`),
      ...verified.findings.map((finding) => `verify: ${finding}`),
    ]),
    '',
    isBroken(report)
      ? `BROKEN: repeat with --seed ${options.seed} --faults ${options.faults} --seconds ${options.seconds} --rate ${options.rate}${options.kinds.length < KINDS.length ? ` --kinds ${options.kinds.join()}` : ''}; logs and history are in ${report.folder}`
      : 'whole: nothing was lost, nothing doubled, every acknowledged payment is final',
  ];
  return `${lines.join('\n')}\n`;
}

function renderKinds({ faults, recoveries }: TortureReport): string[] {
  const kinds = Object.keys(faults).toSorted();
  return [
    `${'fault'.padEnd(20)} injected   intake back, ms: p50    max`,
    ...kinds.map((kind) => {
      const spread = spreadOf(
        recoveries.filter((recovery) => recovery.kind === kind).flatMap(({ intakeMs }) => intakeMs ?? []),
      );
      const times = `${ms(spread?.p50).padStart(9)} ${ms(spread?.max).padStart(6)}`;
      return `${kind.padEnd(20)} ${`${faults[kind]}`.padStart(8)}            ${times}`;
    }),
  ];
}

function renderRecovery(recoveries: readonly Recovery[]): string[] {
  const intake = spreadOf(recoveries.flatMap(({ intakeMs }) => intakeMs ?? []));
  const final = spreadOf(recoveries.flatMap(({ finalMs }) => finalMs ?? []));
  const sinceEnd = spreadOf(recoveries.flatMap(({ intakeSinceEndMs }) => intakeSinceEndMs ?? []));
  const isReached = intake !== undefined && intake.p99 <= INTAKE_TARGET_MS;
  const aim = isReached ? 'within' : 'MORE THAN';
  const away = recoveries.filter(({ intakeMs }) => intakeMs === undefined).length;
  return [
    `intake back       ${renderSpread(intake)}; p99 ${aim} ${INTAKE_TARGET_MS} ms`,
    `  as faults overlap ${renderSpread(sinceEnd)} after each one's own end`,
    `a payment final   ${renderSpread(final)}`,
    ...(away > 0 ? [`intake NOT back   after ${away} faults`] : []),
  ];
}

function renderWrong(wrong: readonly string[]): string[] {
  if (wrong.length === 0) return [];
  const more = wrong.length - SHOWN_MAX;
  return [
    '',
    ...wrong.slice(0, SHOWN_MAX).map((text) => `  ${text}`),
    ...(more > 0 ? [`  and ${more} more`] : []),
  ];
}

function renderSpread(spread: Spread | undefined): string {
  return spread === undefined
    ? 'never'
    : `p50 ${ms(spread.p50)}, p99 ${ms(spread.p99)}, max ${ms(spread.max)} ms`;
}

function ms(value: number | undefined): string {
  return value === undefined ? '-' : `${Math.round(value)}`;
}

function renderCounts(counts: Readonly<Record<string, number>>): string {
  const parts = Object.entries(counts).map(([name, count]) => `${count} ${name}`);
  return parts.join(', ') || 'none';
}
