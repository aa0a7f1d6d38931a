/** Findings and what was done about them: rare rows, written in the commit of what saw or settled them. */
import type { EpochMs } from '#kernel/clock.ts';
import { newId, uuidOf } from '#kernel/ids.ts';
import { int2Array, textArray, uuidArray } from '#platform/postgres/arrays.ts';
import { batchRows } from '#platform/postgres/batch-rows.ts';
import { statement, type Transaction } from '#platform/postgres/session.ts';
import type { FindingAction, FindingSource, FindingState, SightingsPlan, StoredFinding } from './finding.ts';
import type { Severity } from './repair-rules.ts';

/** Of one subject's findings, closed ones included: more than there are kinds. */
const KNOWN_MAX = 200;

export const FINDING_COLUMNS = `f.id, f.tenant, f.kind, f.severity, f.subject, f.key, f.evidence, f.detail, f.source,
   f.first_seen_at, f.last_seen_at, f.seen, f.state, f.attempts, f.next_attempt_at, f.closed_by, f.closed_at, f.reason`;

/** By the index on subject; locks them, so that of two who see or settle the same one is the first. */
export const LOCK_FINDINGS = statement(
  'integrity.lock_findings',
  `select ${FINDING_COLUMNS} from ${batchRows('wanted', { subject: 'text' })}
   cross join lateral (
     select * from integrity.findings f where f.subject = wanted.subject
     order by f.closed_at desc nulls first limit ${KNOWN_MAX} for no key update
   ) f`,
);

/** By primary key. Null instead of a tenant is any. */
export const LOCK_FINDING = statement(
  'integrity.lock_finding',
  `select ${FINDING_COLUMNS} from integrity.findings f
   where f.id = $1::uuid and f.tenant = coalesce($2::text, f.tenant) for no key update`,
);

const INSERT_FINDINGS = statement(
  'integrity.insert_findings',
  `insert into integrity.findings (id, tenant, kind, severity, subject, key, evidence, detail, source, state, attempts,
                                   first_seen_at, last_seen_at, seen, next_attempt_at)
   select id, tenant, kind, severity, subject, key, evidence, detail, source, state, attempts, $12::timestamptz,
          $12::timestamptz, 1, case when state = 'open' then $12::timestamptz end
   from ${batchRows('v', {
     id: 'uuid',
     tenant: 'text',
     kind: 'text',
     severity: 'text',
     subject: 'text',
     key: 'text',
     evidence: 'text',
     detail: 'text',
     source: 'text',
     state: 'text',
     attempts: 'smallint',
   })}`,
);

/** Locked before in this transaction. By primary key. */
export const NOTE_SEEN = statement(
  'integrity.note_seen_findings',
  `update integrity.findings f set last_seen_at = $3::timestamptz, seen = f.seen + 1, evidence = v.evidence
   from ${batchRows('v', { id: 'uuid', evidence: 'text' })}
   cross join lateral (select t.ctid from integrity.findings t where t.id = v.id offset 0) as found(at)
   where f.ctid = found.at`,
);

const INSERT_ACTIONS = statement(
  'integrity.insert_finding_actions',
  `insert into integrity.finding_actions (finding_id, at, id, actor, action, detail)
   select finding_id, $6::timestamptz, id, actor, action, detail
   from ${batchRows('v', { finding_id: 'uuid', id: 'uuid', actor: 'text', action: 'text', detail: 'text' })}`,
);

/** Locked before in this transaction. By primary key. */
export const SETTLE_FINDING = statement(
  'integrity.settle_finding',
  `update integrity.findings
   set state = $2, attempts = $3::smallint, next_attempt_at = $4::timestamptz, closed_by = $5, closed_at = $6::timestamptz,
       reason = $7
   where id = $1::uuid`,
);

/**
 * The next one that is due, for one process: what somebody else is at is left out, and is due again later if that one
 * dies. By the index on what is due.
 */
export const CLAIM_DUE = statement(
  'integrity.claim_due_findings',
  `update integrity.findings f
   set state = 'repairing', attempts = f.attempts + 1,
       next_attempt_at = $1::timestamptz + make_interval(secs => $2::float8 / 1000 * power(2, f.attempts))
   from (
     select t.ctid from integrity.findings t
     where t.next_attempt_at <= $1::timestamptz order by t.next_attempt_at limit 1 for update skip locked
   ) as due(at)
   where f.ctid = due.at
   returning ${FINDING_COLUMNS}`,
);

/** Live ones of audits that were not seen since, and that nobody repairs. By the index on live findings: there are few. */
export const CLOSE_UNSEEN = statement(
  'integrity.close_unseen_findings',
  `update integrity.findings f
   set state = 'resolved', closed_by = 'system', closed_at = $2::timestamptz, reason = $3
   from (
     select t.ctid from integrity.findings t
     where t.closed_at is null and t.source = 'audit' and t.last_seen_at < $1::timestamptz
       and t.next_attempt_at is null
     limit $4::integer for update skip locked
   ) as unseen(at)
   where f.ctid = unseen.at
   returning ${FINDING_COLUMNS}`,
);

/** By the index on live findings: there are few. */
export const FIND_LIVE_OF_KINDS = statement(
  'integrity.find_live_of_kinds',
  `select f.id from integrity.findings f where f.closed_at is null and f.kind = any ($1::text[]) limit 1`,
);

export interface FindingRow {
  id: string;
  tenant: string;
  kind: string;
  severity: Severity;
  subject: string;
  key: string;
  evidence: string;
  detail: string;
  source: FindingSource;
  first_seen_at: EpochMs;
  last_seen_at: EpochMs;
  seen: bigint;
  state: FindingState;
  attempts: number;
  next_attempt_at: EpochMs | null;
  closed_by: string | null;
  closed_at: EpochMs | null;
  reason: string | null;
}

export function storedFinding(row: FindingRow): StoredFinding {
  const { tenant, kind, severity, subject, key, detail, source, state, attempts, reason } = row;
  return {
    uuid: row.id,
    tenant,
    kind,
    severity,
    subject,
    key,
    evidence: JSON.parse(row.evidence) as string[],
    detail,
    source,
    state,
    attempts,
    reason,
    firstSeenAt: row.first_seen_at,
    lastSeenAt: row.last_seen_at,
    seen: Number(row.seen),
    nextAttemptAt: row.next_attempt_at,
    closedBy: row.closed_by,
    closedAt: row.closed_at,
  };
}

/** All findings about the subjects, live and closed, locked. */
export async function lockFindings(tx: Transaction, subjects: readonly string[]): Promise<StoredFinding[]> {
  if (subjects.length === 0) return [];
  // R3: two that lock several do it in one order.
  const sorted = [...new Set(subjects)].toSorted();
  return (await tx.query<FindingRow>(LOCK_FINDINGS, [textArray(sorted)])).map(storedFinding);
}

/** Sends what was decided of sightings, but for its events. */
export function saveSightings(
  tx: Transaction,
  { opened, seenAgain, actions }: Omit<SightingsPlan, 'drafts'>,
  now: EpochMs,
): void {
  if (opened.length > 0) {
    tx.run(INSERT_FINDINGS, [
      uuidArray(opened.map(({ uuid }) => uuid)),
      textArray(opened.map(({ tenant }) => tenant)),
      textArray(opened.map(({ kind }) => kind)),
      textArray(opened.map(({ severity }) => severity)),
      textArray(opened.map(({ subject }) => subject)),
      textArray(opened.map(({ key }) => key)),
      textArray(opened.map(({ evidence }) => JSON.stringify(evidence))),
      textArray(opened.map(({ detail }) => detail)),
      textArray(opened.map(({ source }) => source)),
      textArray(opened.map(({ state }) => state)),
      int2Array(opened.map(({ attempts }) => attempts)),
      new Date(now),
    ]);
  }
  if (seenAgain.length > 0) {
    tx.run(NOTE_SEEN, [
      uuidArray(seenAgain.map(({ uuid }) => uuid)),
      textArray(seenAgain.map(({ evidence }) => JSON.stringify(evidence))),
      new Date(now),
    ]);
  }
  saveActions(tx, actions, now);
}

export function saveActions(tx: Transaction, actions: readonly FindingAction[], now: EpochMs): void {
  if (actions.length === 0) return;
  tx.run(INSERT_ACTIONS, [
    uuidArray(actions.map(({ findingUuid }) => findingUuid)),
    // Of one process in the order of their making.
    uuidArray(actions.map(() => uuidOf(newId('req')))),
    textArray(actions.map(({ actor }) => actor)),
    textArray(actions.map(({ action }) => action)),
    textArray(actions.map(({ detail }) => detail)),
    new Date(now),
  ]);
}

/** Writes state, attempts, when the next one is due, and how it was closed. The row is locked. */
export function saveSettled(tx: Transaction, finding: StoredFinding): void {
  const { uuid, state, attempts, nextAttemptAt, closedBy, closedAt, reason } = finding;
  tx.run(SETTLE_FINDING, [
    uuid,
    state,
    attempts,
    nextAttemptAt === null ? null : new Date(nextAttemptAt),
    closedBy,
    closedAt === null ? null : new Date(closedAt),
    reason,
  ]);
}

/** FD1. A tenant's, or with null anybody's. */
export async function lockFinding(
  tx: Transaction,
  uuid: string,
  tenant: string | null,
): Promise<StoredFinding | undefined> {
  const [row] = await tx.query<FindingRow>(LOCK_FINDING, [uuid, tenant]);
  return row && storedFinding(row);
}
