/**
 * What callers do, each scenario one small story. A scenario draws all its numbers first and then acts: what is asked does
 * not depend on when answers come, so a seed repeats it. Another kind of request is another entry of SCENARIOS.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { isFinal } from '../check/documents.ts';
import type { Random } from '../plan/random.ts';
import { CARD_SCENARIOS } from './card-scenarios.ts';
import type { HttpCaller } from './http-caller.ts';
import type { Answer, Order } from './order.ts';
import type { Act, Scenario } from './scenario.ts';
import { changeOrder, POOR, paymentOrder, RICH, SHOPS, transfer } from './world.ts';

/** How long a caller waits for a payment's end before it goes on without. */
const ENDS_WITHIN_MS = 8000;
const LOOK_EVERY_MS = 150;

export const SCENARIOS: readonly Scenario[] = [
  {
    name: 'pay from a balance',
    weight: 26,
    draw: (random) => payAndLook(drawTerms(random, { method: 'balance' }), drawPauses(random)),
  },
  {
    name: 'pay by a provider',
    weight: 26,
    draw: (random) => payAndLook(drawTerms(random, { method: 'gateway' }), drawPauses(random)),
  },
  {
    name: 'pay with too little',
    weight: 8,
    draw: (random) => payAndLook(drawTerms(random, { wallet_id: random.pick(POOR) }), drawPauses(random)),
  },
  {
    name: 'pay to nobody',
    weight: 2,
    draw: (random) => payAndLook(drawTerms(random, { service_id: 'nobody' }), []),
  },
  { name: 'give back', weight: 12, draw: giveBack },
  { name: 'cancel', weight: 8, draw: cancel },
  { name: 'send twice at once', weight: 6, draw: sendTwice },
  { name: 'another request under the key', weight: 3, draw: sendAnother },
  { name: 'the same reference', weight: 5, draw: sameReference },
  { name: 'send and go away', weight: 6, draw: goAway },
  { name: 'move money', weight: 4, draw: moveMoney },
  { name: 'look around', weight: 6, draw: lookAround },
  ...CARD_SCENARIOS,
];

type Terms = Readonly<Record<string, unknown>> & { readonly amount: number };

function drawTerms(random: Random, given: Readonly<Record<string, unknown>> = {}): Terms {
  return {
    wallet_id: random.pick(RICH),
    service_id: random.pick(SHOPS),
    method: random.pick(['balance', 'gateway']),
    amount: random.between(1, 1000),
    ...given,
  };
}

/** Between looks at a payment, ms. */
function drawPauses(random: Random): number[] {
  return Array.from({ length: random.between(0, 3) }, () => random.between(20, 600));
}

function payAndLook(terms: Terms, pausesMs: readonly number[]): Act {
  return async ({ caller, name }) => {
    const id = idIn(await caller.order(paymentOrder(name, terms)));
    for (const pauseMs of id === undefined ? [] : pausesMs) {
      await delay(pauseMs);
      await caller.look(`/v1/payments/${id}`);
    }
  };
}

/** In full, in part, more than there is, and several at once, of both processes. */
function giveBack(random: Random): Act {
  const terms = drawTerms(random);
  const half = Math.ceil(terms.amount / 2);
  const all = terms.amount;
  const amounts = random.pick([
    [all],
    [half],
    [half, half],
    [all, all],
    [half, all, half],
    [all + 1],
    [undefined],
  ]);
  return async ({ caller, name }) => {
    const id = idIn(await caller.order(paymentOrder(name, terms)));
    if (id === undefined || (await untilEnded(caller, id)) !== 'completed') return;
    const answers = await Promise.all(
      amounts.map((amount, index) => {
        const body = amount === undefined ? {} : { amount };
        return caller.order(changeOrder('refund', `${name}-back-${index}`, { payment: id, body }), index);
      }),
    );
    for (const refund of answers.map(idIn).filter((found) => found !== undefined))
      await caller.look(`/v1/refunds/${refund}`);
  };
}

function cancel(random: Random): Act {
  const terms = drawTerms(random, { method: random.pick(['balance', 'gateway', 'gateway']) });
  const afterMs = random.pick([0, 0, random.between(0, 50), random.between(0, 1500)]);
  return async ({ caller, name }) => {
    const id = idIn(await caller.order(paymentOrder(name, terms)));
    if (id === undefined) return;
    await delay(afterMs);
    await caller.order(changeOrder('cancel', `${name}-cancel`, { payment: id }));
    await caller.look(`/v1/payments/${id}`);
  };
}

function sendTwice(random: Random): Act {
  const terms = drawTerms(random);
  return async ({ caller, name }) => {
    const order = paymentOrder(name, terms);
    await Promise.all([caller.order(order, 0), caller.order(order, 1)]);
  };
}

function sendAnother(random: Random): Act {
  const terms = drawTerms(random);
  const isAtOnce = random.isHappening(0.5);
  return async ({ caller, name }) => {
    const other: Order = paymentOrder(name, { ...terms, amount: terms.amount + 1 });
    const first = caller.order(paymentOrder(name, terms), 0);
    if (!isAtOnce) await first;
    await Promise.all([first, caller.order(other, 1)]);
  };
}

/** Under keys of their own, at once or one after the other's end. */
function sameReference(random: Random): Act {
  const terms = drawTerms(random, { wallet_id: random.pick([...POOR, ...RICH.slice(0, POOR.length)]) });
  const isAtOnce = random.isHappening(0.6);
  return async ({ caller, name }) => {
    const orders = ['a', 'b'].map((part) => paymentOrder(`${name}-${part}`, { ...terms, reference: name }));
    const [first, second] = orders;
    if (first === undefined || second === undefined) return;
    const begun = caller.order(first, 0);
    const id = isAtOnce ? undefined : idIn(await begun);
    if (id !== undefined) await untilEnded(caller, id);
    await Promise.all([begun, caller.order(second, 1)]);
  };
}

/** Nobody waits for the answer; what became of it is asked at the end. */
function goAway(random: Random): Act {
  const terms = drawTerms(random);
  const afterMs = random.between(1, 40);
  const via = random.between(0, 1);
  return ({ caller, name }) => caller.try(paymentOrder(name, terms), caller.urlOf(via), afterMs);
}

function moveMoney(random: Random): Act {
  const [from = '', to = ''] = random.shuffle([...POOR, ...RICH.slice(0, POOR.length)]);
  const amount = random.between(1, 2000);
  return ({ caller, name }) => caller.order(transfer({ key: name, from, to, amount }));
}

function lookAround(random: Random): Act {
  const account = random.pick([...POOR, ...RICH, ...SHOPS]);
  const path = random.pick([
    `/v1/accounts/${account}`,
    `/v1/payments?limit=20&wallet_id=${random.pick(RICH)}`,
  ]);
  return ({ caller }) => caller.look(path);
}

async function untilEnded(caller: HttpCaller, id: string): Promise<string | undefined> {
  for (
    const endsAt = performance.now() + ENDS_WITHIN_MS;
    performance.now() < endsAt;
    await delay(LOOK_EVERY_MS)
  ) {
    const payment = await caller.read<{ status: string }>(`/v1/payments/${id}`);
    if (payment !== undefined && isFinal(payment.status)) return payment.status;
  }
  return undefined;
}

/** Of what was made; undefined after a refusal, or no answer. */
export function idIn(answer: Answer | undefined): string | undefined {
  if (answer === undefined || answer.status >= 300) return undefined;
  return (JSON.parse(answer.body) as { readonly id: string }).id;
}
