import { describe, expect, test } from 'vitest';
import {
  compensationsBefore,
  eventTypesOf,
  outcomesOf,
  type SagaDefinition,
  type Stage,
  stageEndedBy,
  stagesDueAfter,
} from './saga.ts';

const reserve = stage('reserve', { after: ['asked'], failures: ['short'], compensation: 'release_hold' });
const check = stage('check', { after: ['reserved'], failures: ['doubted'] });
const extend = stage('extend', { after: ['checked'], failures: ['full'], compensation: 'release_hold' });
const post = stage('post', { after: ['extended'], failures: ['refused'], reports: ['delayed'] });

const saga: SagaDefinition = {
  name: 'example',
  version: 1,
  begins: 'asked',
  interventions: ['halted'],
  stages: [reserve, check, extend, post],
  endings: { posted: 'done', short: 'declined' },
  standings: { reserved: 'held' },
  corrections: {},
  incidents: { alarmed: 'contradiction' },
};

function stage(
  name: string,
  more: Pick<Stage, 'after' | 'failures'> & Partial<Pick<Stage, 'compensation' | 'reports'>>,
): Stage {
  const success = name.endsWith('e') ? `${name}d` : `${name}ed`;
  return { name, service: name, success, deadlineMs: 1000, ...more };
}

describe('a stage is ended', () => {
  test.each([
    ['reserved', reserve],
    ['short', reserve],
    ['posted', post],
    ['asked', undefined],
    ['unheard of', undefined],
  ])('by %s: %j', (type, expected) => {
    expect(stageEndedBy(saga, type)).toBe(expected);
  });
});

describe('a stage is due', () => {
  test.each([
    ['asked', [reserve]],
    ['reserved', [check]],
    ['posted', []],
    ['short', []],
  ])('after %s: %j', (type, expected) => {
    expect(stagesDueAfter(saga, type)).toEqual(expected);
  });
});

test('a stage that reports stays due: its other outcomes may follow the report', () => {
  expect(stagesDueAfter(saga, 'delayed')).toEqual([post]);
  expect(outcomesOf(post)).toEqual(['posted', 'refused', 'delayed']);
});

test('every event has a place in it', () => {
  expect(eventTypesOf(saga)).toEqual([
    'asked',
    'halted',
    'reserved',
    'short',
    'checked',
    'doubted',
    'extended',
    'full',
    'posted',
    'refused',
    'delayed',
    'alarmed',
  ]);
});

describe('P4, U5: what is owed when a stage fails', () => {
  test.each<[string, Stage, readonly string[]]>([
    ['nothing for the first', reserve, []],
    ['what the stages before it did, not what it did itself', extend, ['release_hold']],
    ['all of it, the last first', post, ['release_hold', 'release_hold']],
  ])('%s', (_, failed, owed) => {
    expect(compensationsBefore(saga, failed)).toEqual(owed);
  });

  test('in reverse: the order is that of the stages, turned around', () => {
    const marked = [
      { ...reserve, compensation: 'first' as never },
      { ...extend, compensation: 'second' as never },
      post,
    ];
    expect(compensationsBefore({ ...saga, stages: marked }, post)).toEqual(['second', 'first']);
  });
});
