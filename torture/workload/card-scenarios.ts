/** What is done with cards: as the network asks, which gives each request its deadline and asks again under the same id. */
import type { Random } from '../plan/random.ts';
import {
  CARDS,
  CATEGORIES,
  type Purchase,
  patiently,
  purchaseOrder,
  stepOrder,
  topUp,
} from './card-world.ts';
import type { Answer } from './order.ts';
import type { Act, Scenario } from './scenario.ts';

export const CARD_SCENARIOS: readonly Scenario[] = [
  { name: 'buy by card', weight: 16, draw: buy },
  { name: 'buy twice at once', weight: 4, draw: buyTwice },
  { name: 'buy and go away', weight: 4, draw: buyAndGoAway },
  { name: 'another purchase under the id', weight: 2, draw: buyAnother },
  { name: 'reverse a purchase', weight: 6, draw: reverse },
  { name: 'hold and capture', weight: 6, draw: holdAndCapture },
  { name: 'top a card up', weight: 2, draw: addMoney },
];

/** One card is hot. */
function drawPurchase(random: Random): Purchase {
  return {
    account: random.isHappening(0.4) ? (CARDS[0] ?? '') : random.pick(CARDS),
    totalAmount: random.between(1, 2000) / 100,
    mcc: random.pick(['5411', '5811', '5999']),
  };
}

/** None is asked for. */
const OWN_DEADLINE = 0;

/** Too tight for most, tight, what the product gives by itself, and loose; ms. */
function drawDeadline(random: Random): number | undefined {
  const deadlineMs = random.pick([25, 60, OWN_DEADLINE, OWN_DEADLINE, 1000, 3000]);
  return deadlineMs === OWN_DEADLINE ? undefined : deadlineMs;
}

/** A network that was told `07`, or nothing, may ask again. */
function buy(random: Random): Act {
  const purchase = drawPurchase(random);
  const deadlineMs = drawDeadline(random);
  const isAskedAgain = random.isHappening(0.3);
  return async ({ caller, name }) => {
    const order = purchaseOrder(name, purchase, deadlineMs);
    await caller.order(order);
    if (isAskedAgain) await caller.order(patiently(order));
  };
}

function buyTwice(random: Random): Act {
  const purchase = drawPurchase(random);
  const deadlineMs = drawDeadline(random);
  return async ({ caller, name }) => {
    const order = purchaseOrder(name, purchase, deadlineMs);
    await Promise.all([caller.order(order, 0), caller.order(order, 1)]);
  };
}

function buyAndGoAway(random: Random): Act {
  const purchase = drawPurchase(random);
  const afterMs = random.between(1, 40);
  const via = random.between(0, 1);
  const deadlineMs = drawDeadline(random);
  return ({ caller, name }) =>
    caller.try(purchaseOrder(name, purchase, deadlineMs), caller.urlOf(via), afterMs);
}

function buyAnother(random: Random): Act {
  const purchase = drawPurchase(random);
  const other = { ...purchase, totalAmount: purchase.totalAmount + 1 };
  return async ({ caller, name }) => {
    await Promise.all([
      caller.order(purchaseOrder(name, purchase), 0),
      caller.order(purchaseOrder(name, other), 1),
    ]);
  };
}

/** In full, in part, more than there is, and several at once, of both processes. Minor units. */
function reverse(random: Random): Act {
  const purchase = drawPurchase(random);
  const all = Math.round(purchase.totalAmount * 100);
  const half = Math.ceil(all / 2);
  const amounts = random.pick([[undefined], [all], [half], [half, half], [all, all], [half, all], [all + 1]]);
  return async ({ caller, name }) => {
    const id = approvedIn(await caller.order(purchaseOrder(name, purchase, 3000)));
    if (id === undefined) return;
    await Promise.all(
      amounts.map((amount, index) =>
        caller.order(stepOrder('card_reversal', `${name}-${index}`, { cardTransaction: id, amount }), index),
      ),
    );
  };
}

/** Captured, in part or not at all, given back, or both at once: one of them is first. */
function holdAndCapture(random: Random): Act {
  const purchase = { ...drawPurchase(random), capture: false };
  const all = Math.round(purchase.totalAmount * 100);
  const steps = random.pick([
    [],
    [['card_capture', undefined]],
    [['card_capture', Math.ceil(all / 2)]],
    [['card_capture', all + 1]],
    [['card_reversal', undefined]],
    [
      ['card_capture', undefined],
      ['card_reversal', undefined],
    ],
    [
      ['card_capture', undefined],
      ['card_capture', undefined],
    ],
  ] as const);
  return async ({ caller, name }) => {
    const id = approvedIn(await caller.order(purchaseOrder(name, purchase, 3000)));
    if (id === undefined) return;
    await Promise.all(
      steps.map(([operation, amount], index) =>
        caller.order(stepOrder(operation, `${name}-${index}`, { cardTransaction: id, amount }), index),
      ),
    );
  };
}

function addMoney(random: Random): Act {
  const card = random.pick(CARDS);
  const balances = { [random.pick(CATEGORIES)]: random.between(1, 5000) };
  return ({ caller, name }) => caller.order(topUp(name, card, balances));
}

function approvedIn(answer: Answer | undefined): string | undefined {
  if (answer === undefined) return undefined;
  const { id, code } = JSON.parse(answer.body) as { readonly id: string; readonly code: string };
  return code === '00' ? id : undefined;
}
