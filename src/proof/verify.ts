/**
 * `lastro verify`: everything is recomputed from the logs and compared with the tables (U14, DESIGN §9). It only reads,
 * in pages of some 300 ms, and may run while payments come in: what is ahead of the logs' heads as read, or of a
 * group's position, is no finding.
 */
import { countKeys } from '#platform/idempotency/idempotency.ts';
import { measureBalances } from '#services/ledger/contract.ts';
import { eventsOf, type Installation, readInstallation } from './installation.ts';
import { Lane, type Pace } from './lane.ts';
import { type OnProgress, Phase } from './progress.ts';
import { type Checks, newChecks, type OnFound, type VerifyReport } from './report.ts';
import { verifyAccounts, verifyPostings } from './verify-accounts.ts';
import { verifyCards } from './verify-cards.ts';
import { verifyCashEntries } from './verify-cash-entries.ts';
import { type KeptEvidence, verifyCheckpoints } from './verify-checkpoints.ts';
import { verifyDayVersions } from './verify-day-versions.ts';
import { verifyDays } from './verify-days.ts';
import { verifyIntegrations } from './verify-integrations.ts';
import { verifyLog } from './verify-log.ts';
import { verifyMessages } from './verify-messages.ts';
import { verifyParked } from './verify-parked.ts';
import { verifyPaymentRows } from './verify-payment-rows.ts';
import { type PaymentCounts, verifyPayments } from './verify-payments.ts';
import { verifyReferences } from './verify-references.ts';
import { verifyRefundRows } from './verify-refund-rows.ts';
import { verifyReversals } from './verify-reversals.ts';

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
  /** Default everything. */
  readonly scope?: VerifyScope | undefined;
  /** Default as fast as it goes. */
  readonly pace?: Pace | undefined;
  /** How many findings of a check are listed; default 100. */
  readonly listedMax?: number | undefined;
  /** Told of those as soon as they are found. */
  readonly onFound?: OnFound | undefined;
  /** Every payment is judged event by event, also the plain ones, which the database accepts page by page. Default no. */
  readonly exhaustive?: boolean | undefined;
  /** What somebody kept elsewhere, against which whoever owns the database can do nothing. */
  readonly kept?: KeptEvidence | undefined;
}

/**
 * What is verified. `sagas`: payments and refunds with all that is kept of them, cards, cash entries; `books`: entries,
 * postings, accounts, currencies, daily balances; `log`: the chain, and the checkpoints that are signed over it.
 */
export const VERIFY_SCOPES = ['everything', 'log', 'books', 'sagas'] as const;
export type VerifyScope = (typeof VERIFY_SCOPES)[number];

export async function verify(options: VerifyOptions): Promise<VerifyReport> {
  const { url, pace, signal, connections = LANES } = options;
  const lanes = Array.from({ length: connections }, () => new Lane(url, { pace, signal, server: 'any' }));
  try {
    return await verifyInLanes(lanes, options);
  } finally {
    await Promise.all(lanes.map((lane) => lane.close()));
  }
}

async function verifyInLanes(lanes: readonly Lane[], options: VerifyOptions): Promise<VerifyReport> {
  const startedAt = performance.now();
  const lane = lanes[0] as Lane;
  const { onProgress = () => undefined, signal, scope = 'everything' } = options;
  const checks = newChecks(options);
  const phases: { phase: string; durationMs: number }[] = [];
  const runPhase: RunPhase = async (name, total, work) => {
    const phase = new Phase({ name, total, onProgress, signal });
    const result = await work(phase);
    phases.push({ phase: name, durationMs: Math.round(phase.end()) });
    return result;
  };
  const covers = (part: VerifyScope): boolean => scope === 'everything' || scope === part;
  const { exhaustive = false } = options;
  const verified: Verified = {
    lanes,
    installation: await readInstallation(lane),
    checks,
    runPhase,
    exhaustive,
  };
  if (covers('log')) {
    await verifyChain(verified);
    await verifySigned(verified, options.kept);
  }
  if (covers('books')) await verifyBooks(verified);
  const counts = covers('sagas') ? await verifySagas(verified) : NO_SAGAS;
  if (scope === 'everything')
    await runPhase('keys', 0, async () => checks['idempotency keys'].looked(await countMoneyKeys(lane)));
  return reportOf({ checks, counts, phases, durationMs: performance.now() - startedAt });
}

type RunPhase = <T>(name: string, total: number, work: (phase: Phase) => Promise<T>) => Promise<T>;

interface Verified {
  readonly lanes: readonly Lane[];
  readonly installation: Installation;
  readonly checks: Checks;
  readonly runPhase: RunPhase;
  readonly exhaustive: boolean;
}

const NO_SAGAS: PaymentCounts = { payments: 0, refunds: 0, running: 0, parked: 0 };

function countEvents(installation: Installation, topics: readonly string[]): number {
  return topics.reduce((sum, topic) => sum + eventsOf(installation, topic), 0);
}

function verifyChain({ lanes, installation, checks, runPhase }: Verified): Promise<void> {
  return runPhase('log', countEvents(installation, installation.topics), async (phase) => {
    await verifyLog(lanes, installation, { check: checks.log, phase });
    await verifyParked(lanes[0] as Lane, checks.log);
  });
}

async function verifySigned(
  { lanes, installation, checks, runPhase }: Verified,
  kept: KeptEvidence | undefined,
): Promise<void> {
  await runPhase('checkpoints', countEvents(installation, installation.topics), (phase) =>
    verifyCheckpoints(lanes, installation, { check: checks.checkpoints, phase, kept }),
  );
}

async function verifyBooks({ lanes, installation, checks, runPhase }: Verified): Promise<void> {
  const postings = (await measureBalances(lanes[0] as Lane))?.postings ?? 0;
  await runPhase('postings', postings, (phase) => verifyPostings(lanes, { check: checks.postings, phase }));
  await runPhase('accounts', countEvents(installation, ['ledger', 'authorization', 'cards']), (phase) =>
    verifyAccounts(lanes, { checks, phase, partitions: installation.partitions }),
  );
  await runPhase('days', postings, async (phase) => {
    await verifyDays(lanes[0] as Lane, { check: checks.days, phase });
    await verifyDayVersions(lanes[0] as Lane, { check: checks.days, partitions: installation.partitions });
  });
}

async function verifySagas({
  lanes,
  installation,
  checks,
  runPhase,
  exhaustive,
}: Verified): Promise<PaymentCounts> {
  const lane = lanes[0] as Lane;
  const payments = countEvents(installation, ['payments']);
  const { counts, proved } = await runPhase('payments', payments, (phase) =>
    verifyPayments(lanes, { checks, phase, exhaustive }),
  );
  await runPhase('payment rows', payments, (phase) =>
    verifyPaymentRows(lane, { check: checks.payments, phase, proved: exhaustive ? undefined : proved }),
  );
  await runPhase('refund rows', counts.refunds, async (phase) => {
    await verifyRefundRows(lane, { check: checks.refunds, phase });
    await verifyReversals(lane, checks.entries);
  });
  await runPhase('references', checks.references.report().checked, (phase) =>
    verifyReferences(lane, { check: checks.references, phase }),
  );
  await runPhase('messages', 0, () =>
    verifyMessages(lane, { check: checks.notifications, topics: installation.topics }),
  );
  await runPhase('cards', countEvents(installation, ['cards']), (phase) =>
    verifyCards(lane, { check: checks.cards, phase, partitions: installation.partitions }),
  );
  await runPhase('cash entries', countEvents(installation, ['cashflow']), (phase) =>
    verifyCashEntries(lane, {
      check: checks['cash entries'],
      phase,
      partitions: installation.partitions,
    }),
  );
  await runPhase('integrations', countEvents(installation, ['hub']), (phase) =>
    verifyIntegrations(lane, { check: checks.integrations, phase, partitions: installation.partitions }),
  );
  return counts;
}

/** Of the services whose requests move money. */
async function countMoneyKeys(lane: Lane): Promise<number> {
  let count = 0;
  for (const range of DIGEST_RANGES)
    for (const schema of KEYED) count += await countKeys(lane, schema, range);
  return count;
}

const KEYED = ['payments', 'ledger', 'cards', 'cashflow'] as const;

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
