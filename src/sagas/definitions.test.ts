/** D8: the definitions that coordinator, integrity, proof and timeline read are sound, whatever is done to them later. */
import { describe, expect, test } from 'vitest';
import { balancePayment } from './balance-payment.ts';
import { balanceRefund } from './balance-refund.ts';
import { PAYMENT_SAGAS, REFUND_SAGAS, SAGAS } from './definitions.ts';
import { gatewayPayment } from './gateway-payment.ts';
import { gatewayRefund } from './gateway-refund.ts';
import {
  compensationsBefore,
  definitionName,
  eventTypesOf,
  outcomesOf,
  type SagaDefinition,
  type Stage,
  stageEndedBy,
  stagesDueAfter,
} from './saga.ts';

function named({ stages }: SagaDefinition, name: string): Stage {
  const found = stages.find((stage) => stage.name === name);
  if (found === undefined) throw new Error(`no stage ${name}`);
  return found;
}

/** The way on which every stage succeeds at once, as event types. */
function happyWay(saga: SagaDefinition): string[] {
  const way = [saga.begins];
  for (let due = stagesDueAfter(saga, saga.begins)[0]; due !== undefined; ) {
    way.push(due.success);
    due = stagesDueAfter(saga, due.success)[0];
  }
  return way;
}

describe.each(SAGAS)('$name', (saga) => {
  const { begins, interventions, stages, endings, standings, corrections, incidents } = saga;
  const results = stages.flatMap(outcomesOf);

  test('every event that makes a stage due is the first, a person’s, or another stage’s', () => {
    const causes = stages.flatMap(({ after }) => after);
    const known = new Set([begins, ...interventions, ...results]);
    expect(causes.filter((type) => !known.has(type))).toEqual([]);
    expect(interventions.filter((type) => !causes.includes(type))).toEqual([]);
  });

  test('of one cause an event is the outcome of one stage', () => {
    for (const type of eventTypesOf(saga)) {
      const said = stagesDueAfter(saga, type).flatMap(outcomesOf);
      expect(said.toSorted()).toEqual([...new Set(said)].toSorted());
    }
  });

  test('stages have names of their own, and none says the same thing twice', () => {
    expect(new Set(stages.map(({ name }) => name)).size).toBe(stages.length);
    for (const stage of stages) expect(new Set(outcomesOf(stage)).size).toBe(outcomesOf(stage).length);
  });

  test('every event can be reached, and from every one an ending can', () => {
    const reached = reachedFrom(saga, [begins, ...interventions]);
    expect([...reached].toSorted()).toEqual(
      eventTypesOf(saga)
        .filter((type) => !(type in incidents))
        .toSorted(),
    );
    // What a person asks may end in a refusal, or leave the end to what is under way.
    const onTheWay = [...reachedFrom(saga, [begins])].filter(
      (type) => stagesDueAfter(saga, type).length > 0 && !(type in endings),
    );
    const stuck = onTheWay.filter((type) => ![...reachedFrom(saga, [type])].some((next) => next in endings));
    expect(stuck).toEqual([]);
  });

  test('every ending is an event of a stage and is told of, and nothing else is', () => {
    const [notification, ...others] = stages.filter(({ service }) => service === 'notification');
    expect(others).toEqual([]);
    expect(notification?.after.toSorted()).toEqual(Object.keys(endings).toSorted());
    for (const ending of Object.keys(endings)) {
      expect(stageEndedBy(saga, ending)).toBeDefined();
      expect(followersOf(saga, ending)).toEqual(['notification.queued']);
    }
  });

  test('standings are events of stages, and none of them ends the saga', () => {
    for (const standing of Object.keys(standings)) {
      expect(stageEndedBy(saga, standing)).toBeDefined();
      expect(endings).not.toHaveProperty([standing]);
    }
  });

  test('what corrects an ending is an ending too', () => {
    for (const type of Object.entries(corrections).flat()) expect(endings).toHaveProperty([type]);
  });

  test('an incident is no stage’s affair', () => {
    for (const incident of Object.keys(incidents)) expect(results).not.toContain(incident);
  });

  test('P4, D7: every stage has a deadline; who waits for the outside waits longest, and can say that it is over', () => {
    for (const { deadlineMs, waitsFor, reports = [] } of stages) {
      expect(deadlineMs).toBeGreaterThan(0);
      if (waitsFor === undefined) expect(deadlineMs).toBeLessThanOrEqual(10_000);
      else expect(reports.some((report) => report.endsWith('unresolved'))).toBe(true);
    }
  });

  test('a stage lapses only after what makes it due', () => {
    for (const { after, lapsesAfter = [] } of stages)
      expect(after).toEqual(expect.arrayContaining([...lapsesAfter]));
  });

  test('U5: what a stage did is undone by who decides it, or by a stage that is asked to', () => {
    const asked = stages.flatMap(({ undoes }) => undoes ?? []);
    const owed = stages.flatMap(({ compensation }) => compensation ?? []);
    expect(owed.filter((step) => step !== 'release_hold').toSorted()).toEqual(asked.toSorted());
  });
});

/** The types of event that an event may cause. */
function followersOf(saga: SagaDefinition, eventType: string): readonly string[] {
  return stagesDueAfter(saga, eventType).flatMap(outcomesOf);
}

function reachedFrom(saga: SagaDefinition, roots: readonly string[]): ReadonlySet<string> {
  const reached = new Set(roots);
  // The set grows while it is walked.
  for (const type of reached) for (const next of followersOf(saga, type)) reached.add(next);
  return reached;
}

test('P1: a payment from the balance that completes passes five stages, six events in all', () => {
  expect(happyWay(balancePayment)).toEqual([
    'payment.requested',
    'payment.validated',
    'payment.authorized',
    'entry.posted',
    'payment.completed',
    'notification.queued',
  ]);
});

test('D2: a payment through a provider is charged between hold and posting', () => {
  expect(happyWay(gatewayPayment)).toEqual([
    'payment.requested',
    'payment.validated',
    'payment.authorized',
    'provider.approved',
    'payment.charged',
    'entry.posted',
    'payment.completed',
    'notification.queued',
  ]);
});

test('D5: a refund holds what the service gives back, then posts it; through a provider once that has paid', () => {
  const admitted = ['refund.requested', 'refund.validated', 'refund.authorized'];
  const posted = ['entry.posted', 'refund.completed', 'notification.queued'];
  expect(happyWay(balanceRefund)).toEqual([...admitted, ...posted]);
  expect(happyWay(gatewayRefund)).toEqual([...admitted, 'provider.refunded', 'refund.confirmed', ...posted]);
});

describe('P4, U5: whoever fails gives back what the stages before it did, the last first', () => {
  test.each<[SagaDefinition, string, readonly string[]]>([
    [balancePayment, 'validation', []],
    [balancePayment, 'authorization', []],
    [balancePayment, 'ledger', ['release_hold']],
    [balancePayment, 'completion', ['release_hold']],
    [gatewayPayment, 'authorization', []],
    [gatewayPayment, 'charge', ['release_hold']],
    [gatewayPayment, 'ledger', ['refund_charge', 'release_hold']],
    [gatewayPayment, 'completion', ['reverse_posting', 'refund_charge', 'release_hold']],
    [balanceRefund, 'ledger', ['release_hold']],
    [gatewayRefund, 'provider refund', ['release_hold']],
  ])('%j at %s', (saga, stage, owed) => {
    expect(compensationsBefore(saga, named(saga, stage))).toEqual(owed);
  });
});

test('each definition has a name of its own, and stands under its method', () => {
  expect(new Set(SAGAS.map(definitionName)).size).toBe(SAGAS.length);
  expect(new Set([...Object.values(PAYMENT_SAGAS), ...Object.values(REFUND_SAGAS)])).toEqual(new Set(SAGAS));
  for (const [method, saga] of Object.entries(PAYMENT_SAGAS)) expect(saga.name).toBe(`payment.${method}`);
  for (const [method, saga] of Object.entries(REFUND_SAGAS)) expect(saga.name).toBe(`refund.${method}`);
});
