/** DESIGN §4: sagas name events by text alone; here the names meet the contracts and the services. */
import { expect, test } from 'vitest';
import { balancePayment } from '#sagas/balance-payment.ts';
import type { SagaDefinition } from '#sagas/saga.ts';
import { PAYMENT_STATUSES } from '#services/payments/payment.ts';
import { TOPOLOGY } from '../src/topology.ts';
import { loadEventContracts } from './event-contracts.ts';

const SAGAS: readonly SagaDefinition[] = [balancePayment];
/** Event types about an account, which no payment's saga waits for. */
const ABOUT_ACCOUNTS = /^account\./;

const contracts = loadEventContracts();
const serviceOf = new Map(contracts.map(({ type, service }) => [type, service]));

function eventsOf({ begins, stages, endings }: SagaDefinition): string[] {
  const ofStages = stages.flatMap(({ after, success, failures }) => [...after, success, ...failures]);
  return [...new Set([begins, ...ofStages, ...Object.keys(endings)])];
}

test.each(SAGAS)('every event of $name has a contract', (saga) => {
  expect(eventsOf(saga).filter((type) => !serviceOf.has(type))).toEqual([]);
});

test('every event that has a contract is known to a saga, or is about an account', () => {
  const known = new Set(SAGAS.flatMap(eventsOf));
  const unknown = [...serviceOf.keys()].filter((type) => !known.has(type) && !ABOUT_ACCOUNTS.test(type));
  expect(unknown).toEqual([]);
});

test.each(SAGAS)('each stage of $name ends by events of its own service', ({ stages }) => {
  const strange = stages.flatMap(({ name, service, success, failures }) =>
    [success, ...failures]
      .filter((type) => serviceOf.get(type) !== service)
      .map((type) => `${name}: ${type}`),
  );
  expect(strange).toEqual([]);
});

test.each(SAGAS)('each stage of $name reads the log that makes it due', ({ stages }) => {
  const topicsOf = new Map(TOPOLOGY.groups.map(({ group, topics }) => [group, topics]));
  const deaf = stages.flatMap(({ name, service, after }) =>
    after.filter((type) => !reads(topicsOf.get(service), type)).map((type) => `${name} after ${type}`),
  );
  expect(deaf).toEqual([]);
});

function reads(topics: readonly string[] | undefined, type: string): boolean {
  const emitter = serviceOf.get(type);
  return emitter !== undefined && topics?.includes(emitter) === true;
}

test.each(SAGAS)('the endings of $name are statuses that a payment can have', ({ endings }) => {
  for (const status of Object.values(endings)) expect(PAYMENT_STATUSES).toContain(status);
});
