/** D5: what one tenant's receivers that hang leave for the others. No request leaves here. */
import { expect, test } from 'vitest';
import { Session } from '#platform/postgres/session.ts';
import type { Claim } from './claim-store.ts';
import { Sender, UNDER_WAY_MAX } from './sender.ts';

function senderTo(hangs: (url: string) => boolean): Sender {
  return new Sender({
    session: new Session({ url: 'postgresql://nobody@127.0.0.1:1/none', name: 'unused' }),
    egress: {
      send: ({ url }) =>
        hangs(url)
          ? new Promise(() => {})
          : Promise.resolve({ kind: 'unknown', detail: 'It was not answered.', latencyMs: 1 }),
      room: () => 16,
      onBack: () => undefined,
    },
    secrets: { find: async () => [] },
    clock: { now: () => 0 },
    random: Math.random,
    record: async () => undefined,
    onAttempt: () => undefined,
    onError: (error) => {
      throw error;
    },
  });
}

function claimOf(key: bigint, tenant: string): Claim {
  const url = `https://${tenant}.example/${key}`;
  return {
    endpoint: { key, uuid: '', tenant, kind: 'callback', url, secretVersion: 1, failingSince: null },
    laneKey: key,
    claims: 1,
    subject: 'ctx_1',
    turn: 1,
    uuid: '',
    number: 1,
    failures: 0,
    sequence: 1,
    event: 'cards/0/1',
    type: 'card.answered',
    body: '{}',
    correlationId: 'c',
    traceparent: null,
  };
}

/** As the commits that queue do: what there is room for is taken. */
function takeFrom(sender: Sender, tenant: string, count: number, first = 1): void {
  for (let key = BigInt(first); key < BigInt(first + count); key++)
    if (sender.roomOf({ key, tenant }) > 0 && sender.roomOfTenant(tenant) > 0)
      sender.take([claimOf(key, tenant)]);
}

test('D5: however many URLs of a tenant hang, there is room for what is told to the others', () => {
  const sender = senderTo(() => true);
  takeFrom(sender, 'hangs', 2 * UNDER_WAY_MAX);
  expect(sender.underWay).toBe(UNDER_WAY_MAX / 2);
  expect(sender.roomOfTenant('other')).toBeGreaterThan(UNDER_WAY_MAX / 8);
});

test('D5: what has ended takes no place', async () => {
  const sender = senderTo((url) => !url.includes('ends'));
  takeFrom(sender, 'ends', 100);
  await expect.poll(() => sender.underWay).toBe(0);
  expect(sender.roomOfTenant('ends')).toBe(UNDER_WAY_MAX / 2);
});
