/** U11: by none of the contracts can an edit of a dead letter tell anything new but in texts for people. */
import { describe, expect, test } from 'vitest';
import type { FieldProblem } from '#kernel/problem.ts';
import { AGREED_MEMBERS, FREE_MEMBERS, objectionTo } from '#platform/dead-letters/edit-data.ts';
import type { JsonObject, LogEvent } from '#platform/log/event.ts';
import { EventContracts } from '#platform/log/event-contracts.ts';
import { type EventContract, loadEventContracts } from './event-contracts.ts';

const CONTRACTS = loadEventContracts().map(
  (contract) => [`${contract.type}.v${contract.version}`, contract] as const,
);
const TERMS: JsonObject = {
  wallet_id: 'w',
  service_id: 's',
  amount: 100,
  currency: 'USD',
  method: 'balance',
};

function eventOf({ service, type, version }: EventContract, position: number, data: JsonObject): LogEvent {
  return {
    topic: service,
    partition: 0,
    position,
    type,
    version,
    subject: 'pay_1',
    tenant: 'acme',
    key: 'wallet',
    data,
    correlationId: 'cor_1',
    causation: 'req_1',
    traceparent: null,
    occurredAt: 0,
  };
}

function membersOf({ schema }: EventContract): string[] {
  return Object.keys(schema.properties ?? {});
}

/** Of every member that the contract knows; whether the values keep the contract is told to the judge. */
function tell({ schema }: EventContract, word: string): JsonObject {
  return Object.fromEntries(
    Object.keys(schema.properties ?? {}).map((member) => [member, `${word} ${member}`]),
  );
}

interface Case {
  readonly data: JsonObject;
  readonly original: JsonObject;
  /** What the other event of the subject tells; it is of the same type. */
  readonly other: JsonObject;
  /** Members that the original lacks, or has malformed. */
  readonly broken?: readonly string[];
}

function pointersOf(contract: EventContract, { data, original, other, broken = [] }: Case) {
  const originalFaults: FieldProblem[] = broken.map((member) => ({
    pointer: `/data/${member}`,
    code: 'required',
    detail: 'is required',
  }));
  const timeline = [eventOf(contract, 1, other), eventOf(contract, 2, original)];
  const edit = { data, original: eventOf(contract, 2, original), timeline, faults: [], originalFaults };
  const refusal = objectionTo(edit);
  if (refusal === undefined) return [];
  expect(refusal.code).toBe('dead_letters.terms_changed');
  return refusal.errors?.map(({ pointer }) => pointer);
}

function without(data: JsonObject, member: string): JsonObject {
  return Object.fromEntries(Object.entries(data).filter(([name]) => name !== member));
}

describe.each(CONTRACTS)('U11: an edit of %s', (_name, contract) => {
  const original = tell(contract, 'this');
  const other = tell(contract, 'other');
  const guarded = membersOf(contract).filter((member) => !FREE_MEMBERS.has(member));

  test('E2: changes no member outside the free ones, not even to what another event of the subject tells', () => {
    for (const member of guarded) {
      for (const value of ['new', other[member] ?? null, null])
        expect(pointersOf(contract, { data: { ...original, [member]: value }, original, other })).toEqual([
          `/data/${member}`,
        ]);
    }
  });

  test('E2: takes no member away, and adds none that is optional', () => {
    for (const member of guarded) {
      const less = without(original, member);
      expect(pointersOf(contract, { data: less, original, other })).toEqual([`/data/${member}`]);
      expect(
        pointersOf(contract, { data: { ...less, [member]: other[member] ?? null }, original: less, other }),
      ).toEqual([`/data/${member}`]);
    }
  });

  test('E3: brings back the agreed terms alone, as the other event tells them', () => {
    const tellsTerms = Object.keys(TERMS).every((member) => guarded.includes(member));
    for (const member of guarded) {
      const isAgreed = tellsTerms && AGREED_MEMBERS.has(member);
      for (const left of [without(original, member), { ...original, [member]: {} }]) {
        const base = { original: left, other, broken: [member] };
        const told = { ...base, data: { ...left, [member]: other[member] ?? null } };
        expect(pointersOf(contract, told)).toEqual(isAgreed ? [] : [`/data/${member}`]);
        const made = { ...base, data: { ...left, [member]: 'new' } };
        expect(pointersOf(contract, made)).toEqual([`/data/${member}`]);
      }
    }
  });

  test('E2: changes, adds and takes away the free ones', () => {
    for (const member of membersOf(contract).filter((name) => FREE_MEMBERS.has(name))) {
      expect(pointersOf(contract, { data: { ...original, [member]: 'new' }, original, other })).toEqual([]);
      expect(pointersOf(contract, { data: original, original: without(original, member), other })).toEqual(
        [],
      );
      expect(pointersOf(contract, { data: without(original, member), original, other })).toEqual([]);
    }
  });
});

test('E3: by the real contracts, a term that is missing or malformed is brought back, and one that is well-formed is not', () => {
  const contracts = new EventContracts(
    (topic) => new URL(`../src/services/${topic}/events/`, import.meta.url),
  );
  const contract = CONTRACTS.find(
    ([, { type, version }]) => type === 'payment.validated' && version === 2,
  )?.[1] as EventContract;
  const codeOf = (stored: JsonObject) => {
    const original = eventOf(contract, 2, stored);
    const faults = contracts.faultsOf(original, TERMS, '/data');
    const originalFaults = contracts.faultsOf(original, stored, '/data');
    const timeline = [eventOf(contract, 1, TERMS), original];
    return objectionTo({ data: TERMS, original, timeline, faults, originalFaults })?.code;
  };
  for (const member of Object.keys(TERMS)) {
    const codes = [without(TERMS, member), { ...TERMS, [member]: null }].map(codeOf);
    expect([member, ...codes]).toEqual([member, undefined, undefined]);
  }
  expect(codeOf({ ...TERMS, amount: '100' })).toBeUndefined();
  expect(codeOf({})).toBeUndefined();
  expect(codeOf({ ...TERMS, amount: 99 })).toBe('dead_letters.terms_changed');
  expect(codeOf({ ...TERMS, wallet_id: 'v' })).toBe('dead_letters.terms_changed');
});
