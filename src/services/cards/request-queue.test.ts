import { describe, expect, test } from 'vitest';
import { asCardSays, type CardAuthorization } from './answer-way.ts';
import { undecided } from './authorize-card-transaction.ts';
import { readCardTransaction } from './read-card-transaction.ts';
import { RequestQueue, type TakenRequests } from './request-queue.ts';
import type { WaitingRequest } from './waiting-request.ts';

const LIMIT = 3;
const QUEUE_MAX = 5000;

interface Said {
  readonly id?: string;
  readonly account?: string;
  readonly callback_url?: string;
}

/** `agoMs`: since it arrived, of the 100 ms that it has. */
function asking({ agoMs = 0, ...said }: Said & { readonly agoMs?: number } = {}): CardAuthorization {
  const body = { account: 'card', totalAmount: 1, mcc: '5811', merchant: 'PADARIA', ...said };
  return {
    tenant: 'acme',
    uuid: '0198c0de-0000-7000-8000-000000000001',
    reading: readCardTransaction(Buffer.from(JSON.stringify(body)), { reach: 'public' }),
    arrivedAt: performance.now() - agoMs,
    deadlineMs: 100,
    isGone: () => false,
    correlationId: 'cor',
    causation: 'req',
    traceparent: null,
  };
}

/** Answered on the connection, whatever its card says. */
function waiting(said: Parameters<typeof asking>[0] = {}): CardAuthorization {
  const asked = asking(said);
  return { ...asked, reading: { ...asked.reading, isSentAsCardSays: false } };
}

function open(): { readonly queue: RequestQueue; readonly waited: readonly number[] } {
  const waited: number[] = [];
  const queue = new RequestQueue({
    notes: { add: (asked, reason) => undecided(asked, { now: 0, latencyMs: 0, isLate: false }, reason) },
    pace: { limit: LIMIT, expectedMs: () => 0 },
    onWaited: (part) => waited.push(part),
  });
  return { queue, waited };
}

function take(queue: RequestQueue): TakenRequests {
  return queue.take(performance.now());
}

function takeOne(queue: RequestQueue): WaitingRequest {
  const [request] = take(queue).batch;
  if (request === undefined) throw new Error('nobody was taken');
  return request;
}

const SENT = { callback_url: 'https://network.example/answers' };
const LATE = { agoMs: 200 };

describe('K5: a request that is late before a batch takes it', () => {
  test('is 07 at once, and all of its time counts as waited', async () => {
    const { queue, waited } = open();
    const answer = queue.wait(waiting(LATE));
    expect(take(queue)).toEqual({ batch: [], repeats: [] });
    expect(await answer).toMatchObject({ isSent: false, cardTransaction: { code: '07', reason: 'late' } });
    expect(waited).toEqual([1]);
  });

  test('C6: is looked for once if it may be a repeat, no more at a time than a batch takes', async () => {
    const { queue } = open();
    const answers = Array.from({ length: 4 }, () => queue.wait(waiting({ ...LATE, id: 'a' })));
    const first = take(queue);
    expect([first.batch.length, first.repeats.length, queue.size]).toEqual([0, LIMIT, 1]);
    queue.putBack(first.repeats);
    expect(take(queue).repeats).toHaveLength(1);
    expect((await Promise.all(answers.slice(0, LIMIT))).map((each) => each.cardTransaction.reason)).toEqual([
      'late',
      'late',
      'late',
    ]);
  });

  test('C7: waits on if what it repeats is not certain yet', () => {
    const { queue, waited } = open();
    void queue.wait(waiting({ ...LATE, id: 'a' }));
    const { repeats } = take(queue);
    for (const repeat of repeats) repeat.isContested = true;
    queue.putBack(repeats);
    queue.dropLateMeanwhile({ canBeAsked: false });
    expect(take(queue).repeats).toEqual(repeats);
    expect(waited).toEqual([]);
  });

  test('is told that its card was locked if that is why, and not counted as waiting for the load', async () => {
    const { queue, waited } = open();
    const answer = queue.wait(waiting());
    const request = takeOne(queue);
    request.wasLocked = true;
    queue.dropLate(request);
    expect((await answer).cardTransaction).toMatchObject({ code: '07', reason: 'locked' });
    expect(waited).toEqual([]);
  });

  test('K10: is decided all the same if its answer is sent', () => {
    const { queue } = open();
    void queue.wait(asking({ ...LATE, ...SENT }));
    expect(take(queue).batch).toHaveLength(1);
  });
});

describe('who comes when too many wait', () => {
  function full(said: Said = {}): RequestQueue {
    const { queue } = open();
    const asked = waiting(said);
    for (let each = 0; each < QUEUE_MAX; each += 1) void queue.wait(asked);
    return queue;
  }

  test('K7: is 07', async () => {
    expect((await full().wait(waiting())).cardTransaction).toMatchObject({
      code: '07',
      reason: 'overloaded',
    });
  });

  test('C6: is told no code if an approval may stand under its id', async () => {
    await expect(full().wait(waiting({ id: 'a' }))).rejects.toThrow('too many');
  });

  test('K10: has places of its own if its answer is sent, and takes none from the others', async () => {
    const queue = full();
    void queue.wait(asking(SENT));
    expect(queue.size).toBe(QUEUE_MAX + 1);
    const sending = full(SENT);
    await expect(sending.wait(asking(SENT))).rejects.toThrow('too many');
    void sending.wait(waiting());
    expect(sending.size).toBe(QUEUE_MAX + 1);
  });
});

test('nobody is let in once it is closed, and who waits is taken still', async () => {
  const { queue } = open();
  void queue.wait(waiting());
  queue.close();
  expect((await queue.wait(waiting())).cardTransaction).toMatchObject({ reason: 'overloaded' });
  expect(take(queue).batch).toHaveLength(1);
});

test('K10: a request waits without a deadline as long as its card is known to have its answers sent', () => {
  const { queue } = open();
  const readCard = (callbackUrl: string | null) => {
    void queue.wait(asking());
    const request = takeOne(queue);
    const card = { tenant: 'acme', account: 'card', currency: 'BRL', createdAt: 0 };
    const cards = new Map([['acme/card', { ...card, status: 'active', callbackUrl } as const]]);
    queue.noteCardRead(request, asCardSays(request.asked, cards));
    return request;
  };
  expect(readCard(SENT.callback_url).isUnhurried).toBe(true);
  void queue.wait(asking(LATE));
  expect(takeOne(queue).isUnhurried).toBe(true);
  expect(readCard(null).isUnhurried).toBe(false);
  void queue.wait(asking(LATE));
  expect(take(queue)).toMatchObject({ batch: [], repeats: [{ isUnhurried: false }] });
});
