import { describe, expect, test } from 'vitest';
import { compensationsBefore, type SagaDefinition, type Stage, stageDueAfter, stageEndedBy } from './saga.ts';

const reserve = stage('reserve', { after: ['asked'], failures: ['short'], compensation: 'release_hold' });
const check = stage('check', { after: ['reserved'], failures: ['doubted'] });
const extend = stage('extend', { after: ['checked'], failures: ['full'], compensation: 'release_hold' });
const post = stage('post', { after: ['extended'], failures: ['refused'] });

const saga: SagaDefinition = {
  name: 'example',
  version: 1,
  begins: 'asked',
  interventions: [],
  stages: [reserve, check, extend, post],
  endings: { posted: 'done', short: 'declined' },
  standings: {},
};

function stage(
  name: string,
  more: Pick<Stage, 'after' | 'failures'> & Pick<Partial<Stage>, 'compensation'>,
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
    ['asked', reserve],
    ['reserved', check],
    ['posted', undefined],
    ['short', undefined],
  ])('after %s: %j', (type, expected) => {
    expect(stageDueAfter(saga, type)).toBe(expected);
  });
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
