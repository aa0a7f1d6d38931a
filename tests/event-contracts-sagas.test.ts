/** P8: what the coordinator and the ledger say, wherever a payment or a refund stands and whatever comes, is what the contracts say. */
import { Ajv2020 } from 'ajv/dist/2020.js';
import { expect, test } from 'vitest';
import { isRfc3339 } from '#platform/http/instants.ts';
import type { LogEvent } from '#platform/log/event.ts';
import { loadEventContracts } from './event-contracts.ts';
import type { SagaScenario } from './saga-scenario.ts';
import { BALANCE, EVENTS, type EventName, GATEWAY, given, make, TOLD } from './told-events.ts';

const ajv = new Ajv2020({ strict: true, allowUnionTypes: true, allErrors: true });
ajv.addFormat('date-time', isRfc3339);
const validators = new Map(
  loadEventContracts().map(({ service, type, version, schema }) => [
    `${service} ${type}/${version}`,
    ajv.compile(schema),
  ]),
);

/** What the contract of an event says against it. */
function faultsOf({ topic, type, version, data }: LogEvent): unknown[] {
  const name = `${topic} ${type}/${version}`;
  const isValid = validators.get(name);
  if (isValid === undefined) return [`no contract of ${name}`];
  return isValid(JSON.parse(JSON.stringify(data))) ? [] : [name, data, ...(isValid.errors ?? [])];
}

/** From every state, after every event: what was said by ours, and what the test says of the others. */
function everything(): LogEvent[] {
  const paths: (readonly ['gateway' | 'balance', readonly EventName[]])[] = [
    ...Object.values(GATEWAY).map((path) => ['gateway', path] as const),
    ...Object.values(BALANCE).map((path) => ['balance', path] as const),
  ];
  return paths.flatMap(([method, path]) =>
    EVENTS.flatMap((name) => {
      const s = given(method, path);
      s.coordinate(make(s, name));
      return s.log.map((event) => asSent(s, event));
    }),
  );
}

/** Forged in a hurry: validation tells terms in the version of their method, the ledger posts by itself. */
function asSent({ terms }: SagaScenario, event: LogEvent): LogEvent {
  const version = event.type === 'payment.validated' && terms.method === 'gateway' ? 2 : event.version;
  return { ...event, version };
}

function isForged({ topic, data }: LogEvent): boolean {
  return (
    topic === 'ledger' && (data['postings'] === undefined || (data['postings'] as unknown[]).length === 0)
  );
}

test('of payments', () => {
  const events = everything().filter((event) => !isForged(event));
  expect(events.flatMap(faultsOf)).toEqual([]);
  const said = new Set(events.filter(({ topic }) => topic === 'authorization').map(({ type }) => type));
  const known = loadEventContracts().filter(
    ({ service, type }) => service === 'authorization' && type.startsWith('payment.'),
  );
  expect([...said].toSorted()).toEqual([...new Set(known.map(({ type }) => type))].toSorted());
});

test.each(['balance', 'gateway'] as const)(
  'of refunds of %s payments, also those that are refused',
  (method) => {
    const events: LogEvent[] = [];
    for (const words of [[], ['refunded'], ['refund refused'], ['refund unresolved', 'refunded']] as const) {
      for (const end of ['posted', 'refused', 'declined'] as const) {
        const s = given(method, method === 'gateway' ? GATEWAY.completed : BALANCE.completed);
        const amount = end === 'declined' ? s.terms.amount + 1 : s.terms.amount;
        const terms = { payment_id: s.payment, ...s.terms, amount };
        s.coordinate(s.tell('validation', 'refund.validated', terms, s.refund));
        for (const word of words) {
          const [topic, type, data] = TOLD[word];
          s.coordinate(s.tell(topic, type, data, s.refund));
        }
        if (end === 'refused') s.books.find('acme', 'wallet')!.status = 'closed';
        const answer = s.post(s.log.at(-1) as LogEvent);
        if (answer !== undefined) s.coordinate(answer);
        events.push(...s.log.filter(({ subject }) => subject === s.refund));
      }
    }
    expect(events.flatMap(faultsOf)).toEqual([]);
    const said = new Set(events.filter(({ topic }) => topic === 'authorization').map(({ type }) => type));
    const gatewayOnly = ['refund.confirmed', 'refund.reconciliation_required'];
    expect([...said].toSorted()).toEqual([
      'refund.authorized',
      'refund.completed',
      ...(method === 'gateway' ? [gatewayOnly[0]] : []),
      'refund.declined',
      'refund.failed',
      ...(method === 'gateway' ? [gatewayOnly[1]] : []),
    ]);
  },
);
