import { expect, test } from 'vitest';
import type { Story } from './book.ts';
import { owedCallback } from './callback-script.ts';
import { charge, NOW, surroundings } from './given.ts';

/** type, webhook-id, flaw and ms after the one before, for every callback. */
function told(story: Story): unknown[][] {
  const { newId } = surroundings();
  const owed = owedCallback({ story, document: charge({ status: 'approved' }), at: NOW, newId });
  return owed.steps.map(({ type, webhookId, flaw, afterMs }) => [type, webhookId, flaw, afterMs]);
}

test.each<[Story, unknown[][]]>([
  ['plain', [['charge.approved', 'msg_1', null, 0]]],
  [
    'twice',
    [
      ['charge.approved', 'msg_1', null, 0],
      ['charge.approved', 'msg_1', null, 0],
      ['charge.approved', 'msg_3', null, 0],
    ],
  ],
  [
    'out_of_order',
    [
      ['charge.approved', 'msg_1', null, 0],
      ['charge.pending', 'msg_3', null, 0],
    ],
  ],
  [
    'bad_signature',
    [
      ['charge.approved', 'msg_1', 'signature', 0],
      ['charge.approved', 'msg_1', null, 1000],
    ],
  ],
  [
    'stale',
    [
      ['charge.approved', 'msg_1', 'stale', 0],
      ['charge.approved', 'msg_1', null, 1000],
    ],
  ],
  ['contradicts', [['charge.declined', 'msg_1', null, 0]]],
])('%s', (story, expected) => {
  expect(told(story)).toEqual(expected);
});

test('what is not meant to be taken is sent once, everything else until it is', () => {
  const { newId } = surroundings();
  const onceOf = (story: Story) =>
    owedCallback({ story, document: charge(), at: NOW, newId }).steps.map(({ isOnce }) => isOnce);
  expect(onceOf('twice')).toEqual([false, false, false]);
  expect(onceOf('out_of_order')).toEqual([false, true]);
  expect(onceOf('bad_signature')).toEqual([true, false]);
});
