/** What becomes of what is seen, and of findings: pure. */
import { Ajv2020 } from 'ajv/dist/2020.js';
import { describe, expect, test } from 'vitest';
import { loadEventContracts } from '../../../tests/event-contracts.ts';
import {
  ATTEMPTS_MAX,
  decideSightings,
  type Sighting,
  type SightingsPlan,
  type StoredFinding,
  withdrawn,
} from './finding.ts';
import { evidenceIn, kindOf } from './proof-port.ts';
import { REPAIR_RULES, ruleOf } from './repair-rules.ts';
import {
  acknowledge,
  requestRepair,
  resolve,
  settleGone,
  settleParked,
  settleRepaired,
} from './settle-finding.ts';

const NOW = 1_700_000_000_000;
const DAY_MS = 86_400_000;
const PAYMENT = 'pay_01h455vb4pex5vsknk084sn02q';
const UUIDS = ['018f0000-0000-7000-8000-000000000001', '018f0000-0000-7000-8000-000000000002'];

function sighting(more: Partial<Sighting> = {}): Sighting {
  return {
    tenant: 'acme',
    kind: 'different_payment',
    subject: PAYMENT,
    key: 'wallet',
    evidence: ['payments/0/1'],
    detail: 'status is completed, not declined',
    source: 'audit',
    ...more,
  };
}

function finding(more: Partial<StoredFinding> = {}): StoredFinding {
  return {
    ...sighting(),
    uuid: '018f0000-0000-7000-8000-00000000000f',
    severity: 'error',
    state: 'open',
    attempts: 0,
    firstSeenAt: NOW - 1000,
    lastSeenAt: NOW - 1000,
    seen: 1,
    nextAttemptAt: NOW,
    closedBy: null,
    closedAt: null,
    reason: null,
    ...more,
  };
}

function closed(more: Partial<StoredFinding> = {}): StoredFinding {
  const at = { nextAttemptAt: null, closedAt: NOW - 1000 };
  return finding({ state: 'resolved', closedBy: 'key_1', ...at, ...more });
}

function decide(sightings: readonly Sighting[], known: readonly StoredFinding[] = []): SightingsPlan {
  return decideSightings(sightings, known, { now: NOW, uuids: UUIDS });
}

describe('what is seen', () => {
  test('for the first time is opened and told of, its repair due at once', () => {
    const { opened, drafts, actions } = decide([sighting()]);
    expect(opened).toMatchObject([{ state: 'open', attempts: 0, nextAttemptAt: NOW, severity: 'error' }]);
    expect(actions.map(({ action, actor }) => `${action} by ${actor}`)).toEqual(['opened by system']);
    expect(drafts).toMatchObject([
      {
        type: 'integrity.finding_opened',
        subject: PAYMENT,
        tenant: 'acme',
        key: 'wallet',
        causation: 'payments/0/1',
      },
    ]);
  });

  test('and has no rule waits for a person from the beginning, which is told too', () => {
    const { opened, drafts } = decide([sighting({ kind: 'out_of_order' })]);
    expect(opened).toMatchObject([{ state: 'parked', nextAttemptAt: null, severity: 'critical' }]);
    expect(drafts.map(({ type }) => type)).toEqual(['integrity.finding_opened', 'integrity.parked']);
  });

  test('and is of a kind that nobody knows waits for a person', () => {
    expect(decide([sighting({ kind: 'unheard_of' })]).opened).toMatchObject([{ state: 'parked' }]);
  });

  test('twice at once is one finding, with the evidence of both', () => {
    const { opened } = decide([sighting(), sighting({ evidence: ['payments/0/2'], detail: 'and more' })]);
    expect(opened).toMatchObject([
      { evidence: ['payments/0/1', 'payments/0/2'], detail: 'status is completed, not declined; and more' },
    ]);
  });

  test('of two tenants, or about two subjects, is two findings', () => {
    expect(decide([sighting(), sighting({ tenant: 'other' })]).opened).toHaveLength(2);
    expect(decide([sighting(), sighting({ subject: 'pay_2' })]).opened).toHaveLength(2);
  });

  test.each([{ tenant: 'other' }, { kind: 'different_refund' }, { subject: 'pay_2' }])(
    'is not hidden by a finding of %o',
    (other) => {
      expect(decide([sighting()], [finding(other)])).toMatchObject({ opened: [{}], seenAgain: [] });
    },
  );

  test.each(['open', 'repairing', 'parked', 'acknowledged'] as const)(
    'again while the finding is %s moves when it was seen, and nothing else',
    (state) => {
      const { opened, seenAgain, drafts, actions } = decide([sighting()], [finding({ state })]);
      expect([opened, drafts, actions]).toEqual([[], [], []]);
      expect(seenAgain).toEqual([{ uuid: finding().uuid, evidence: ['payments/0/1'] }]);
    },
  );

  test('U3: in the same events by a verdict is no new sight, whether the finding is live or closed', () => {
    const again = sighting({ kind: 'duplicate_stage', source: 'verdict' });
    const same = { kind: 'duplicate_stage', source: 'verdict' } as const;
    const nothing = { opened: [], seenAgain: [], actions: [], drafts: [] };
    expect(decide([again], [finding({ ...same, state: 'parked' })])).toEqual(nothing);
    expect(decide([again], [closed(same)])).toEqual(nothing);
    expect(decide([again], [closed({ ...same, closedBy: 'system' })])).toEqual(nothing);
    expect(decide([again], [closed({ ...same, evidence: ['payments/0/9'] }), closed(same)])).toEqual(nothing);
  });

  test.each([[['payments/0/9']], [['payments/0/1', 'payments/0/9']]])(
    'in %j by a verdict is a new sight, whatever was seen in one of them',
    (evidence) => {
      const same = { kind: 'duplicate_stage', source: 'verdict' } as const;
      const more = sighting({ ...same, evidence });
      expect(decide([more], [closed(same)]).opened).toHaveLength(1);
      expect(decide([more], [finding(same)]).seenAgain).toMatchObject([
        { evidence: ['payments/0/1', 'payments/0/9'] },
      ]);
    },
  );

  test('after a person has resolved it stays closed if it is a fact of the logs, and is opened anew if not', () => {
    const fact = { kind: 'wrong_root', subject: 'payments/0/1' };
    expect(decide([sighting(fact)], [closed(fact)]).opened).toEqual([]);
    expect(decide([sighting({ ...fact, evidence: ['payments/0/9'] })], [closed(fact)]).opened).toEqual([]);
    expect(decide([sighting(fact)], [closed({ ...fact, closedBy: 'system' })]).opened).toHaveLength(1);
    expect(decide([sighting()], [closed()]).opened).toMatchObject([{ attempts: 0 }]);
  });

  test('an abandoned stage that a person has resolved stays closed, and another of the same saga is opened', () => {
    const stage = { kind: 'abandoned_stage', source: 'stages' } as const;
    expect(decide([sighting(stage)], [closed(stage)]).opened).toEqual([]);
    const other = sighting({ ...stage, evidence: ['payments/0/9'] });
    expect(decide([other], [closed(stage)]).opened).toMatchObject([{ state: 'parked' }]);
  });

  test('that came and went by itself three times a day is a person’s the fourth time', () => {
    const gone = closed({ closedBy: 'system', attempts: 0 });
    expect(decide([sighting()], [gone, gone]).opened).toMatchObject([{ state: 'open', attempts: 2 }]);
    expect(decide([sighting()], [gone, gone, gone]).opened).toMatchObject([{ state: 'parked', attempts: 3 }]);
  });

  test.each([
    [1, DAY_MS - 1, 'open', 1],
    [ATTEMPTS_MAX, DAY_MS - 1, 'parked', ATTEMPTS_MAX],
    [ATTEMPTS_MAX, DAY_MS, 'open', 0],
  ] as const)(
    'again, repaired by %i attempts %i ms ago: %s with %i attempts behind it',
    (attempts, agoMs, state, left) => {
      const before = closed({ state: 'repaired', closedBy: 'system', attempts, closedAt: NOW - agoMs });
      expect(decide([sighting()], [before]).opened).toMatchObject([{ state, attempts: left }]);
    },
  );

  test('is cut to what the contract of its event takes', () => {
    const evidence = Array.from({ length: 80 }, (_, index) => `payments/0/${index}`);
    const { opened } = decide([sighting({ detail: 'x'.repeat(5000), evidence, subject: 's'.repeat(500) })]);
    expect(opened[0]?.detail).toHaveLength(1000);
    expect(opened[0]?.evidence).toHaveLength(50);
    expect(opened[0]?.subject).toHaveLength(200);
  });
});

describe('a finding', () => {
  test('that is gone before the first attempt went away by itself, and nothing was repaired', () => {
    const { finding: settled, drafts } = settleGone(
      finding({ state: 'repairing', attempts: 1 }),
      'gone',
      NOW,
    );
    expect(settled).toMatchObject({ state: 'resolved', closedBy: 'system', attempts: 0 });
    expect(drafts).toEqual([]);
  });

  test('that is gone after an attempt is repaired, and that is told', () => {
    const { finding: settled, drafts } = settleGone(
      finding({ state: 'repairing', attempts: 2 }),
      'gone',
      NOW,
    );
    expect(settled).toMatchObject({ state: 'repaired', attempts: 1, nextAttemptAt: null });
    expect(drafts).toMatchObject([{ type: 'integrity.repaired', data: { attempts: 1 } }]);
  });

  test('that an attempt repaired says what was done', () => {
    const { finding: settled, drafts } = settleRepaired(finding({ attempts: 1 }), 'made anew', NOW);
    expect(settled).toMatchObject({ state: 'repaired', reason: 'made anew', closedAt: NOW });
    expect(drafts).toMatchObject([{ type: 'integrity.repaired', data: { repair: 'made anew' } }]);
  });

  test('that is parked is due no more, stays live, and that is told with the attempts that were made', () => {
    const { finding: settled, drafts } = settleParked(finding({ attempts: ATTEMPTS_MAX + 1 }), 'no help');
    expect(settled).toMatchObject({ state: 'parked', nextAttemptAt: null, closedAt: null });
    expect(drafts).toMatchObject([{ type: 'integrity.parked', data: { attempts: ATTEMPTS_MAX } }]);
  });

  test('that a person acknowledges is repaired no more; that one resolves is closed; both keep who and why', () => {
    const by = { actor: 'key_1', reason: 'known', now: NOW };
    const taken = acknowledge(finding(), by);
    expect(taken).toMatchObject({
      ok: true,
      value: { finding: { state: 'acknowledged', nextAttemptAt: null } },
    });
    const done = resolve(finding({ state: 'acknowledged' }), by);
    expect(done).toMatchObject({
      ok: true,
      value: {
        finding: { state: 'resolved', closedBy: 'key_1', reason: 'known' },
        actions: [{ actor: 'key_1', action: 'resolved', detail: 'known' }],
      },
    });
  });

  test.each(['repaired', 'resolved'] as const)(
    'that is %s already is neither acknowledged nor resolved',
    (state) => {
      const by = { actor: 'key_1', reason: 'known', now: NOW };
      const refusal = { ok: false, problem: { code: 'integrity.finding_closed' } };
      expect(acknowledge(closed({ state }), by)).toMatchObject(refusal);
      expect(resolve(closed({ state }), by)).toMatchObject(refusal);
    },
  );

  test('whose repair an operator asks for begins anew; one without a rule, or closed, does not', () => {
    const parked = finding({ state: 'parked', attempts: ATTEMPTS_MAX, nextAttemptAt: null });
    expect(requestRepair(parked, NOW)?.finding).toMatchObject({
      state: 'open',
      attempts: 0,
      nextAttemptAt: NOW,
    });
    expect(requestRepair(finding({ kind: 'out_of_order' }), NOW)).toBeUndefined();
    expect(requestRepair(closed(), NOW)).toBeUndefined();
  });

  test('of a verdict is withdrawn when the verdict of now has none of its kind', () => {
    const stage = finding({ kind: 'duplicate_stage', source: 'verdict', state: 'parked' });
    const known = [stage, finding()];
    const verdict = { subject: PAYMENT, findings: [] as { kind: string }[] };
    expect(withdrawn([verdict], known)).toEqual([stage]);
    expect(withdrawn([{ ...verdict, findings: [{ kind: 'duplicate_stage' }] }], known)).toEqual([]);
    expect(withdrawn([{ ...verdict, subject: 'pay_2' }], known)).toEqual([]);
  });
});

describe('what is told', () => {
  const ajv = new Ajv2020({ strict: true, allErrors: true });
  const contracts = loadEventContracts().filter(({ service }) => service === 'integrity');
  const validators = new Map(contracts.map(({ type, schema }) => [type, ajv.compile(schema)]));
  const long = { detail: '\u{1F4B8}'.repeat(2000), subject: 's'.repeat(500) };
  const drafts = [
    ...decide([sighting(), sighting({ kind: 'wrong_root', ...long })]).drafts,
    ...settleRepaired(finding({ attempts: 1 }), long.detail, NOW).drafts,
    ...settleParked(finding({ attempts: 4 }), long.detail).drafts,
  ];

  test('P8: is what the contracts say, however long it is', () => {
    const faults = drafts.flatMap(({ type, data }) => {
      const isValid = validators.get(type);
      return isValid?.(JSON.parse(JSON.stringify(data))) === true ? [] : [type, isValid?.errors];
    });
    expect(faults).toEqual([]);
    expect(new Set(drafts.map(({ type }) => type)).size).toBe(contracts.length);
  });

  test('R6: has no half of a character', () => {
    expect(
      drafts.filter(
        ({ data }) => !JSON.stringify(data).isWellFormed() || /\\ud[89ab]/.test(JSON.stringify(data)),
      ),
    ).toEqual([]);
  });
});

describe('the rules', () => {
  test('repair nothing of logs, entries and postings (RR2)', () => {
    const untouchable = /^(?:missing|different|extra)_(?:entry|posting|event|batch)$|_chain$|_root$|_head$/;
    const repaired = Object.keys(REPAIR_RULES).filter((kind) => ruleOf(kind).repair !== undefined);
    expect(repaired.filter((kind) => untouchable.test(kind))).toEqual([]);
  });

  test.each([
    ['repeated_event', 'duplicate_stage'],
    ['second_outcome', 'duplicate_stage'],
    ['event_out_of_line', 'out_of_order'],
    ['different_last_posting', 'different_balance'],
    ['missing_hold', 'missing_hold'],
  ])('what a proof calls %s is %s', (kind, expected) => {
    expect(kindOf({ kind })).toBe(expected);
    expect(Object.keys(REPAIR_RULES)).toContain(expected);
  });

  test('evidence is every place of a log that is named', () => {
    const detail =
      'payment.completed at authorization/0/3 follows from ledger/0/2, or from authorization/0/3';
    expect(evidenceIn({ subject: PAYMENT, detail })).toEqual(['authorization/0/3', 'ledger/0/2']);
    expect(evidenceIn({ subject: 'payments/3/1041', detail: '' })).toEqual(['payments/3/1041']);
  });
});
