/** The deciders against a plain model: numbers in a record, and the rules of K2 to K6 said once more in few words. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type Account, accountRef, Books } from '#services/ledger/contract.ts';
import { authorizeCardTransaction, type CardBatch } from './authorize-card-transaction.ts';
import {
  balanceAccountId,
  CATEGORIES,
  type Card,
  type Category,
  cardRef,
  fundingAccountId,
  settlementAccountId,
} from './card.ts';
import type { CardTransaction } from './card-transaction.ts';
import { fund } from './create-card.ts';
import { capture, release, reverse } from './give-back.ts';
import { MerchantRules, NO_RULES } from './merchant-rules.ts';
import { readCardTransaction } from './read-card-transaction.ts';

const TENANT = 'acme';
const MERCHANTS = ['UBER EATS                   SAO PAULO BR', 'PADARIA', 'uber trip  RIO'];
const MCCS = ['5411', '5811', '5999'];
const BY_CODE: Readonly<Record<string, Category>> = { '5411': 'FOOD', '5811': 'MEAL' };

type Step =
  | { readonly do: 'top_up'; readonly category: Category; readonly amount: number }
  | {
      readonly do: 'buy';
      readonly cents: number;
      readonly mcc: string;
      readonly merchant: string;
      readonly capture: boolean;
      readonly id: string | null;
    }
  | { readonly do: 'reverse' | 'capture'; readonly which: number; readonly amount: number | null }
  | { readonly do: 'expire'; readonly which: number }
  | { readonly do: 'rule'; readonly of: Category | null }
  | { readonly do: 'block'; readonly blocked: boolean };

const which = fc.nat(20);
const amounts = fc.option(fc.integer({ min: 1, max: 60 }));
const steps: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 2,
    arbitrary: fc.record({
      do: fc.constant('top_up' as const),
      category: fc.constantFrom(...CATEGORIES),
      amount: fc.integer({ min: 1, max: 80 }),
    }),
  },
  {
    weight: 8,
    arbitrary: fc.record({
      do: fc.constant('buy' as const),
      cents: fc.integer({ min: 0, max: 60 }),
      mcc: fc.constantFrom(...MCCS),
      merchant: fc.constantFrom(...MERCHANTS),
      capture: fc.boolean(),
      id: fc.option(fc.constantFrom('a', 'b', 'c', 'd')),
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      do: fc.constantFrom('reverse' as const, 'capture' as const),
      which,
      amount: amounts,
    }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('expire' as const), which }) },
  {
    weight: 1,
    arbitrary: fc.record({ do: fc.constant('rule' as const), of: fc.option(fc.constantFrom(...CATEGORIES)) }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('block' as const), blocked: fc.boolean() }) },
);

/** What is known of one purchase that was approved. */
interface Bought {
  readonly category: Category;
  readonly amount: number;
  /** Whether the amount was set aside first. */
  readonly isHeldFirst: boolean;
  state: 'held' | 'captured' | 'released' | 'expired';
  spent: number;
  reversed: number;
}

class Model {
  readonly available: Record<Category, number> = { FOOD: 0, MEAL: 0, CASH: 0 };
  readonly bought: Bought[] = [];
  readonly answers = new Map<string, { readonly what: string; readonly code: string }>();
  rule: Category | null = null;
  isBlocked = false;
  put = 0;
  /** With the merchants, less what came back. */
  settled = 0;

  buy(step: Extract<Step, { do: 'buy' }>): string {
    const what = JSON.stringify({ ...step, merchant: step.merchant });
    const known = step.id === null ? undefined : this.answers.get(step.id);
    if (known !== undefined) return known.what === what ? known.code : '07';
    const code = this.#decide(step);
    if (step.id !== null) this.answers.set(step.id, { what, code });
    return code;
  }

  #decide({ cents, mcc, merchant, capture: isCaptured }: Extract<Step, { do: 'buy' }>): string {
    if (cents === 0 || this.isBlocked) return '07';
    const ruled = merchant.startsWith('UBER EATS') ? this.rule : null;
    const category = [ruled ?? BY_CODE[mcc] ?? 'CASH', 'CASH' as const].find(
      (each) => this.available[each] >= cents,
    );
    if (category === undefined) return '51';
    this.available[category] -= cents;
    this.bought.push({
      category,
      amount: cents,
      isHeldFirst: !isCaptured,
      state: isCaptured ? 'captured' : 'held',
      spent: isCaptured ? cents : 0,
      reversed: 0,
    });
    if (isCaptured) this.settled += cents;
    return '00';
  }

  reverse(bought: Bought, wanted: number | null, how: 'released' | 'expired' = 'released'): boolean {
    const isHeld = bought.state === 'held';
    const left = isHeld ? bought.amount : bought.spent - bought.reversed;
    const amount = wanted ?? left;
    if (left === 0 || amount > left || (isHeld && amount < left)) return false;
    this.available[bought.category] += amount;
    if (isHeld) {
      bought.state = how;
    } else {
      bought.reversed += amount;
      this.settled -= amount;
    }
    return true;
  }

  standing(): Standing[] {
    return this.bought.map(({ isHeldFirst, state, spent, reversed }) => ({
      state,
      spent,
      reversed,
      hold: isHeldFirst ? (state === 'held' ? 'open' : state) : undefined,
    }));
  }

  capture(bought: Bought, wanted: number | null): boolean {
    const amount = wanted ?? bought.amount;
    if (bought.state !== 'held' || amount > bought.amount) return false;
    bought.state = 'captured';
    bought.spent = amount;
    this.settled += amount;
    this.available[bought.category] += bought.amount - amount;
    return true;
  }
}

/** Where a purchase stands, and its hold in the ledger. */
interface Standing {
  readonly state: CardTransaction['state'];
  readonly spent: number;
  readonly reversed: number;
  readonly hold: string | undefined;
}

/** The deciders with their state in memory, one card. */
class World {
  readonly books = new Books({ balances: [], holds: [], entryIds: [] });
  readonly card: Card = {
    tenant: TENANT,
    account: '123',
    currency: 'BRL',
    status: 'active',
    callbackUrl: null,
    createdAt: 0,
  };
  readonly claims = new Map<string, CardTransaction>();
  readonly approved: CardTransaction[] = [];
  rules = NO_RULES;
  #serial = 0;

  constructor() {
    const ids = [
      ...CATEGORIES.map((category) => balanceAccountId('123', category)),
      fundingAccountId('BRL'),
      settlementAccountId('BRL'),
    ];
    for (const [index, id] of ids.entries()) {
      const isCard = index < CATEGORIES.length;
      const account: Account = {
        key: BigInt(index + 1),
        tenant: TENANT,
        id,
        kind: isCard ? 'card' : 'external',
        currency: 'BRL',
        floorMinor: isCard ? 0n : null,
      };
      this.books.openAccount(account, 0);
    }
  }

  uuid(): string {
    this.#serial += 1;
    return `01900000-0000-7000-8000-${String(this.#serial).padStart(12, '0')}`;
  }

  buy({ cents, id, ...body }: Extract<Step, { do: 'buy' }>): string {
    const text = JSON.stringify({
      ...body,
      account: '123',
      totalAmount: cents / 100,
      ...(id === null ? {} : { id }),
    });
    const asked = {
      tenant: TENANT,
      uuid: this.uuid(),
      reading: readCardTransaction(Buffer.from(text), undefined),
    };
    const batch: CardBatch = {
      books: this.books,
      cards: new Map([[cardRef(this.card), this.card]]),
      claims: this.claims,
      certain: new Set([...this.claims.values()].map(({ uuid }) => uuid)),
      rules: new Map([[TENANT, this.rules]]),
    };
    const outcome = authorizeCardTransaction(batch, asked, { now: 1, latencyMs: 0, isLate: false });
    if (outcome.kind !== 'decided' && outcome.kind !== 'repeated') throw new Error(outcome.kind);
    const { cardTransaction } = outcome;
    if (outcome.kind === 'decided' && cardTransaction.code === '00') this.approved.push(cardTransaction);
    return cardTransaction.code;
  }

  step(index: number, take: (before: CardTransaction) => CardTransaction | undefined): boolean {
    const before = this.approved[index];
    const after = before === undefined ? undefined : take(before);
    if (after !== undefined) this.approved[index] = after;
    return after !== undefined;
  }

  standing(): Standing[] {
    return this.approved.map(({ uuid, state, capturedMinor, reversedMinor }) => ({
      state,
      spent: Number(capturedMinor),
      reversed: Number(reversedMinor),
      hold: this.books.findHold(uuid)?.state,
    }));
  }

  available(id: string): number {
    const balance = this.books.find(TENANT, id);
    if (balance === undefined) throw new Error(accountRef({ tenant: TENANT, id }));
    return Number(balance.postedMinor - balance.heldMinor);
  }
}

function play(step: Step, world: World, model: Model): void {
  const index = 'which' in step && model.bought.length > 0 ? step.which % model.bought.length : -1;
  const bought = model.bought[index];
  switch (step.do) {
    case 'top_up': {
      const order = { card: world.card, balances: { [step.category]: step.amount }, topUpUuid: world.uuid() };
      expect(fund(world.books, order, 1).ok).toBe(true);
      model.available[step.category] += step.amount;
      model.put += step.amount;
      return;
    }
    case 'buy':
      expect(world.buy(step)).toBe(model.buy(step));
      return;
    case 'reverse': {
      if (bought === undefined) return;
      const amountMinor = step.amount === null ? undefined : BigInt(step.amount);
      const reversal = { uuid: world.uuid(), amountMinor, because: 'requested' } as const;
      const done = world.step(index, (before) => {
        const reversed = reverse(world.books, before, reversal, 1);
        return reversed.ok ? reversed.value.after : undefined;
      });
      expect(done).toBe(model.reverse(bought, step.amount));
      return;
    }
    case 'capture': {
      if (bought === undefined) return;
      const done = world.step(index, (before) => {
        const captured = capture(
          world.books,
          before,
          step.amount === null ? undefined : BigInt(step.amount),
          1,
        );
        return captured.ok ? captured.value.after : undefined;
      });
      expect(done).toBe(model.capture(bought, step.amount));
      return;
    }
    case 'expire':
      if (bought?.state !== 'held') return;
      world.step(index, (before) => release(world.books, before, 'expired').after);
      model.reverse(bought, null, 'expired');
      return;
    case 'rule': {
      const rules =
        step.of === null ? [] : [{ pattern: 'Uber Eats', match: 'prefix', category: step.of } as const];
      world.rules = new MerchantRules(world.rules.version + 1, rules);
      model.rule = step.of;
      return;
    }
    case 'block':
      world.card.status = step.blocked ? 'blocked' : 'active';
      model.isBlocked = step.blocked;
  }
}

describe('K2 to K6: whatever is topped up, bought, captured, reversed, expired, ruled and blocked, in any order', () => {
  test('the deciders say and leave what the model says', () => {
    fc.assert(
      fc.property(fc.array(steps, { maxLength: 60 }), (sequence) => {
        const world = new World();
        const model = new Model();
        for (const step of sequence) play(step, world, model);
        for (const category of CATEGORIES)
          expect(world.available(balanceAccountId('123', category))).toBe(model.available[category]);
        expect(world.available(settlementAccountId('BRL'))).toBe(model.settled);
        expect(world.available(fundingAccountId('BRL'))).toBe(0 - model.put);
        expect(world.standing()).toEqual(model.standing());
      }),
      { numRuns: 300 },
    );
  });
});
