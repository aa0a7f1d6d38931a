/** What torture delivers again is delivered to somebody: its list cannot be imported from the product. */
import { expect, test } from 'vitest';
import { TOPOLOGY } from '../src/topology.ts';
import { GROUPS } from '../torture/plan/fault-kinds.ts';

/** No caller of torture gives the hub a message, and nobody has endpoints. */
const IDLE = /^(hub\.|webhooks$)/;

test('torture delivers again to every group that its callers give work, and to no other', () => {
  const groups = TOPOLOGY.groups.map(({ group }) => group).filter((group) => !IDLE.test(group));
  expect([...GROUPS].toSorted()).toEqual(groups.toSorted());
});
