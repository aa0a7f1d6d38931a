/** H2, H7: the steps, each written by itself, are together what the definition says. */
import { describe, expect, test } from 'vitest';
import type { LogEvent } from '#platform/log/event.ts';
import { integrationSaga } from '#sagas/integration.ts';
import { outcomesOf } from '#sagas/saga.ts';
import { INTEGRATION_STATUSES, isEnded, mayBecome } from '../integration.ts';
import { judgeIntegration } from '../judge-integration.ts';
import { deliveryStep } from './delivery-step.ts';
import { enrichmentStep } from './enrichment-step.ts';
import { rulesStep } from './rules-step.ts';
import { undoStep } from './undo-step.ts';
import { validationStep } from './validation-step.ts';

const STEPS = [validationStep, rulesStep, enrichmentStep, deliveryStep, undoStep];

test('each stage of the definition is one step: its group, its name, the events that make it due', () => {
  expect(STEPS.map(({ name, group, after }) => ({ name, group, after: Object.keys(after) }))).toEqual(
    integrationSaga.stages.map(({ name, service: group, after }) => ({ name, group, after })),
  );
});

describe('H3: statuses', () => {
  const statusOf: Readonly<Record<string, string>> = {
    ...integrationSaga.standings,
    ...integrationSaga.endings,
  };

  test('every outcome of a stage is a move that its status allows, and nothing else is', () => {
    const moves = integrationSaga.stages.flatMap((stage) => {
      const [step] = STEPS.filter(({ name }) => name === stage.name);
      const from = [...new Set(Object.values(step?.after ?? {}))];
      return from.flatMap((status) => outcomesOf(stage).map((type) => `${status} → ${statusOf[type]}`));
    });
    // A failure whose delivery is in doubt, and what a person asks, also once more, lead to the undoing.
    const undoing = ['enriched → undoing', 'delivered → undoing', 'undo_failed → undoing'];
    const expected = new Set([...moves, ...undoing]);
    const allowed = INTEGRATION_STATUSES.flatMap((from) =>
      INTEGRATION_STATUSES.filter((to) => mayBecome(from, to)).map((to) => `${from} → ${to}`),
    );
    expect(new Set(allowed)).toEqual(expected);
  });

  test('what has ended stays so, but for what a person has undone', () => {
    for (const from of INTEGRATION_STATUSES.filter(isEnded))
      for (const to of INTEGRATION_STATUSES.filter((each) => mayBecome(from, each)))
        expect(['delivered → undoing', 'undo_failed → undoing']).toContain(`${from} → ${to}`);
  });
});

describe('the verdict', () => {
  const through = { connector: 'erp', connector_version: 1 };
  const way = ['requested', 'validated', 'rules_applied', 'enriched', 'delivered'].map(event);

  function event(name: string, index: number): LogEvent {
    return {
      topic: 'hub',
      partition: 0,
      position: index + 1,
      type: `integration.${name}`,
      version: 1,
      subject: 'int_1',
      tenant: 'acme',
      key: 'int_1',
      data: { ...through, undo: null },
      correlationId: 'cor',
      causation: index === 0 ? 'req_1' : `hub/0/${index}`,
      traceparent: null,
      occurredAt: index,
    };
  }

  test('is complete at the end, running before it, broken where something is out of its way', () => {
    expect(judgeIntegration(way)).toMatchObject({ verdict: 'complete', findings: [] });
    expect(judgeIntegration(way.slice(0, 3))).toMatchObject({ verdict: 'running' });
    expect(judgeIntegration(way.toSpliced(2, 1))).toMatchObject({ verdict: 'broken' });
    const twice = [...way, { ...event('failed', 5), causation: 'hub/0/4' }];
    expect(judgeIntegration(twice)).toMatchObject({
      verdict: 'broken',
      findings: ['delivery has answered twice'],
    });
  });
});

test('H8: a body that is mapped to nothing is a failure, of a delivery and of an undo, and nobody is called', () => {
  const call = { method: 'POST', url: 'https://erp.example/', body: 'misspelt' } as const;
  const definition = {
    entry: { type: 'api' },
    destinations: { main: { type: 'http', ...call, undo: call } },
  } as const;
  const through = { connector: 'erp', connector_version: 1, message: '{}' };
  const nothing = [{ kind: 'values', values: ['null'] }] as const;
  const failure = { code: 'hub.expression_failed' };
  expect(deliveryStep.decide({ ...through, route: 'main' }, definition, nothing)).toMatchObject({
    status: 'failed',
    failure: { ...failure, step: 'delivery', detail: '/destinations/main/body gives nothing.' },
  });
  expect(undoStep.decide({ ...through, destination: 'main' }, definition, nothing)).toMatchObject({
    status: 'undo_failed',
    failure: { ...failure, step: 'undo', detail: '/destinations/main/undo/body gives nothing.' },
  });
});
