import { expect, test } from 'vitest';
import { readCardTransaction } from './read-card-transaction.ts';
import { giveUpEndless, type WaitingRequest } from './waiting-request.ts';

const FAULT = new Error('the database is away');
const SENT = { callback_url: 'https://network.example/answers' };

/** And what it is told, in a word. */
function waiting(is: Partial<WaitingRequest> = {}, said: object = {}) {
  const body = { account: 'card', totalAmount: 1, mcc: '5811', merchant: 'PADARIA', ...said };
  const heard: unknown[] = [];
  const request: WaitingRequest = {
    asked: {
      tenant: 'acme',
      uuid: '0198c0de-0000-7000-8000-000000000001',
      reading: readCardTransaction(Buffer.from(JSON.stringify(body)), { reach: 'public' }),
      arrivedAt: 0,
      deadlineMs: 100,
      isGone: () => false,
      correlationId: 'cor',
      causation: 'req',
      traceparent: null,
    },
    resolve: (authorized) => heard.push(authorized),
    reject: (error) => heard.push(error),
    wasLocked: false,
    wasLookedFor: false,
    isContested: false,
    isUnhurried: false,
    ...is,
  };
  return { request, heard };
}

test('of a batch that a stop finds undone, whom no deadline ends hears of the fault; the others are decided, or late', () => {
  const [hurried, locked] = [waiting(), waiting({ wasLocked: true })];
  const endless = [waiting({ isContested: true }), waiting({ isUnhurried: true }), waiting({}, SENT)];
  const batch = [hurried, ...endless, locked].map(({ request }) => request);
  expect(giveUpEndless(batch, FAULT)).toEqual([hurried.request, locked.request]);
  expect(endless.map(({ heard }) => heard)).toEqual([[FAULT], [FAULT], [FAULT]]);
  expect([hurried.heard, locked.heard]).toEqual([[], []]);
});
