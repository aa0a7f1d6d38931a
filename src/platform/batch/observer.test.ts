import { expect, test } from 'vitest';
import type { LogEvent } from '../log/event.ts';
import { type BatchObserver, both } from './observer.ts';

test('two observers hear all that one hears', () => {
  const heard: string[] = [];
  const hearing = (name: string): Required<BatchObserver> => ({
    committed: (worker) => void heard.push(`${name} committed ${worker}`),
    failed: (worker) => void heard.push(`${name} failed ${worker}`),
    deadLettered: (group) => void heard.push(`${name} deadLettered ${group}`),
    deadLetterWithheld: (group) => void heard.push(`${name} deadLetterWithheld ${group}`),
    positionLost: (group) => void heard.push(`${name} positionLost ${group}`),
  });
  const observer = both(hearing('a'), hearing('b'));
  const event = {} as LogEvent;
  observer.committed('w', { events: 1, durationMs: 1 });
  observer.failed('w', new Error('x'));
  observer.deadLettered?.('g', { id: '1', event, failure: { code: 'c', text: 't' } });
  observer.deadLetterWithheld?.('g', event);
  observer.positionLost?.('g', { topic: 't', partition: 0, isRemade: true });
  const told = ['committed w', 'failed w', 'deadLettered g', 'deadLetterWithheld g', 'positionLost g'];
  expect(heard).toEqual(told.flatMap((each) => [`a ${each}`, `b ${each}`]));
});

test('one that does not listen to all is told what it listens to, and the other one of everything', () => {
  const heard: string[] = [];
  const quiet: BatchObserver = {
    committed: (worker) => void heard.push(`quiet committed ${worker}`),
    failed: () => undefined,
  };
  const other: BatchObserver = {
    ...quiet,
    committed: (worker) => void heard.push(`other committed ${worker}`),
    deadLetterWithheld: (group) => void heard.push(`other deadLetterWithheld ${group}`),
  };
  for (const observer of [both(quiet, other), both(other, quiet)]) {
    heard.length = 0;
    observer.committed('w', { events: 1, durationMs: 1 });
    observer.deadLetterWithheld?.('g', {} as LogEvent);
    expect(heard.toSorted()).toEqual([
      'other committed w',
      'other deadLetterWithheld g',
      'quiet committed w',
    ]);
  }
});
