/**
 * Judging a saga from its events and its definition, and from nothing else (P5). Events may be known in any order;
 * their causations say what followed what.
 *
 * V1: running until it has come to an end that was told and every stage of ours that is due has answered; a lag is not
 *     a fault. What waits for the outside may go on waiting: a provider's word that comes later is judged when it comes.
 * V2: complete only if every event but the first, and what persons asked, was caused by one that it may follow; no
 *     stage ended twice; there is one ending, or one and its correction; all are about the same terms.
 * V3: incidents (a charge that nobody asked for, a provider that contradicts itself) are kept as findings and make no
 *     saga broken: it dealt with them as it should.
 */
import { type SagaDefinition, stagesDueAfter } from '#sagas/saga.ts';
import { growTree, stageAnswered, stagesOwing, type TreeNode } from './saga-tree.ts';
import { agree, type SeenEvent, sagaOf } from './seen-event.ts';

export type FindingKind =
  | 'duplicate_stage'
  | 'out_of_order'
  | 'second_ending'
  | 'mismatched_terms'
  | 'overdue_stage'
  | 'unexpected_charge'
  | 'contradiction';

export interface Finding {
  readonly kind: FindingKind;
  /** Identity of the event it is about. */
  readonly event: string;
  readonly detail: string;
}

export interface Judgement {
  readonly verdict: 'running' | 'complete' | 'broken';
  /** Causes before what they caused, and by time. */
  readonly path: readonly SeenEvent[];
  readonly findings: readonly Finding[];
}

const NOT_BEGUN: Judgement = { verdict: 'running', path: [], findings: [] };

/** By the saga that the subject's beginning says; without one nothing can be said. */
export function judgeSubject(subject: string, seen: readonly SeenEvent[]): Judgement {
  const saga = sagaOf(subject, seen);
  return saga === undefined ? NOT_BEGUN : judge(saga, seen);
}

export function judge(saga: SagaDefinition, seen: readonly SeenEvent[]): Judgement {
  return judgeLine(saga, seen) ?? judgeTree(saga, seen);
}

/**
 * The usual saga: each event caused the next one, and none stands beside them. It is as sound as a tree can be, and is
 * judged without growing one; undefined for any other.
 */
function judgeLine(saga: SagaDefinition, seen: readonly SeenEvent[]): Judgement | undefined {
  const line = causalLine(saga, seen);
  const last = line.at(-1);
  if (last === undefined || line.length < seen.length) return undefined;
  if (stagesDueAfter(saga, last.type).length > 0) return undefined;
  if (!line.some(({ type }) => type in saga.endings)) return undefined;
  const findings = mismatches(saga, line);
  return { verdict: findings.length > 0 ? 'broken' : 'complete', path: line, findings };
}

function causalLine(saga: SagaDefinition, seen: readonly SeenEvent[]): readonly SeenEvent[] {
  const line: SeenEvent[] = [];
  let current = seen.find((event) => event.type === saga.begins);
  while (current !== undefined) {
    line.push(current);
    const cause: SeenEvent = current;
    current = seen.find(
      (event) => event.causation === cause.identity && stageAnswered(saga, cause, event.type) !== undefined,
    );
  }
  return line;
}

function judgeTree(saga: SagaDefinition, seen: readonly SeenEvent[]): Judgement {
  const tree = growTree(saga, seen);
  const path = tree.map(({ event }) => event);
  const twice = endedTwice(saga, seen);
  const incidents = path.flatMap((event) => incidentOf(saga, event) ?? []);
  if (!isOver(saga, tree)) {
    return {
      verdict: twice.length > 0 ? 'broken' : 'running',
      path,
      findings: [...twice, ...incidents],
    };
  }
  const faults = [
    ...twice,
    ...besideTree(path, seen, twice),
    ...secondEndings(saga, path),
    ...mismatches(saga, path),
  ];
  return { verdict: faults.length > 0 ? 'broken' : 'complete', path, findings: [...faults, ...incidents] };
}

/** V1 */
function isOver(saga: SagaDefinition, tree: readonly TreeNode[]): boolean {
  const events = tree.map(({ event }) => event);
  return hasEnded(saga, events) && tree.every((node) => node.answered || !isOwed(saga, node.event));
}

/**
 * By what it came to last, in the order of the coordinator's log. One that had ended, and could not be undone, waits for a
 * person; it has ended again when it is left as it was.
 */
function hasEnded({ endings, standings }: SagaDefinition, events: readonly SeenEvent[]): boolean {
  if (!events.some(({ type }) => type in endings)) return false;
  const last = events
    .filter(({ type }) => type in endings || type in standings)
    .sort((a, b) => placeOf(a) - placeOf(b))
    .at(-1);
  const status = last && (endings[last.type] ?? standings[last.type]);
  return status !== undefined && Object.values(endings).includes(status);
}

/** Of a saga that has an ending: a stage that lapses then owes nothing. */
function isOwed(saga: SagaDefinition, event: SeenEvent): boolean {
  return stagesOwing(saga, event).some((stage) => stage.lapsesAfter?.includes(event.type) !== true);
}

function incidentOf({ incidents }: SagaDefinition, { type, identity, mark }: SeenEvent): Finding | undefined {
  const kind = incidents[type];
  return kind && { kind, event: identity, detail: `${type} of ${mark ?? 'an attempt'} at a provider` };
}

function besideTree(
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

/** Events that say again, or otherwise, what another one with the same cause has said; and further beginnings. */
function endedTwice(saga: SagaDefinition, seen: readonly SeenEvent[]): Finding[] {
  const byIdentity = new Map(seen.map((event) => [event.identity, event]));
  const findings: Finding[] = [];
  const add = (first: SeenEvent, event: SeenEvent): void => {
    const detail = `${first.type} stands at ${first.identity}, and ${event.type} at ${event.identity}`;
    findings.push({ kind: 'duplicate_stage', event: event.identity, detail });
  };
  for (const [causation, events] of Map.groupBy(seen, (event) => event.causation)) {
    const cause = byIdentity.get(causation);
    events.forEach((event, index) => {
      const first = events.slice(0, index).find((other) => exclude(saga, cause, { event, other }));
      if (first !== undefined) add(first, event);
    });
  }
  const [beginning, ...others] = seen.filter(({ type }) => type === saga.begins);
  const known = new Set(findings.map(({ event }) => event));
  for (const event of others) if (!known.has(event.identity)) add(beginning as SeenEvent, event);
  return findings;
}

/** Whether the two, of one cause, cannot both be. A stage reports as often as it likes, of an attempt once. */
function exclude(
  saga: SagaDefinition,
  cause: SeenEvent | undefined,
  { event, other }: { readonly event: SeenEvent; readonly other: SeenEvent },
): boolean {
  if (event.type in saga.incidents) return false;
  const stage = cause && stageAnswered(saga, cause, event.type);
  const isReport = stage?.reports?.includes(event.type) === true;
  if (event.type === other.type) return !isReport || event.mark === other.mark;
  if (cause === undefined || stage === undefined || isReport) return false;
  return stageAnswered(saga, cause, other.type) === stage && stage.reports?.includes(other.type) !== true;
}

/** In the order of their log, which is one partition of one: what a person set off may be dated by another clock. */
function secondEndings(saga: SagaDefinition, path: readonly SeenEvent[]): Finding[] {
  const endings = path.filter(({ type }) => type in saga.endings).sort((a, b) => placeOf(a) - placeOf(b));
  const [first, second] = endings;
  const isCorrected = second !== undefined && saga.corrections[second.type] === first?.type;
  return endings.slice(isCorrected ? 2 : 1).map(({ type, identity }) => ({
    kind: 'second_ending',
    event: identity,
    detail: `${type} came after the saga had ended by ${first?.type}`,
  }));
}

function placeOf({ identity }: SeenEvent): number {
  return Number(identity.slice(identity.lastIndexOf('/') + 1));
}

function mismatches(saga: SagaDefinition, path: readonly SeenEvent[]): Finding[] {
  const agreed = path.find(({ type }) => type === saga.begins)?.terms ?? null;
  if (agreed === null) return [];
  return path
    .filter(({ type, terms }) => terms !== null && !(type in saga.incidents) && !agree(terms, agreed))
    .map((event) => ({
      kind: 'mismatched_terms' as const,
      event: event.identity,
      detail: `${event.type} is about ${event.terms}, the saga about ${agreed}`,
    }));
}
