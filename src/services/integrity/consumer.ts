/**
 * Reads every log and writes one verdict per saga, a little behind the work and never in its way (P5). What a verdict finds
 * wrong becomes findings in the same commit; where nothing is wrong, that costs nothing.
 */
import { type Clock, type EpochMs, systemClock } from '#kernel/clock.ts';
import { newId, uuidOf } from '#kernel/ids.ts';
import type { Consumer, ConsumerPlan } from '#platform/batch/consumer.ts';
import { eventIdentity, type LogEvent } from '#platform/log/event.ts';
import type { Transaction } from '#platform/postgres/session.ts';
import { SAGAS } from '#sagas/definitions.ts';
import { eventTypesOf, stagesDueAfter } from '#sagas/saga.ts';
import {
  decideSightings,
  type Sighting,
  type SightingsPlan,
  type StoredFinding,
  withdrawn,
} from './finding.ts';
import type { FindingObserver } from './finding-desk.ts';
import { lockFindings, saveActions, saveSettled, saveSightings } from './finding-store.ts';
import { type Judgement, judgeSubject } from './follow-saga.ts';
import {
  isBeginning,
  isSagaSubject,
  SAGA_EVENTS,
  SAGA_TOPICS,
  type SeenEvent,
  seenEvent,
} from './seen-event.ts';
import { type Settled, settleGone } from './settle-finding.ts';
import {
  type FollowedSaga,
  filed,
  findFollowed,
  findVerdicts,
  readTimelines,
  type StoredVerdict,
  saveFollowed,
  saveVerdicts,
  unfollow,
  verdictOf,
  withdrawVerdicts,
} from './store.ts';

/** What is known of the sagas that a batch is about. */
interface Known {
  readonly groups: ReadonlyMap<string, readonly LogEvent[]>;
  /** Of which nothing was looked up (`freshSagas`). */
  readonly fresh: ReadonlySet<string>;
  /** How many more events memory is meant to hold. */
  readonly room: number;
  readonly followed: ReadonlyMap<string, readonly SeenEvent[]>;
  /** Sagas that have their verdict. */
  readonly judged: ReadonlySet<string>;
  /** Those of them of which another event came, with all that the logs have of them. */
  readonly disturbed: ReadonlyMap<string, readonly SeenEvent[]>;
}

interface Loaded extends Known {
  /** Of those that may be over. */
  readonly judgements: ReadonlyMap<string, JudgedSaga>;
  /** What is known to be wrong with sagas of which something is, or was. */
  readonly findings: readonly StoredFinding[];
  /** For findings that are new. */
  readonly uuids: readonly string[];
}

interface JudgedSaga {
  readonly seen: readonly SeenEvent[];
  readonly judgement: Judgement;
}

interface Plan extends ConsumerPlan {
  readonly verdicts: readonly StoredVerdict[];
  readonly following: readonly FollowedSaga[];
  /** No longer followed: they have a verdict. */
  readonly ended: readonly string[];
  /** They had a verdict, and go on. */
  readonly resumed: readonly string[];
  readonly sightings: SightingsPlan;
  /** Findings of sagas that are sound again. */
  readonly settled: readonly Settled[];
  readonly now: EpochMs;
}

/** `onJudged` hears of verdicts once they are committed, `observer` of what was found with them. */
export function integrityConsumer(
  onJudged: (verdicts: readonly StoredVerdict[]) => void,
  clock: Clock = systemClock,
  observer?: FindingObserver,
): Consumer<Loaded, Plan> {
  return {
    group: 'integrity',
    topics: SAGA_TOPICS,
    emits: 'integrity',
    handles: SAGA_EVENTS,
    // A saga under way is retained until it ends, so that it costs one row; nobody waits for the verdict, and the longer the
    // pace, the fewer sagas are met on their way.
    paceMs: 250,
    batchMax: 12_000,
    async load(tx, events) {
      const groups = bySubject(events);
      const { fresh, room } = freshSagas(groups, clock.now());
      const open = [...groups.keys()].filter((subject) => !fresh.has(subject));
      const [followed, verdicts] = await Promise.all([findFollowed(tx, open), findVerdicts(tx, open)]);
      // Rare enough for a round trip of its own.
      const disturbed = await readTimelines(tx, disturbedOf(verdicts, groups));
      const known = { groups, fresh, room, followed, judged: new Set(verdicts.keys()), disturbed };
      return { ...known, ...(await loadDoubts(tx, known)) };
    },
    decide: (loaded, _events, now) => decideVerdicts(loaded, now),
    save(tx, { verdicts, following, ended, resumed, sightings, settled, now }) {
      // Before they are followed again: a saga that has its verdict is not.
      withdrawVerdicts(tx, resumed);
      saveVerdicts(tx, verdicts, now);
      saveFollowed(tx, following, now);
      unfollow(tx, ended);
      saveSightings(tx, sightings, now);
      for (const { finding, actions } of settled) {
        saveSettled(tx, finding);
        saveActions(tx, actions, now);
      }
    },
    committed({ verdicts, sightings, settled }) {
      onJudged(verdicts);
      for (const finding of sightings.opened) observer?.opened(finding);
      for (const { finding } of settled) observer?.settled(finding);
    },
  };
}

function bySubject(events: readonly LogEvent[]): Map<string, LogEvent[]> {
  const groups = new Map<string, LogEvent[]>();
  for (const event of events) {
    if (!isSagaSubject(event.subject)) continue;
    const group = groups.get(event.subject);
    if (group === undefined) groups.set(event.subject, [event]);
    else group.push(event);
  }
  return groups;
}

/** Types after which nothing is due: without one of them no saga is over. */
const LAST: ReadonlySet<string> = new Set(
  SAGAS.flatMap((saga) => eventTypesOf(saga).filter((type) => stagesDueAfter(saga, type).length === 0)),
);

function mayBeOver(group: readonly LogEvent[]): boolean {
  return group.some(({ type }) => LAST.has(type));
}

/**
 * Sagas of which nothing can be stored yet, because they began a moment ago and their beginning is at hand. They cost no
 * look-up; while they run they are retained, as many as memory is meant to hold. (If their events are delivered again,
 * the verdict is the same, and storing it again changes nothing.)
 */
function freshSagas(
  groups: ReadonlyMap<string, readonly LogEvent[]>,
  now: EpochMs,
): Pick<Loaded, 'fresh' | 'room'> {
  const fresh = new Set<string>();
  let room = RETAINED_MAX;
  for (const [subject, group] of groups) {
    if (!group.some(isBeginning) || !isRecent(group, now)) continue;
    if (!mayBeOver(group)) room -= group.length;
    if (room >= 0) fresh.add(subject);
  }
  return { fresh, room };
}

/**
 * Judges what may be over. Each log is read by itself, so what looks wrong may only be read in part: it is judged again by
 * all that the logs have, and only then is it wrong. Nothing is read where nothing looks so.
 */
async function loadDoubts(
  tx: Transaction,
  known: Known,
): Promise<Pick<Loaded, 'judgements' | 'findings' | 'uuids'>> {
  const judgements = new Map<string, JudgedSaga>();
  for (const [subject, group] of known.groups) {
    if (isToBeJudged(known, subject)) judgements.set(subject, judgeKnown(known, subject, group));
  }
  const doubtful = [...judgements]
    .filter(([, { judgement }]) => isDoubtful(judgement))
    .map(([subject]) => subject);
  for (const [subject, whole] of await readTimelines(tx, doubtful)) {
    judgements.set(subject, { seen: whole, judgement: judgeSubject(subject, whole) });
  }
  const findings = await lockFindings(tx, [...doubtful, ...known.disturbed.keys()]);
  const uuids = [...judgements.values()].flatMap(({ judgement }) =>
    judgement.findings.map(() => uuidOf(newId('fnd'))),
  );
  return { judgements, findings, uuids };
}

/** Not what has its verdict and comes again, nor what is not at its end and short enough under way. */
function isToBeJudged(known: Known, subject: string): boolean {
  if (known.judged.has(subject)) return known.disturbed.has(subject);
  return !known.fresh.has(subject) || mayBeOver(known.groups.get(subject) ?? []);
}

function judgeKnown({ followed, disturbed }: Known, subject: string, group: readonly LogEvent[]): JudgedSaga {
  const seen = merge(disturbed.get(subject) ?? followed.get(subject) ?? [], group.map(seenEvent));
  return { seen, judgement: judgeSubject(subject, seen) };
}

function isDoubtful({ verdict, findings }: Judgement): boolean {
  return verdict !== 'running' && findings.length > 0;
}

function decideVerdicts(loaded: Loaded, now: EpochMs): Plan {
  const { groups, fresh, followed, judged, disturbed, judgements } = loaded;
  const verdicts: StoredVerdict[] = [];
  const following: FollowedSaga[] = [];
  const ended: string[] = [];
  const resumed: string[] = [];
  const retained: LogEvent[] = [];
  let { room } = loaded;
  for (const [subject, group] of groups) {
    const { tenant } = group[0] as LogEvent;
    const isJudged = judged.has(subject);
    if (isJudged && !disturbed.has(subject)) continue;
    const saga = judgements.get(subject);
    // Not at its end, and short enough under way: nothing to judge yet.
    if (saga === undefined) {
      retained.push(...group);
      continue;
    }
    const before = followed.get(subject) ?? [];
    if (!isJudged && before.length === 0 && isAheadOfBeginning(group, now) && room >= group.length) {
      room -= group.length;
      retained.push(...group);
      continue;
    }
    const { seen, judgement } = saga;
    if (judgement.verdict !== 'running') {
      verdicts.push(verdictOf(subject, tenant, judgement));
      if (before.length > 0) ended.push(subject);
    } else if (fresh.has(subject)) {
      retained.push(...group);
    } else {
      if (isJudged) resumed.push(subject);
      if (seen.length > before.length) following.push({ subject, tenant, events: filed(seen) });
    }
  }
  const found = decideFindings(loaded, verdicts, now);
  return { ...found, verdicts, following, ended, resumed, retained, now };
}

const NOTHING_SEEN: SightingsPlan = { opened: [], seenAgain: [], actions: [], drafts: [] };

/** What the verdicts say is wrong, and what was wrong and is not any more. */
function decideFindings(
  { groups, findings, uuids }: Loaded,
  verdicts: readonly StoredVerdict[],
  now: EpochMs,
): Pick<Plan, 'drafts' | 'sightings' | 'settled'> {
  const gone = findings.length === 0 ? [] : withdrawn(verdicts, findings);
  const settled = gone.map((finding) => settleGone(finding, 'The saga is sound again.', now));
  const seen = verdicts.flatMap((verdict) => sightingsOf(verdict, groups.get(verdict.subject) ?? []));
  const sightings = seen.length === 0 ? NOTHING_SEEN : decideSightings(seen, findings, { now, uuids });
  return { drafts: [...sightings.drafts, ...settled.flatMap(({ drafts }) => drafts)], sightings, settled };
}

function sightingsOf({ subject, tenant, findings }: StoredVerdict, group: readonly LogEvent[]): Sighting[] {
  const key = group[0]?.key ?? subject;
  return findings.map(({ kind, event, detail }) => ({
    tenant,
    kind,
    subject,
    key,
    evidence: [event],
    detail,
    source: 'verdict',
  }));
}

/**
 * Each log is read by itself, so a saga's later events may be at hand before its beginning, which is about to come. Were
 * they stored, the saga would not be fresh any more when all of it is delivered to another process, and nobody would see it.
 */
function isAheadOfBeginning(group: readonly LogEvent[], now: EpochMs): boolean {
  return !group.some(isBeginning) && isRecent(group, now);
}

/** A saga that takes longer than its events may be held in memory is stored, so that the positions can move on. */
const RETAINED_MS = 10_000;
/** Events; some 30 MB. At 6000 payments a second and half a second each there are 15 000 under way. */
const RETAINED_MAX = 40_000;

/**
 * The same where somebody outside is waited for, who may take for ever: what is retained is gone through with every batch,
 * so it must not gather. Twice as long as an answer usually takes under load.
 */
const RETAINED_OUTSIDE_MS = 2000;

function isRecent(group: readonly LogEvent[], now: EpochMs): boolean {
  const retainedMs = group.some(waitsForOutside) ? RETAINED_OUTSIDE_MS : RETAINED_MS;
  return group.every((event) => now - event.occurredAt < retainedMs);
}

/** Types that make, or leave, due what waits for the outside. */
const WAITING: ReadonlySet<string> = new Set(
  SAGAS.flatMap((saga) =>
    eventTypesOf(saga).filter((type) =>
      stagesDueAfter(saga, type).some(({ waitsFor }) => waitsFor === 'outside'),
    ),
  ),
);

/** A payment from the balance passes one of these types too, and waits for nobody. */
function waitsForOutside({ type, data }: LogEvent): boolean {
  return WAITING.has(type) && (data as { method?: string }).method !== 'balance';
}

/** Events delivered again are known by their identity and change nothing (U3). */
function merge(before: readonly SeenEvent[], fresh: readonly SeenEvent[]): readonly SeenEvent[] {
  if (before.length === 0) return fresh;
  const known = new Set(before.map((event) => event.identity));
  return [...before, ...fresh.filter((event) => !known.has(event.identity))];
}

/**
 * A saga that has its verdict may go on (a person resolves a payment that had completed), and may turn out to have had
 * an event too many: if another event of it comes, it is judged anew. What it was judged by comes again without effect.
 */
function disturbedOf(
  verdicts: ReadonlyMap<string, StoredVerdict>,
  groups: ReadonlyMap<string, readonly LogEvent[]>,
): string[] {
  return [...verdicts.values()].filter((stored) => isDisturbed(stored, groups)).map(({ subject }) => subject);
}

function isDisturbed(
  { subject, stages, findings }: StoredVerdict,
  groups: ReadonlyMap<string, readonly LogEvent[]>,
): boolean {
  const known = new Set([...stages.map(([, identity]) => identity), ...findings.map(({ event }) => event)]);
  return groups.get(subject)?.some((event) => !known.has(eventIdentity(event))) === true;
}
