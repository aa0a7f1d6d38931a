/** Reads every log and writes one verdict per saga, a little behind the work and never in its way (P5). */
import { type Clock, type EpochMs, systemClock } from '#kernel/clock.ts';
import type { Consumer, ConsumerPlan } from '#platform/batch/consumer.ts';
import { eventIdentity, type LogEvent } from '#platform/log/event.ts';
import { SAGAS } from '#sagas/definitions.ts';
import { eventTypesOf, stagesDueAfter } from '#sagas/saga.ts';
import { judgeSubject } from './follow-saga.ts';
import {
  isBeginning,
  isSagaSubject,
  SAGA_EVENTS,
  SAGA_TOPICS,
  type SeenEvent,
  seenEvent,
} from './seen-event.ts';
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

interface Loaded {
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

interface Plan extends ConsumerPlan {
  readonly verdicts: readonly StoredVerdict[];
  readonly following: readonly FollowedSaga[];
  /** No longer followed: they have a verdict. */
  readonly ended: readonly string[];
  /** They had a verdict, and go on. */
  readonly resumed: readonly string[];
  readonly now: EpochMs;
}

/** `onJudged` hears of verdicts once they are committed. */
export function integrityConsumer(
  onJudged: (verdicts: readonly StoredVerdict[]) => void,
  clock: Clock = systemClock,
): Consumer<Loaded, Plan> {
  return {
    group: 'integrity',
    topics: SAGA_TOPICS,
    emits: null,
    handles: SAGA_EVENTS,
    // A saga under way is retained until it ends, so that it costs one row; nobody waits for the verdict.
    paceMs: 100,
    batchMax: 12_000,
    async load(tx, events) {
      const groups = bySubject(events);
      const { fresh, room } = freshSagas(groups, clock.now());
      const open = [...groups.keys()].filter((subject) => !fresh.has(subject));
      const [followed, verdicts] = await Promise.all([findFollowed(tx, open), findVerdicts(tx, open)]);
      // Rare enough for a round trip of its own.
      const disturbed = await readTimelines(tx, disturbedOf(verdicts, groups));
      return { groups, fresh, room, followed, judged: new Set(verdicts.keys()), disturbed };
    },
    decide: (loaded, _events, now) => decideVerdicts(loaded, now),
    save(tx, { verdicts, following, ended, resumed, now }) {
      // Before they are followed again: a saga that has its verdict is not.
      withdrawVerdicts(tx, resumed);
      saveVerdicts(tx, verdicts, now);
      saveFollowed(tx, following, now);
      unfollow(tx, ended);
    },
    committed: ({ verdicts }) => onJudged(verdicts),
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

function decideVerdicts(loaded: Loaded, now: EpochMs): Plan {
  const { groups, fresh, followed, judged, disturbed } = loaded;
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
    // Not at its end, and short enough under way: nothing to judge yet.
    if (fresh.has(subject) && !mayBeOver(group)) {
      retained.push(...group);
      continue;
    }
    const before = followed.get(subject) ?? [];
    if (!isJudged && before.length === 0 && isAheadOfBeginning(group, now) && room >= group.length) {
      room -= group.length;
      retained.push(...group);
      continue;
    }
    const seen = merge(disturbed.get(subject) ?? before, group.map(seenEvent));
    const judgement = judgeSubject(subject, seen);
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
  return { drafts: [], verdicts, following, ended, resumed, retained, now };
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
