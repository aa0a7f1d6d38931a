/** The checker finds each lie about cards that is planted in a history, and nothing in one that is sound. */
import { expect, test } from 'vitest';
import { checkHistory } from './check-history.ts';
import { account, type Document, Tale } from './history-fixture.ts';

const PATH = '/v1/card-transactions';
const BODY = { id: 'n1', account: 'c', totalAmount: 12.34, mcc: '5811' };
const APPROVED = { id: 'ctx_1', code: '00', category: 'MEAL' };
const LATE = { id: 'ctx_9', code: '07', category: null };

const ROW = {
  id: 'ctx_1',
  account: 'c',
  external_id: 'n1',
  amount: 1234,
  currency: 'BRL',
  code: '00',
  category: 'MEAL',
  state: 'captured',
  captured: 1234,
  reversed: 0,
};

/** A card with 50.00. */
function funded(): Tale {
  const body = { account: 'c', currency: 'BRL', balances: { MEAL: 5000 } };
  return new Tale().order('card', 'open', { path: '/v1/cards', body, status: 201, answer: {} });
}

function asked(tale: Tale, answer: Document | undefined, body: Document = BODY): Tale {
  return answer === undefined
    ? tale.lost('card_transaction', 'n1', { path: PATH, body })
    : tale.order('card_transaction', 'n1', { path: PATH, body, status: 200, answer });
}

function ended(
  tale: Tale,
  rows: readonly Document[],
  { spent = 1234, held = 0, unconfirmed = [] as readonly Document[] } = {},
): Tale {
  tale.settled().look('/v1/payments?limit=500', { data: [], next_cursor: null });
  tale.look(`${PATH}?confirmation=unconfirmed&limit=500`, { data: unconfirmed, next_cursor: null });
  tale.look(`${PATH}?limit=500`, { data: rows, next_cursor: null });
  tale.look('/v1/accounts/c:MEAL', account('c:MEAL', 5000 - spent, held));
  const external = { 'card-funding-BRL': -5000, 'card-settlement-BRL': spent };
  for (const [id, posted] of Object.entries(external))
    tale.look(`/v1/accounts/${id}`, { ...account(id, posted), floor: null });
  return tale;
}

async function rulesBroken(tale: Tale): Promise<string[]> {
  const { findings } = await checkHistory(tale.records);
  return findings.map(({ rule, subject }) => `${rule} ${subject}`);
}

test('K5: approved, told, and debited once is sound', async () => {
  expect(await rulesBroken(ended(asked(funded(), APPROVED), [ROW]))).toEqual([]);
});

test('K5: declined is sound, and so is late at first and approved when it was asked again', async () => {
  const declined = { ...ROW, code: '51', state: 'declined', captured: 0 };
  expect(
    await rulesBroken(ended(asked(funded(), { ...APPROVED, code: '51' }), [declined], { spent: 0 })),
  ).toEqual([]);
  const late = { ...ROW, id: 'ctx_9', code: '07', state: 'declined', captured: 0 };
  expect(await rulesBroken(ended(asked(asked(funded(), LATE), APPROVED), [ROW, late]))).toEqual([]);
});

test('K5: given back because it was late is sound', async () => {
  const undone = { ...ROW, code: '07', reversed: 1234 };
  expect(await rulesBroken(ended(asked(funded(), LATE), [undone], { spent: 0 }))).toEqual([]);
});

test('T10: approved, and not debited', async () => {
  expect(await rulesBroken(ended(asked(funded(), APPROVED), [], { spent: 0 }))).toEqual(['T10 n1']);
});

test('T10: answered 07, and debited', async () => {
  expect(await rulesBroken(ended(asked(funded(), LATE), [ROW]))).toEqual(['T10 n1']);
});

test('T10: debited twice', async () => {
  const twice = [ROW, { ...ROW, id: 'ctx_2' }];
  expect(await rulesBroken(ended(asked(funded(), APPROVED), twice, { spent: 2468 }))).toEqual(['T10 n1']);
});

test('T10: unanswered, debited, and not settled by a repeat', async () => {
  expect(await rulesBroken(ended(asked(funded(), undefined), [ROW]))).toEqual(['T10 n1']);
  expect(await rulesBroken(ended(asked(asked(funded(), undefined), APPROVED), [ROW]))).toEqual([]);
});

test('T10: a repeat is answered otherwise than the first', async () => {
  const other = { ...APPROVED, category: 'FOOD' };
  expect(await rulesBroken(ended(asked(asked(funded(), APPROVED), other), [ROW]))).toContain('T10 n1');
});

test('K7: a repeat may be told 07 while faults go on, and not when everything has settled', async () => {
  expect(await rulesBroken(ended(asked(asked(funded(), APPROVED), LATE), [ROW]))).toEqual([]);
  expect(await rulesBroken(asked(ended(asked(funded(), APPROVED), [ROW]), LATE))).toEqual(['T10 n1']);
});

test('T10: of two copies at once one may be told 07', async () => {
  const tale = funded();
  const [first, second] = [801, 802];
  const sent = { operation: 'card_transaction', key: 'n1', path: PATH, body: JSON.stringify(BODY) } as const;
  tale.records.push({ type: 'asked', call: first, ...sent }, { type: 'asked', call: second, ...sent });
  tale.records.push({ type: 'answered', call: first, status: 200, body: JSON.stringify(APPROVED) });
  tale.records.push({ type: 'answered', call: second, status: 200, body: JSON.stringify(LATE) });
  expect(await rulesBroken(ended(tale, [ROW]))).toEqual([]);
});

test.each([
  ['another amount', { amount: 1235 }],
  ['another balance', { category: 'FOOD' }],
  ['another card', { account: 'd' }],
])('T10: it stands with %s', async (_what, change) => {
  const found = await rulesBroken(ended(asked(funded(), APPROVED), [{ ...ROW, ...change }]));
  expect(found).toContain('T10 n1');
});

test('T10: nobody asked for it, or the list has no end', async () => {
  expect(await rulesBroken(ended(funded(), [ROW]))).toEqual(['T10 ctx_1']);
  const tale = asked(funded(), APPROVED).settled();
  expect(await rulesBroken(tale)).toContain('T10 card transactions');
});

test('T10: a code of another kind than 200 and 503', async () => {
  const tale = funded().order('card_transaction', 'n1', { path: PATH, body: BODY, status: 500, answer: {} });
  expect(await rulesBroken(ended(asked(tale, APPROVED), [ROW]))).toHaveLength(1);
});

function reversed(tale: Tale, amount: number): Tale {
  const answer = { ...ROW, reversed: amount };
  return tale.order('card_reversal', 'r', { path: `${PATH}/ctx_1/reversal`, body: {}, status: 200, answer });
}

test('T11: more is given back than the answers say, or less', async () => {
  const given = (amount: number) => [{ ...ROW, reversed: amount }];
  const tale = (): Tale => reversed(asked(funded(), APPROVED), 234);
  expect(await rulesBroken(ended(tale(), given(234), { spent: 1000 }))).toEqual([]);
  expect(await rulesBroken(ended(tale(), given(235), { spent: 999 }))).toEqual(['T11 ctx_1']);
  expect(await rulesBroken(ended(tale(), given(0)))).toEqual(['T11 ctx_1']);
});

test('T11: a hold is there until somebody captures it', async () => {
  const body = { ...BODY, capture: false };
  const held = { ...ROW, state: 'held', captured: 0 };
  const tale = (): Tale => asked(funded(), APPROVED, body);
  expect(await rulesBroken(ended(tale(), [held], { spent: 0, held: 1234 }))).toEqual([]);
  expect(await rulesBroken(ended(tale(), [ROW]))).toEqual(['T11 ctx_1']);
});

test('T11: a decline that keeps money', async () => {
  const kept = { ...ROW, code: '07' };
  expect(await rulesBroken(ended(asked(funded(), LATE), [kept]))).toEqual(['T11 ctx_1']);
});

test('T11: a verdict that is not complete', async () => {
  const tale = ended(asked(funded(), APPROVED), [ROW]);
  tale.look(`${PATH}/ctx_1/verdict`, { verdict: 'broken', findings: [] });
  expect(await rulesBroken(tale)).toEqual(['T11 ctx_1']);
});

test('T11: a card transaction without a verdict', async () => {
  const tale = ended(asked(funded(), APPROVED), [ROW]);
  tale.look(`${PATH}/ctx_1/verdict`, { code: 'not_found' }, 404);
  expect(await rulesBroken(tale)).toEqual(['T11 ctx_1']);
});

test('T12: an approval is left unconfirmed', async () => {
  const tale = ended(asked(funded(), APPROVED), [ROW], { unconfirmed: [ROW] });
  expect(await rulesBroken(tale)).toEqual(['T12 ctx_1']);
});

test('T7: a cent more was debited than the answers promise', async () => {
  expect(await rulesBroken(ended(asked(funded(), APPROVED), [ROW], { spent: 1235 }))).toEqual([
    'T7 c:MEAL',
    'T7 card-settlement-BRL',
  ]);
});
