/** DESIGN §4: sagas name events by text alone; here the names meet the contracts and the services. */
import { expect, test } from 'vitest';
import { ALL_SAGAS, PAYMENT_SAGAS } from '#sagas/definitions.ts';
import { eventTypesOf, outcomesOf } from '#sagas/saga.ts';
import { SAGA_EVENTS, SAGA_TOPICS } from '#services/integrity/seen-event.ts';
import { PAYMENT_STATUSES } from '#services/payments/payment.ts';
import { TOPOLOGY } from '../src/topology.ts';
import { loadEventContracts } from './event-contracts.ts';

/** About an account or a day of it, what is decided in one commit (a card, a cash entry), an endpoint and its deliveries, or what is wrong with something. */
const OF_NO_SAGA =
  /^(?:account\.|card\.|merchant_rules\.|cash_entry\.|day\.|webhook_endpoint\.|notification\.exhausted$|integrity\.)/;

const contracts = loadEventContracts();
const serviceOf = new Map(contracts.map(({ type, service }) => [type, service]));

test.each(ALL_SAGAS)('every event of $name has a contract', (saga) => {
  expect(eventTypesOf(saga).filter((type) => !serviceOf.has(type))).toEqual([]);
});

test('every event that has a contract is known to a saga, or is about what has none', () => {
  const known = new Set(ALL_SAGAS.flatMap(eventTypesOf));
  const unknown = [...serviceOf.keys()].filter((type) => !known.has(type) && !OF_NO_SAGA.test(type));
  expect(unknown).toEqual([]);
});

test.each(ALL_SAGAS)('each stage of $name ends by events of its own service', ({ stages }) => {
  const strange = stages.flatMap((stage) =>
    outcomesOf(stage)
      // Of a service with several groups each is named behind its own name: `hub.rules`.
      .filter((type) => serviceOf.get(type) !== stage.service.split('.')[0])
      .map((type) => `${stage.name}: ${type}`),
  );
  expect(strange).toEqual([]);
});

test.each(ALL_SAGAS)('each stage of $name reads the log that makes it due', ({ stages }) => {
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

test('the statuses that sagas of payments give are statuses that a payment can have', () => {
  const given = Object.values(PAYMENT_SAGAS).flatMap(({ endings, standings }) =>
    Object.values({ ...endings, ...standings }),
  );
  expect(given.filter((status) => !(PAYMENT_STATUSES as readonly string[]).includes(status))).toEqual([]);
});

test('integrity reads the newest version of every event of every saga, in its own topic', () => {
  for (const [type, version] of SAGA_EVENTS) {
    const versions = contracts
      .filter((contract) => contract.type === type)
      .map((contract) => contract.version);
    expect([type, Math.max(...versions)]).toEqual([type, version]);
    expect(SAGA_TOPICS).toContain(serviceOf.get(type));
  }
  expect(TOPOLOGY.groups.find(({ group }) => group === 'integrity')?.topics).toEqual(SAGA_TOPICS);
});
