/**
 * `lastro verify`: everything is recomputed from the logs and compared with the tables (U14, DESIGN §9). It only reads,
 * in pages of some 300 ms, and may run while payments come in: what is ahead of the logs' heads as read, or of a
 * group's position, is no finding.
 */
import { countCardKeys } from '#services/cards/contract.ts';
import { countLedgerKeys, measureBalances } from '#services/ledger/contract.ts';
import { countPaymentKeys } from '#services/payments/contract.ts';
import { eventsOf, readInstallation } from './installation.ts';
import { Lane } from './lane.ts';
import { type OnProgress, Phase } from './progress.ts';
import { newChecks, type VerifyReport } from './report.ts';
import { verifyAccounts, verifyPostings } from './verify-accounts.ts';
import { verifyCards } from './verify-cards.ts';
import { type KeptEvidence, verifyCheckpoints } from './verify-checkpoints.ts';
import { verifyLog } from './verify-log.ts';
import { verifyPaymentRows } from './verify-payment-rows.ts';
import { type PaymentCounts, verifyPayments } from './verify-payments.ts';
import { verifyReferences } from './verify-references.ts';
import { verifyRefundRows } from './verify-refund-rows.ts';

/** Connections, each with a page under way: while one page is computed here, the next is read there. */
const LANES = 2;

export interface VerifyOptions {
  /** Of the database; any role that may read it. */
  readonly url: string;
  readonly onProgress?: OnProgress | undefined;
  /** Ends it after the page under way; `verify` then throws the reason. */
  readonly signal?: AbortSignal | undefined;
  /** Default 2. More of them take more of the database from the payments that come in. */
  readonly connections?: number | undefined;
  /** What somebody kept elsewhere, against which whoever owns the database can do nothing. */
  readonly kept?: KeptEvidence | undefined;
}

export async function verify(options: VerifyOptions): Promise<VerifyReport> {
  const lanes = Array.from({ length: options.connections ?? LANES }, () => new Lane(options.url));
  try {
    return await verifyInLanes(lanes, options);
  } finally {
    await Promise.all(lanes.map((lane) => lane.close()));
  }
}

async function verifyInLanes(lanes: readonly Lane[], options: VerifyOptions): Promise<VerifyReport> {
  const startedAt = performance.now();
  const lane = lanes[0] as Lane;
  const checks = newChecks();
  const phases: { phase: string; durationMs: number }[] = [];
  const runPhase = async <T>(name: string, total: number, work: (phase: Phase) => Promise<T>): Promise<T> => {
    const { onProgress = () => undefined, signal } = options;
    const phase = new Phase({ name, total, onProgress, signal });
    const result = await work(phase);
    phases.push({ phase: name, durationMs: Math.round(phase.end()) });
    return result;
  };

  const installation = await readInstallation(lane);
  const events = (topics: readonly string[]) =>
    topics.reduce((sum, topic) => sum + eventsOf(installation, topic), 0);
  const payments = events(['payments']);
  await runPhase('log', events(installation.topics), (phase) =>
    verifyLog(lanes, installation, { check: checks.log, phase }),
  );
  await runPhase('checkpoints', events(installation.topics), (phase) =>
    verifyCheckpoints(lanes, installation, {
      check: checks.checkpoints,
      phase,
      kept: options.kept,
    }),
  );
  await runPhase('postings', (await measureBalances(lane))?.postings ?? 0, (phase) =>
    verifyPostings(lanes, { check: checks.postings, phase }),
  );
  await runPhase('accounts', events(['ledger', 'authorization', 'cards']), (phase) =>
    verifyAccounts(lanes, { checks, phase, partitions: installation.partitions }),
  );
  const counts = await runPhase('payments', payments, (phase) => verifyPayments(lanes, { checks, phase }));
  await runPhase('payment rows', payments, (phase) =>
    verifyPaymentRows(lane, { check: checks.payments, phase }),
  );
  await runPhase('refund rows', counts.refunds, (phase) =>
    verifyRefundRows(lane, { check: checks.refunds, phase }),
  );
  await runPhase('references', checks.references.report().checked, (phase) =>
    verifyReferences(lane, { check: checks.references, phase }),
  );
  await runPhase('cards', events(['cards']), (phase) =>
    verifyCards(lane, { check: checks.cards, phase, partitions: installation.partitions }),
  );
  await runPhase('keys', 0, async () => checks['idempotency keys'].looked(await countKeys(lane)));
  return reportOf({ checks, counts, phases, durationMs: performance.now() - startedAt });
}

async function countKeys(lane: Lane): Promise<number> {
  let count = 0;
  for (const range of DIGEST_RANGES) {
    count +=
      (await countPaymentKeys(lane, range)) +
      (await countLedgerKeys(lane, range)) +
      (await countCardKeys(lane, range));
  }
  return count;
}

/** Digests are spread evenly: sixteenths of them, so that no statement counts all. */
const DIGEST_RANGES = Array.from({ length: 16 }, (_, index) => ({
  after: index === 0 ? null : digestAt(index),
  upTo: index === 15 ? null : digestAt(index + 1),
}));

function digestAt(sixteenth: number): string {
  return `${sixteenth.toString(16)}0000000-0000-0000-0000-000000000000`;
}

function reportOf(outcome: {
  checks: ReturnType<typeof newChecks>;
  counts: PaymentCounts;
  phases: VerifyReport['phases'];
  durationMs: number;
}): VerifyReport {
  const { counts, phases, durationMs } = outcome;
  const checks = Object.values(outcome.checks).map((check) => check.report());
  return {
    ok: checks.every(({ total }) => total === 0),
    checks,
    ...counts,
    durationMs: Math.round(durationMs),
    paymentsPerSecond: Math.round((counts.payments * 1000) / Math.max(1, durationMs)),
    phases,
  };
}
