/**
 * Judging a saga from its events and its definition, and from nothing else (P5). Events may be known in any order;
 * their causations say what followed what.
 *
 * V1: running until the last stage has ended; a lag is not a fault.
 * V2: complete only if every stage is there once, each caused by the one before it, all about the same terms.
 */
import type { EpochMs } from '#kernel/clock.ts';
import { type SagaDefinition, stageDueAfter, stageEndedBy } from '#sagas/saga.ts';

/** What is kept of an event. */
export interface SeenEvent {
  readonly type: string;
  readonly identity: string;
  readonly at: EpochMs;
  readonly causation: string;
  /** What the stages must agree on, in one text; null for events that do not carry it. */
  readonly terms: string | null;
}

export type FindingKind =
  | 'duplicate_stage'
  | 'missing_stage'
  | 'out_of_order'
  | 'mismatched_terms'
  | 'event_after_end'
  | 'unknown_event';

export interface Finding {
  readonly kind: FindingKind;
  /** Identity of the event it is about. */
  readonly event: string;
  readonly detail: string;
}

export interface Judgement {
  readonly verdict: 'running' | 'complete' | 'broken';
  /** In causal order, as far as it can be followed. */
  readonly path: readonly SeenEvent[];
  readonly findings: readonly Finding[];
}

export function judge(saga: SagaDefinition, seen: readonly SeenEvent[]): Judgement {
  const findings = duplicates(seen);
  const path = causalPath(saga, seen);
  const last = path.at(-1);
  const ended = last !== undefined && stageDueAfter(saga, last.type) === undefined;
  if (!ended) return { verdict: findings.length > 0 ? 'broken' : 'running', path, findings };
  // As many on the path as there are: none stands beside it, which is the rule.
  if (path.length < seen.length) findings.push(...besidePath(path, seen, findings));
  findings.push(...mismatches(path));
  return { verdict: findings.length > 0 ? 'broken' : 'complete', path, findings };
}

function besidePath(
  path: readonly SeenEvent[],
  seen: readonly SeenEvent[],
  known: readonly Finding[],
): Finding[] {
  const explained = new Set([...path.map(({ identity }) => identity), ...known.map(({ event }) => event)]);
  return seen
    .filter(({ identity }) => !explained.has(identity))
    .map(({ type, identity }) => ({
      kind: 'out_of_order',
      event: identity,
      detail: `${type} does not follow from the saga`,
    }));
}

/** Follows causations from the first event, as far as each next event ends the stage that is due (V2). */
function causalPath(saga: SagaDefinition, seen: readonly SeenEvent[]): SeenEvent[] {
  const path: SeenEvent[] = [];
  let current = seen.find((event) => event.type === saga.begins);
  while (current !== undefined) {
    path.push(current);
    current = nextOnPath(saga, seen, current);
  }
  return path;
}

function nextOnPath(
  saga: SagaDefinition,
  seen: readonly SeenEvent[],
  { type, identity }: SeenEvent,
): SeenEvent | undefined {
  const due = stageDueAfter(saga, type);
  if (due === undefined) return undefined;
  for (const event of seen) {
    if (event.causation === identity && stageEndedBy(saga, event.type) === due) return event;
  }
  return undefined;
}

function duplicates(seen: readonly SeenEvent[]): Finding[] {
  const findings: Finding[] = [];
  for (let index = 1; index < seen.length; index++) {
    const event = seen[index] as SeenEvent;
    const first = firstOfType(seen, event.type);
    if (first === event) continue;
    const detail = `${event.type} stands at ${first?.identity} and again at ${event.identity}`;
    findings.push({ kind: 'duplicate_stage', event: event.identity, detail });
  }
  return findings;
}

function firstOfType(seen: readonly SeenEvent[], type: string): SeenEvent | undefined {
  for (const event of seen) if (event.type === type) return event;
  return undefined;
}

function mismatches(path: readonly SeenEvent[]): Finding[] {
  const agreed = path.find((event) => event.terms !== null)?.terms;
  return path
    .filter((event) => event.terms !== null && event.terms !== agreed)
    .map((event) => ({
      kind: 'mismatched_terms' as const,
      event: event.identity,
      detail: `${event.type} is about ${event.terms}, the saga about ${agreed}`,
    }));
}
