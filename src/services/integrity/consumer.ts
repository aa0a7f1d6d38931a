/** Reads every log and writes one verdict per saga, a little behind the work and never in its way (P5). */
import { type Clock, type EpochMs, systemClock } from '#kernel/clock.ts';
import type { Consumer, ConsumerPlan } from '#platform/batch/consumer.ts';
import type { LogEvent } from '#platform/log/event.ts';
import { balancePayment } from '#sagas/balance-payment.ts';
import { stageDueAfter } from '#sagas/saga.ts';
import { judge, type SeenEvent } from './follow-saga.ts';
import { SAGA_EVENTS, seenEvent } from './seen-event.ts';
import {
  type FollowedSaga,
  findFollowed,
  findVerdicts,
  type StoredVerdict,
  saveFollowed,
  saveVerdicts,
  unfollow,
  verdictOf,
} from './store.ts';

interface Loaded {
  readonly groups: ReadonlyMap<string, readonly LogEvent[]>;
  /** Of which nothing was looked up (`freshSagas`). */
  readonly fresh: ReadonlySet<string>;
  readonly followed: ReadonlyMap<string, readonly SeenEvent[]>;
  readonly judged: ReadonlyMap<string, StoredVerdict>;
}

interface Plan extends ConsumerPlan {
  readonly verdicts: readonly StoredVerdict[];
  readonly following: readonly FollowedSaga[];
  readonly ended: readonly string[];
  readonly now: EpochMs;
}

const HANDLES = new Map(SAGA_EVENTS.map((type) => [type, 1]));

/** `onJudged` hears of verdicts once they are committed. */
export function integrityConsumer(
  onJudged: (verdicts: readonly StoredVerdict[]) => void,
  clock: Clock = systemClock,
): Consumer<Loaded, Plan> {
  return {
    group: 'integrity',
    topics: ['payments', 'validation', 'authorization', 'ledger', 'notification'],
    emits: null,
    handles: HANDLES,
    // A saga under way is retained until it ends, so that it costs one row; nobody waits for the verdict.
    paceMs: 100,
    batchMax: 12_000,
    async load(tx, events) {
      const groups = bySubject(events);
      const fresh = freshSagas(groups, clock.now());
      const open = [...groups.keys()].filter((subject) => !fresh.has(subject));
      const [followed, judged] = await Promise.all([findFollowed(tx, open), findVerdicts(tx, open)]);
      return { groups, fresh, followed, judged };
    },
    decide: (loaded, _events, now) => decideVerdicts(loaded, now),
    save(tx, { verdicts, following, ended, now }) {
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
    if (!event.subject.startsWith('pay_')) continue;
    const group = groups.get(event.subject);
    if (group === undefined) groups.set(event.subject, [event]);
    else group.push(event);
  }
  return groups;
}

function hasBeginning(group: readonly LogEvent[]): boolean {
  return group.some((event) => event.type === balancePayment.begins);
}

function hasEnding(group: readonly LogEvent[]): boolean {
  return group.some((event) => stageDueAfter(balancePayment, event.type) === undefined);
}

/**
 * Sagas of which nothing can be stored yet, because they began a moment ago and their beginning is at hand. They cost no
 * look-up; while they run they are retained, as many as memory is meant to hold. (If their events are delivered again,
 * the verdict is the same, and storing it again changes nothing.)
 */
function freshSagas(groups: ReadonlyMap<string, readonly LogEvent[]>, now: EpochMs): ReadonlySet<string> {
  const fresh = new Set<string>();
  let room = RETAINED_MAX;
  for (const [subject, group] of groups) {
    if (!hasBeginning(group) || !isRecent(group, now)) continue;
    if (!hasEnding(group)) room -= group.length;
    if (room >= 0) fresh.add(subject);
  }
  return fresh;
}

function decideVerdicts({ groups, fresh, followed, judged }: Loaded, now: EpochMs): Plan {
  const verdicts: StoredVerdict[] = [];
  const following: FollowedSaga[] = [];
  const ended: string[] = [];
  const retained: LogEvent[] = [];
  for (const [subject, group] of groups) {
    const { tenant } = group[0] as LogEvent;
    const stored = judged.get(subject);
    if (stored !== undefined) {
      const disturbed = afterEnd(stored, group);
      if (disturbed !== undefined) verdicts.push(disturbed);
      continue;
    }
    const before = followed.get(subject) ?? [];
    // Not at its end, and short enough under way: nothing to judge yet.
    if (fresh.has(subject) && !hasEnding(group)) {
      retained.push(...group);
      continue;
    }
    const seen = merge(before, group.map(seenEvent));
    const judgement = judge(balancePayment, seen);
    if (judgement.verdict === 'running') {
      if (fresh.has(subject)) retained.push(...group);
      else if (seen.length > before.length) following.push({ subject, tenant, events: seen });
      continue;
    }
    verdicts.push(verdictOf(subject, tenant, judgement));
    if (before.length > 0) ended.push(subject);
  }
  return { drafts: [], verdicts, following, ended, retained, now };
}

/** A saga that takes longer than its events may be held in memory is stored, so that the positions can move on. */
const RETAINED_MS = 10_000;
/** Events; some 30 MB. At 6000 payments a second and half a second each there are 15 000 under way. */
const RETAINED_MAX = 40_000;

function isRecent(group: readonly LogEvent[], now: EpochMs): boolean {
  return group.every((event) => now - event.occurredAt < RETAINED_MS);
}

/** Events delivered again are known by their identity and change nothing (U3). */
function merge(before: readonly SeenEvent[], fresh: readonly SeenEvent[]): readonly SeenEvent[] {
  if (before.length === 0) return fresh;
  const known = new Set(before.map((event) => event.identity));
  return [...before, ...fresh.filter((event) => !known.has(event.identity))];
}

/** A saga that has its verdict is over: another event of it is a finding. */
function afterEnd(stored: StoredVerdict, group: readonly LogEvent[]): StoredVerdict | undefined {
  const known = new Set([
    ...stored.stages.map(([, identity]) => identity),
    ...stored.findings.map(({ event }) => event),
  ]);
  const late = group.map(seenEvent).filter((event) => !known.has(event.identity));
  if (late.length === 0) return undefined;
  const findings = late.map((event) => ({
    kind: 'event_after_end' as const,
    event: event.identity,
    detail: `${event.type} came after the saga had ended`,
  }));
  return { ...stored, verdict: 'broken', findings: [...stored.findings, ...findings] };
}
