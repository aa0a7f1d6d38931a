/** What becomes of a finding: by a repair, by an audit that does not see it any more, by a person. Pure. */
import type { EpochMs } from '#kernel/clock.ts';
import { accepted, type Decision, refused } from '#kernel/decision.ts';
import { idOf } from '#kernel/ids.ts';
import { problem } from '#kernel/problem.ts';
import type { EventDraft } from '#platform/log/event.ts';
import {
  ATTEMPTS_MAX,
  actionOn,
  type FindingAction,
  isLive,
  OPERATOR,
  parkedEvent,
  repairedEvent,
  type StoredFinding,
  SYSTEM,
} from './finding.ts';
import { ruleOf } from './repair-rules.ts';

export interface Settled {
  readonly finding: StoredFinding;
  readonly actions: readonly FindingAction[];
  readonly drafts: readonly EventDraft[];
}

/** Looked for again after a repair, it is not there; before the first attempt, it went away by itself. */
export function settleGone(finding: StoredFinding, what: string, now: EpochMs): Settled {
  const isRepaired = finding.attempts > 1;
  const action = isRepaired ? ('repaired' as const) : ('resolved' as const);
  const closed = close(finding, action, { by: SYSTEM, reason: what, now });
  // The claim that found it gone was no attempt.
  const settled = { ...closed, attempts: Math.max(0, finding.attempts - 1) };
  return {
    finding: settled,
    actions: [actionOn(finding, action, what)],
    drafts: isRepaired ? [repairedEvent(settled, what)] : [],
  };
}

/** The next audit of everything does not see it any more; the row says so already. */
export function settleUnseen(finding: StoredFinding, reason: string): Settled {
  return { finding, actions: [actionOn(finding, 'resolved', reason)], drafts: [] };
}

/** This attempt has repaired it, and that was seen. */
export function settleRepaired(finding: StoredFinding, what: string, now: EpochMs): Settled {
  const settled = close(finding, 'repaired', { by: SYSTEM, reason: what, now });
  return {
    finding: settled,
    actions: [actionOn(finding, 'repaired', what)],
    drafts: [repairedEvent(settled, what)],
  };
}

/** Something was tried; whether it helps is seen at the next turn, which is due already. */
export function settleAttempted(finding: StoredFinding, what: string): Settled {
  return { finding, actions: [actionOn(finding, 'attempted', what)], drafts: [] };
}

/** The last attempt is still under way: this turn was none, and the next one is due when it would have been. */
export function settleDeferred(finding: StoredFinding): Settled {
  return { finding: { ...finding, attempts: Math.max(0, finding.attempts - 1) }, actions: [], drafts: [] };
}

export function settleParked(finding: StoredFinding, reason: string): Settled {
  const settled: StoredFinding = {
    ...finding,
    state: 'parked',
    attempts: Math.min(finding.attempts, ATTEMPTS_MAX),
    nextAttemptAt: null,
    reason,
  };
  return {
    finding: settled,
    actions: [actionOn(finding, 'parked', reason)],
    drafts: [parkedEvent(settled, reason)],
  };
}

/** A person knows of it, and has taken it over: nothing more is tried by itself. */
export function acknowledge(
  finding: StoredFinding,
  { actor, reason }: { readonly actor: string; readonly reason: string },
): Decision<Settled> {
  if (!isLive(finding)) return refused(alreadyClosed(finding));
  const settled: StoredFinding = { ...finding, state: 'acknowledged', nextAttemptAt: null, reason };
  return accepted({
    finding: settled,
    actions: [actionOn(finding, 'acknowledged', reason, actor)],
    drafts: [],
  });
}

/** A person says that it is dealt with. */
export function resolve(
  finding: StoredFinding,
  { actor, reason, now }: { readonly actor: string; readonly reason: string; readonly now: EpochMs },
): Decision<Settled> {
  if (!isLive(finding)) return refused(alreadyClosed(finding));
  return accepted({
    finding: close(finding, 'resolved', { by: actor, reason, now }),
    actions: [actionOn(finding, 'resolved', reason, actor)],
    drafts: [],
  });
}

/** An operator asks for it: whatever was tried before, it is tried again from the beginning. */
export function requestRepair(finding: StoredFinding, now: EpochMs): Settled | undefined {
  if (!isLive(finding) || ruleOf(finding.kind).repair === undefined) return undefined;
  const settled: StoredFinding = {
    ...finding,
    state: 'open',
    attempts: 0,
    nextAttemptAt: now,
  };
  const detail = 'An operator asked for the repair.';
  return {
    finding: settled,
    actions: [actionOn(finding, 'repair_requested', detail, OPERATOR)],
    drafts: [],
  };
}

function close(
  finding: StoredFinding,
  state: 'repaired' | 'resolved',
  { by, reason, now }: { readonly by: string; readonly reason: string; readonly now: EpochMs },
): StoredFinding {
  return { ...finding, state, nextAttemptAt: null, closedBy: by, closedAt: now, reason };
}

function alreadyClosed({ uuid, state }: StoredFinding) {
  const id = idOf('fnd', uuid);
  return problem('integrity.finding_closed', `The finding ${id} is ${state} already.`, {
    members: { finding_id: id },
  });
}
