/** What torture lets providers do is all that they can do: its list cannot be imported from their program. */
import { expect, test } from 'vitest';
import { BEHAVIOUR_NAMES, BEHAVIOURS } from '../sandbox/provider/behaviour-table.ts';
import { BEHAVIOURS as TORTURED } from '../torture/plan/misbehaviours.ts';

test('torture knows every misbehaviour of the providers, and no other', () => {
  expect(TORTURED.map(({ name }) => name).toSorted()).toEqual(BEHAVIOUR_NAMES.toSorted());
});

test.each(Object.entries(BEHAVIOURS))('%s is injected for what it is for', (name, { operations }) => {
  expect(TORTURED.find((tortured) => tortured.name === name)?.operations).toEqual(operations);
});
