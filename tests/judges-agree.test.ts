/** Integrity judges each saga as it runs, the proof judges it again by an implementation of its own: they must agree. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { JsonObject, LogEvent } from '#platform/log/event.ts';
import { judgeSaga, type SagaJudgement } from '#proof/judge-saga.ts';
import { sagaMapFor } from '#proof/saga-map.ts';
import { type Judgement, judgeSubject } from '#services/integrity/follow-saga.ts';
import { seenEvent } from '#services/integrity/seen-event.ts';
import { eventsOn, identityOf, TERMS } from './saga-events.ts';
import { SAGA_PATHS, type SagaPath } from './saga-paths.ts';

function theirs(events: readonly LogEvent[]): Judgement {
  return judgeSubject(events[0]?.subject ?? '', events.map(seenEvent));
}

function ours(events: readonly LogEvent[]): SagaJudgement {
  const traced = events.map((event) => ({ ...event, identity: identityOf(event), at: event.occurredAt }));
  return judgeSaga(sagaMapFor(events[0]?.subject ?? '', traced), traced);
}

function verdictOf({ ended, repeats, faults }: SagaJudgement): Judgement['verdict'] {
  if (!ended && !repeats) return 'running';
  return faults.length === 0 ? 'complete' : 'broken';
}

describe('both judges call it as it is:', () => {
  test.each(SAGA_PATHS)('$title', (path) => {
    const events = eventsOn(path);
    for (const seen of [events, events.toReversed()]) {
      const judgement = theirs(seen);
      expect(judgement.verdict).toBe(path.verdict);
      expect(judgement.path.map(({ identity }) => identity)).toEqual(events.map(identityOf));
      const proven = ours(seen);
      expect({ faults: proven.faults, verdict: verdictOf(proven) }).toEqual({
        faults: [],
        verdict: path.verdict,
      });
      expect(proven.line.map(({ identity }) => identity)).toEqual(events.map(identityOf));
    }
  });
});

type Change = (events: LogEvent[], at: number, other: number) => LogEvent[];

function changed(events: readonly LogEvent[], at: number, change: Partial<LogEvent>): LogEvent[] {
  return events.with(at, { ...(events[at] as LogEvent), ...change });
}

/** Readable, so that the judges can agree on what it says. */
function told(event: LogEvent | undefined, change: JsonObject): JsonObject {
  return { ...TERMS, method: 'balance', ...event?.data, ...change };
}

/** What is no entry stays as it is. */
function reposted(
  events: readonly LogEvent[],
  at: number,
  change: (postings: readonly JsonObject[]) => JsonObject[],
): LogEvent[] {
  const { data } = events[at] as LogEvent<{ readonly postings?: readonly JsonObject[] }>;
  if (data.postings === undefined) return [...events];
  return changed(events, at, { data: { ...data, postings: change(data.postings) } });
}

/** Behind all others: no two events of a log stand at one place. */
function nextPosition(events: readonly LogEvent[]): number {
  return Math.max(...events.map(({ position }) => position)) + 1;
}

const CHANGES: Readonly<Record<string, Change>> = {
  lost: (events, at) => events.filter((_, index) => index !== at),
  'told twice': (events, at) => [...events, { ...(events[at] as LogEvent), position: nextPosition(events) }],
  'caused by nothing': (events, at) => changed(events, at, { causation: 'log/0/99' }),
  'caused by another': (events, at, other) =>
    changed(events, at, { causation: identityOf(events[other] as LogEvent) }),
  'asked by a person': (events, at) => changed(events, at, { causation: 'req_9' }),
  'of another type': (events, at, other) => changed(events, at, { type: (events[other] as LogEvent).type }),
  'of another amount': (events, at) => changed(events, at, { data: told(events[at], { amount: 8 }) }),
  'of another method': (events, at) => changed(events, at, { data: told(events[at], { method: 'card' }) }),
  'of another payment': (events, at) =>
    changed(events, at, { data: told(events[at], { payment_id: 'pay_9' }) }),
  // The credit: an entry's terms are read from its debit.
  'posted by halves': (events, at) =>
    reposted(events, at, (postings) =>
      postings.map((each, index) => (index === 1 ? { ...each, amount: 8 } : each)),
    ),
  'posted in two currencies': (events, at) =>
    reposted(events, at, (postings) =>
      postings.map((each, index) => (index === 1 ? { ...each, currency: 'EUR' } : each)),
    ),
  'posted to a third': (events, at) =>
    reposted(events, at, (postings) => [...postings, ...postings.slice(0, 1)]),
  'posted the other way': (events, at) =>
    reposted(events, at, (postings) =>
      postings.map((each) => ({ ...each, direction: each['direction'] === 'debit' ? 'credit' : 'debit' })),
    ),
  'at another time': (events, at, other) => changed(events, at, { occurredAt: other }),
  'after it nothing': (events, at) => events.slice(0, at + 1),
  'from the other saga': (events, at) => {
    const path = SAGA_PATHS[at % SAGA_PATHS.length] as SagaPath;
    const alien = eventsOn(path).at(-2);
    return alien === undefined
      ? events
      : [...events, { ...alien, position: nextPosition(events), subject: events[0]?.subject ?? '' }];
  },
  reversed: (events) => events.toReversed(),
};

const damaged = fc
  .tuple(
    fc.constantFrom(...SAGA_PATHS),
    fc.array(fc.tuple(fc.constantFrom(...Object.values(CHANGES)), fc.nat(), fc.nat()), { maxLength: 4 }),
  )
  .map(([path, changes]) =>
    changes.reduce(
      (events, [change, at, other]) =>
        events.length === 0 ? events : change(events, at % events.length, other % events.length),
      eventsOn(path),
    ),
  );

test('a saga is complete, broken or running to both judges, whatever was done to its log', () => {
  fc.assert(
    fc.property(damaged, (events) => {
      const judgement = theirs(events);
      const proven = ours(events);
      expect(verdictOf(proven)).toBe(judgement.verdict);
      if (judgement.verdict !== 'complete') return;
      expect(proven.line.map(({ identity }) => identity)).toEqual(
        judgement.path.map(({ identity }) => identity),
      );
      expect(proven.incidents).toBe(judgement.findings.length);
    }),
    { numRuns: 10_000 },
  );
});
