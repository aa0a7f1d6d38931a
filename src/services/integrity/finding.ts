/**
 * A finding: something that the logs, the definitions or the tables do not agree on, what became of it, and why.
 *
 * F1: of a kind there is one live finding about a subject; to see it again moves when it was seen last, and nothing else.
 * F2: the same events, seen again in the same saga, are no new sight (U3).
 * F3: what no rule repairs waits for a person from the beginning. What was over and is there again has used up the
 *     attempts it had, and one for each time: repairs that do not last come to an end too.
 */
import type { EpochMs } from '#kernel/clock.ts';
import { idOf } from '#kernel/ids.ts';
import type { EventDraft } from '#platform/log/event.ts';
import type { FindingOpened, FindingParked, FindingRepaired } from './events.ts';
import { ruleOf, type Severity } from './repair-rules.ts';

/** What nobody but the operator sees: no tenant is called so. */
export const INSTALLATION = '';

export type FindingState = 'open' | 'repairing' | 'parked' | 'acknowledged' | 'repaired' | 'resolved';
export type FindingSource = 'verdict' | 'stages' | 'audit' | 'operator';

/** Something wrong, as somebody sees it. */
export interface Sighting {
  readonly tenant: string;
  readonly kind: string;
  readonly subject: string;
  /** The partition key of the events that tell of it. */
  readonly key: string;
  readonly evidence: readonly string[];
  readonly detail: string;
  readonly source: FindingSource;
}

export interface StoredFinding extends Sighting {
  readonly uuid: string;
  readonly severity: Severity;
  readonly state: FindingState;
  readonly attempts: number;
  readonly firstSeenAt: EpochMs;
  readonly lastSeenAt: EpochMs;
  readonly seen: number;
  readonly nextAttemptAt: EpochMs | null;
  readonly closedBy: string | null;
  readonly closedAt: EpochMs | null;
  readonly reason: string | null;
}

/** What was done about a finding; `actor` is `system`, `operator` or the id of a key. */
export interface FindingAction {
  readonly findingUuid: string;
  readonly actor: string;
  readonly action:
    | 'opened'
    | 'repair_requested'
    | 'attempted'
    | 'repaired'
    | 'parked'
    | 'acknowledged'
    | 'resolved';
  readonly detail: string;
}

export const SYSTEM = 'system';
/** Who works at the command line. */
export const OPERATOR = 'operator';

/** How often a repair is attempted before a person is asked. */
export const ATTEMPTS_MAX = 3;
/** What was over by itself, or by a repair, and comes back within so long, is the same trouble still (F3). */
const RELAPSE_MS = 86_400_000;

/** What the contract of the events, and the table, hold of a sentence and of a list. */
const DETAIL_MAX = 1000;
const EVIDENCE_MAX = 50;
const SUBJECT_MAX = 200;

export interface SightingsPlan {
  readonly opened: readonly StoredFinding[];
  /** Live ones that were seen again, with all their evidence. */
  readonly seenAgain: readonly Pick<StoredFinding, 'uuid' | 'evidence'>[];
  readonly actions: readonly FindingAction[];
  readonly drafts: readonly EventDraft[];
}

/**
 * `known`: the findings about the sightings' subjects, live and closed, in any order. `uuids`: one for each sighting.
 */
export function decideSightings(
  sightings: readonly Sighting[],
  known: readonly StoredFinding[],
  { now, uuids }: { readonly now: EpochMs; readonly uuids: readonly string[] },
): SightingsPlan {
  const opened: StoredFinding[] = [];
  const seenAgain: SightingsPlan['seenAgain'][number][] = [];
  for (const [index, sighting] of merged(sightings).entries()) {
    const same = known.filter((finding) => isSame(finding, sighting));
    const live = same.find(isLive);
    if (live !== undefined) {
      const evidence = united(live.evidence, sighting.evidence);
      // F2
      if (sighting.source !== 'verdict' || evidence.length > live.evidence.length)
        seenAgain.push({ uuid: live.uuid, evidence });
    } else if (!isSettled(sighting, same)) {
      opened.push(opening(sighting, same, { now, uuid: uuids[index] as string }));
    }
  }
  return {
    opened,
    seenAgain,
    actions: opened.flatMap((finding) => [
      actionOn(finding, 'opened', finding.detail),
      ...(finding.state === 'parked' ? [actionOn(finding, 'parked', reasonToPark(finding))] : []),
    ]),
    drafts: opened.flatMap((finding) => [
      openedEvent(finding),
      ...(finding.state === 'parked' ? [parkedEvent(finding, reasonToPark(finding))] : []),
    ]),
  };
}

/** One for each kind and subject, however often it was seen at once (F1). */
function merged(sightings: readonly Sighting[]): Sighting[] {
  const byName = Map.groupBy(sightings, ({ tenant, kind, subject }) => `${tenant} ${kind} ${subject}`);
  return [...byName.values()].map((group) => {
    const [first] = group as [Sighting];
    return {
      ...first,
      subject: first.subject.slice(0, SUBJECT_MAX),
      evidence: group.reduce<readonly string[]>((all, { evidence }) => united(all, evidence), []),
      detail: shortened([...new Set(group.map(({ detail }) => detail))].join('; ') || first.kind),
    };
  });
}

/** No half of a character is left at the end: it could not be stored. */
function shortened(text: string): string {
  return text.slice(0, DETAIL_MAX).toWellFormed();
}

function united(some: readonly string[], others: readonly string[]): readonly string[] {
  return [...new Set([...some, ...others])].slice(0, EVIDENCE_MAX);
}

function isSame(finding: StoredFinding, { tenant, kind, subject }: Sighting): boolean {
  return finding.tenant === tenant && finding.kind === kind && finding.subject === subject;
}

export function isLive({ closedAt }: StoredFinding): boolean {
  return closedAt === null;
}

/** Whether what is seen was closed for good: the same events (F2), or a fact of the logs that a person has resolved. */
function isSettled({ source, kind, evidence }: Sighting, closed: readonly StoredFinding[]): boolean {
  const isOfSame = (finding: StoredFinding): boolean =>
    evidence.every((event) => finding.evidence.includes(event));
  if (source === 'verdict') return closed.some(isOfSame);
  if (ruleOf(kind).lasting !== true) return false;
  const byPersons = closed.filter(({ closedBy }) => closedBy !== SYSTEM);
  // A stage of the same saga at another event is another one.
  return source === 'stages' ? byPersons.some(isOfSame) : byPersons.length > 0;
}

function opening(
  sighting: Sighting,
  closed: readonly StoredFinding[],
  { now, uuid }: { readonly now: EpochMs; readonly uuid: string },
): StoredFinding {
  const { severity, repair } = ruleOf(sighting.kind);
  // F3
  const relapses = closed.filter(
    ({ closedBy, closedAt }) => closedBy === SYSTEM && now - (closedAt ?? 0) < RELAPSE_MS,
  );
  const attempts = Math.min(
    ATTEMPTS_MAX,
    Math.max(relapses.length, ...relapses.map((finding) => finding.attempts)),
  );
  const isParked = repair === undefined || attempts >= ATTEMPTS_MAX;
  return {
    ...sighting,
    uuid,
    severity,
    state: isParked ? 'parked' : 'open',
    attempts,
    firstSeenAt: now,
    lastSeenAt: now,
    seen: 1,
    nextAttemptAt: isParked ? null : now,
    closedBy: null,
    closedAt: null,
    reason: null,
  };
}

function reasonToPark({ kind, attempts }: StoredFinding): string {
  return ruleOf(kind).repair === undefined
    ? 'No rule repairs this: a person has to look at it.'
    : `It was over before, and is there again for the ${attempts + 1}th time.`;
}

export function actionOn(
  { uuid }: Pick<StoredFinding, 'uuid'>,
  action: FindingAction['action'],
  detail: string,
  actor: string = SYSTEM,
): FindingAction {
  return { findingUuid: uuid, actor, action, detail: shortened(detail) };
}

/** Live findings that a verdict had, and the one of now has not. */
export function withdrawn(
  verdicts: readonly { readonly subject: string; readonly findings: readonly { readonly kind: string }[] }[],
  known: readonly StoredFinding[],
): readonly StoredFinding[] {
  const bySubject = new Map(verdicts.map((verdict) => [verdict.subject, verdict.findings]));
  return known.filter((finding) => {
    const found = bySubject.get(finding.subject);
    if (!isLive(finding) || finding.source !== 'verdict' || found === undefined) return false;
    return !found.some(({ kind }) => kind === finding.kind);
  });
}

function openedEvent(finding: StoredFinding): EventDraft {
  const { kind, severity, subject, evidence, detail } = finding;
  const data: FindingOpened = {
    finding_id: idOf('fnd', finding.uuid),
    kind,
    severity,
    about: subject,
    evidence,
    detail,
  };
  return eventOf(finding, 'integrity.finding_opened', data);
}

export function repairedEvent(finding: StoredFinding, repair: string): EventDraft {
  const { kind, subject, attempts } = finding;
  const data: FindingRepaired = {
    finding_id: idOf('fnd', finding.uuid),
    kind,
    about: subject,
    repair: shortened(repair),
    attempts,
  };
  return eventOf(finding, 'integrity.repaired', data);
}

export function parkedEvent(finding: StoredFinding, reason: string): EventDraft {
  const { kind, subject, attempts } = finding;
  const data: FindingParked = {
    finding_id: idOf('fnd', finding.uuid),
    kind,
    about: subject,
    reason: shortened(reason),
    attempts,
  };
  return eventOf(finding, 'integrity.parked', data);
}

/** About what the finding is about, so that a payment's timeline tells of it. */
function eventOf(
  finding: StoredFinding,
  type: string,
  data: FindingOpened | FindingRepaired | FindingParked,
): EventDraft {
  const id = idOf('fnd', finding.uuid);
  return {
    type,
    version: 1,
    subject: finding.subject,
    tenant: finding.tenant,
    key: finding.key,
    data,
    correlationId: id,
    causation: finding.evidence[0] ?? id,
    traceparent: null,
  };
}
