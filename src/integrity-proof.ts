/** The proof of src/proof as the integrity service asks for it. */
import { type CardTransactionId, uuidOf } from '#kernel/ids.ts';
import { eventIdentity, type LogEvent } from '#platform/log/event.ts';
import { judgeCardStretches } from '#proof/judge-card-stretches.ts';
import { judgeCardTransaction as judgeCard } from '#proof/judge-card-transaction.ts';
import { Lane, type Pace } from '#proof/lane.ts';
import type { CheckName, Finding, VerifyReport } from '#proof/report.ts';
import { Restoration } from '#proof/restore.ts';
import { type VerifyScope, verify } from '#proof/verify.ts';
import type { AuditEnd, AuditOptions, Proof, ProofFinding } from '#services/integrity/proof-port.ts';

/**
 * Pages of some 30 ms. In the background 4 % of one connection, so that a pass takes 25 times as long. Who asked
 * for an audit gets a quarter of a connection.
 */
const PACES: Readonly<Record<AuditOptions['pace'] | 'cards', Pace>> = {
  background: { pageMs: 30, restRatio: 24 },
  asked: { pageMs: 60, restRatio: 3 },
  cards: { pageMs: 60, restRatio: 4 },
};

/** Of a check in one pass: more of one kind is one damage, and a person's. */
const LISTED_MAX = 500;

export function integrityProof(url: string, paces: typeof PACES = PACES): Proof & { close(): Promise<void> } {
  const restoration = new Restoration(url);
  const cards = new Lane(url, { pace: paces.cards });
  return {
    audit: (options) => audit({ url, pace: paces[options.pace] }, options),
    rebuild: (model, about) => restoration.rebuild(model, about),
    restoreHold: (about) => restoration.restoreHold(about),
    wakeAttempts: (about) => restoration.wakeAttempts(about),
    lostAsks: (about) => restoration.lostAsks(about),
    recount: (about) => restoration.recount(about),
    recomputeBalance: (account) => restoration.recomputeBalance(account),
    judgeCards: async (stretches) => {
      const { judged, findings } = await cards.snapshot((reader) => judgeCardStretches(reader, stretches));
      return { judged, findings: findings.map((finding) => proofFinding('cards', finding)) };
    },
    judgeCardTransaction,
    close: async () => {
      await Promise.all([restoration.close(), cards.close()]);
    },
  };
}

async function audit(
  { url, pace }: { readonly url: string; readonly pace: Pace },
  { scope, signal, onFound, onProgress }: AuditOptions,
): Promise<AuditEnd> {
  const reports: VerifyReport[] = [];
  for (const part of PARTS[scope])
    reports.push(
      await verify({
        url,
        scope: part,
        signal,
        onProgress,
        pace,
        connections: 1,
        listedMax: LISTED_MAX,
        onFound: (check, finding) => onFound(proofFinding(check, finding)),
      }),
    );
  const checks = reports.flatMap((report) => report.checks);
  return { isComplete: checks.every(({ total, findings }) => total <= findings.length) };
}

/** The books last: their accounts are compared when all logs are added up, which has to catch up with what comes in. */
const PARTS: Readonly<Record<AuditOptions['scope'], readonly VerifyScope[]>> = {
  everything: ['log', 'sagas', 'books'],
  log: ['log'],
  sagas: ['sagas'],
  books: ['books'],
};

/** What a report lists, as it is handed to the service. */
export function findingsOf({ checks }: VerifyReport): ProofFinding[] {
  return checks.flatMap(({ name, findings }) => findings.map((finding) => proofFinding(name, finding)));
}

function proofFinding(check: CheckName, { kind, subject, detail, tenant }: Finding): ProofFinding {
  return { check, kind, subject, detail, tenant };
}

function judgeCardTransaction(subject: string, events: readonly LogEvent[]) {
  const { standing, faults } = judgeCard(uuidOf(subject as CardTransactionId), events);
  const findings = faults.map(({ kind, detail, at }) => ({
    kind,
    event: eventIdentity(events[at] as LogEvent),
    detail,
  }));
  return { standing, findings };
}
