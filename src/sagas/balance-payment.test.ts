/** D8: the definition that coordinator, integrity and timeline read is sound, whatever is done to it later. */
import { expect, test } from 'vitest';
import { balancePayment } from './balance-payment.ts';
import { compensationsBefore, type Stage, stageDueAfter, stageEndedBy } from './saga.ts';

const { begins, endings, stages } = balancePayment;
const results = stages.flatMap((stage) => [stage.success, ...stage.failures]);

function named(name: string): Stage {
  const found = stages.find((stage) => stage.name === name);
  if (found === undefined) throw new Error(`no stage ${name}`);
  return found;
}

/** Every way through the saga, as event types from the first to one after which nothing is due. */
function paths(from: string, before: readonly string[] = []): string[][] {
  const path = [...before, from];
  if (before.includes(from)) throw new Error(`a circle: ${path.join(' → ')}`);
  const due = stageDueAfter(balancePayment, from);
  if (due === undefined) return [path];
  return [due.success, ...due.failures].flatMap((next) => paths(next, path));
}

test('P1: a payment that completes passes the five stages, six events in all', () => {
  const [happy] = paths(begins);
  expect(happy).toEqual([
    'payment.requested',
    'payment.validated',
    'payment.authorized',
    'entry.posted',
    'payment.completed',
    'notification.queued',
  ]);
});

test('an event ends one stage, and makes one stage due', () => {
  expect(new Set(results).size).toBe(results.length);
  const causes = stages.flatMap((stage) => stage.after);
  expect(new Set(causes).size).toBe(causes.length);
  expect(
    causes.filter((type) => type !== begins && stageEndedBy(balancePayment, type) === undefined),
  ).toEqual([]);
});

test('every way comes to its end, and names exactly one ending on it', () => {
  const ways = paths(begins);
  expect(ways.length).toBeGreaterThan(1);
  expect(ways.filter((way) => way.filter((type) => type in endings).length !== 1)).toEqual([]);
  expect(new Set(ways.flat())).toEqual(new Set([begins, ...results]));
});

test('every ending is told of: the last stage is due after each', () => {
  for (const ending of Object.keys(endings))
    expect(stageDueAfter(balancePayment, ending)?.name).toBe('notification');
});

test('P4: whoever fails after funds were held gives them back, whoever fails before owes nothing', () => {
  expect(compensationsBefore(balancePayment, named('validation'))).toEqual([]);
  expect(compensationsBefore(balancePayment, named('authorization'))).toEqual([]);
  expect(compensationsBefore(balancePayment, named('ledger'))).toEqual(['release_hold']);
  expect(compensationsBefore(balancePayment, named('completion'))).toEqual(['release_hold']);
});

test('every stage has a deadline', () => {
  for (const { deadlineMs } of stages) expect(deadlineMs).toBeGreaterThan(0);
});
