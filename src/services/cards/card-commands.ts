/**
 * The requests beside the decisions as a batch: cards made, changed, topped up, blocked; card transactions reversed and captured;
 * merchant rules replaced.
 *
 * Order of locks (R3): the balances first; then the card transactions, which a repeat changes without the balances; what
 * changes under these locks is read behind them (R2), then idempotency keys and own rows. The decisions (authorizer.ts) take
 * balances as they are free, so none waits for another here.
 */
import type { EpochMs } from '#kernel/clock.ts';
import type { Decision } from '#kernel/decision.ts';
import { assertNever, Fault, invariant } from '#kernel/fault.ts';
import { type Id, type IdPrefix, isId, uuidOf } from '#kernel/ids.ts';
import type { Problem } from '#kernel/problem.ts';
import type { Command, CommandHandler, Verdict } from '#platform/batch/command.ts';
import type { Reach } from '#platform/egress/reachable.ts';
import type { Answer } from '#platform/idempotency/idempotency.ts';
import type { JsonObject } from '#platform/log/event.ts';
import type { Transaction } from '#platform/postgres/session.ts';
import {
  type AccountRef,
  availableMinor,
  type Books,
  type Ledger,
  type NewAccount,
} from '#services/ledger/contract.ts';
import { balanceAccountId, balanceAccountIds, type Card, cardRef, fundingAccountId } from './card.ts';
import { renderCard } from './card-document.ts';
import type {
  BlockOrder,
  CardOrder,
  ChangeCardOrder,
  CreateCardOrder,
  GiveBackOrder,
  ReplaceRulesOrder,
  TopUpOrder,
} from './card-orders.ts';
import { type CardKey, findCards, insertCards, updateCards } from './card-store.ts';
import { type CardTransaction, renderCardTransaction } from './card-transaction.ts';
import {
  accountOpened,
  callbackSet,
  cardBlocked,
  cardCreated,
  originOf,
  rulesReplaced,
  toppedUp,
} from './command-events.ts';
import { ACCOUNTS_OF_A_CARD, createCard, fund, sharedAccountIds } from './create-card.ts';
import { accountsOf, capture, reverse, type Step } from './give-back.ts';
import { findRepeatedRule } from './merchant-rules.ts';
import {
  ambiguousRule,
  callbackRefusal,
  cardExists,
  cardNotFound,
  cardTransactionNotFound,
  rulesChanged,
} from './refusals.ts';
import { stepEvent } from './render-events.ts';
import { findRulesVersions, insertRules, type RulesVersion } from './rules-store.ts';
import { saveSteps } from './save-steps.ts';
import { type CardTransactionKey, findCardTransactions, lockCardTransactions } from './store.ts';

export interface CardCommandBatch {
  readonly books: Books;
  readonly cards: Map<string, Card>;
  /** By `cardTransactionRef`. */
  readonly cardTransactions: Map<string, CardTransaction>;
  /** By tenant; absent before the first. */
  readonly rulesVersions: Map<string, number>;
  readonly keys: bigint[];
}

type Effect =
  | { readonly kind: 'created'; readonly card: Card; readonly accounts: readonly NewAccount[] }
  | { readonly kind: 'changed'; readonly card: Card }
  | { readonly kind: 'step'; readonly step: Step }
  | { readonly kind: 'rules'; readonly rules: RulesVersion };

type CardVerdict = Verdict<Effect>;

export class CardCommands implements CommandHandler<CardOrder, CardCommandBatch, Effect> {
  readonly #ledger: Ledger;
  readonly #renderProblem: (problem: Problem) => Answer;
  /** Where callbacks may lead. */
  readonly #reach: Reach;

  constructor(options: { ledger: Ledger; renderProblem: (problem: Problem) => Answer; reach: Reach }) {
    this.#ledger = options.ledger;
    this.#renderProblem = options.renderProblem;
    this.#reach = options.reach;
  }

  async load(tx: Transaction, commands: readonly Command<CardOrder>[]): Promise<CardCommandBatch> {
    const subjects = subjectsOf(commands);
    const { cardKeys, ids, creating } = subjects;
    // Without locks: whose accounts are to be locked does not change.
    const [known, asked] = await Promise.all([findCards(tx, cardKeys), findCardTransactions(tx, ids)]);
    const books = await this.#ledger.openBooks(tx, {
      accounts: [
        ...creating.flatMap(accountsToOpen),
        ...known.flatMap(accountsOfCard),
        ...asked.flatMap(accountsOf),
      ],
      holds: asked.filter(({ state }) => state === 'held').map(({ uuid }) => uuid),
    });
    const locked = { cards: known.length, cardTransactions: asked.length };
    return { books, ...(await this.#loadLocked(tx, subjects, locked)) };
  }

  /** `locked`: how many there were when the locks were chosen. */
  async #loadLocked(
    tx: Transaction,
    { cardKeys, ids, tenants, creating }: Subjects,
    locked: { readonly cards: number; readonly cardTransactions: number },
  ) {
    const [cards, cardTransactions, rulesVersions, keys] = await Promise.all([
      findCards(tx, cardKeys),
      lockCardTransactions(tx, ids),
      findRulesVersions(tx, tenants),
      creating.length === 0 ? [] : this.#ledger.reserveKeys(tx, creating.length * ACCOUNTS_OF_A_CARD),
    ]);
    if (cards.length > locked.cards || cardTransactions.length > locked.cardTransactions)
      throw new Fault('what a command is about was made after its locks were chosen', { transient: true });
    return {
      cards: new Map(cards.map((card) => [cardRef(card), card])),
      cardTransactions: new Map(
        cardTransactions.map(({ cardTransaction: each }) => [cardTransactionRef(each), each]),
      ),
      rulesVersions,
      keys,
    };
  }

  decide(batch: CardCommandBatch, command: Command<CardOrder>, now: EpochMs): CardVerdict {
    const { body } = command;
    switch (body.operation) {
      case 'cards.create':
        return this.#create(batch, { ...command, body }, now);
      case 'cards.change':
        return this.#change(batch, { ...command, body });
      case 'cards.top_up':
        return this.#topUp(batch, { ...command, body }, now);
      case 'cards.block':
      case 'cards.unblock':
        return this.#block(batch, { ...command, body });
      case 'card_transactions.reverse':
      case 'card_transactions.capture':
        return this.#giveBack(batch, { ...command, body }, now);
      case 'merchant_rules.replace':
        return this.#replaceRules(batch, { ...command, body });
      default:
        return assertNever(body);
    }
  }

  save(tx: Transaction, effects: readonly Effect[], { books }: CardCommandBatch, now: EpochMs): void {
    const created = effects.flatMap((effect) => (effect.kind === 'created' ? effect : []));
    const changed = effects.flatMap((effect) => (effect.kind === 'changed' ? effect.card : []));
    this.#ledger.insertAccounts(
      tx,
      created.flatMap(({ accounts }) => accounts),
    );
    this.#ledger.saveBooks(tx, books, now);
    insertCards(
      tx,
      created.map(({ card }) => card),
    );
    updateCards(tx, [...new Map(changed.map((card) => [cardRef(card), card])).values()]);
    saveSteps(
      tx,
      effects.flatMap((effect) => (effect.kind === 'step' ? effect.step : [])),
    );
    insertRules(
      tx,
      effects.flatMap((effect) => (effect.kind === 'rules' ? effect.rules : [])),
      now,
    );
  }

  #create(batch: CardCommandBatch, command: Command<CreateCardOrder>, now: EpochMs): CardVerdict {
    const { tenant, body, id } = command;
    const unreachable = callbackRefusal(body.callback_url, this.#reach);
    if (unreachable !== undefined) return this.#refusal(unreachable);
    if (batch.cards.has(cardRef({ tenant, account: body.account })))
      return this.#refusal(cardExists(body.account));
    const topUpUuid = uuidOf(id as Id<IdPrefix>);
    const made = createCard(batch.books, { tenant, order: body, keys: batch.keys, topUpUuid }, now);
    if (!made.ok) return this.#refusal(made.problem);
    const { card, accounts, funding } = made.value;
    batch.cards.set(cardRef(card), card);
    return {
      answer: { status: 201, body: JSON.stringify(documentOf(batch.books, card)) },
      effect: { kind: 'created', card, accounts },
      drafts: [
        cardCreated(command, card),
        ...(card.callbackUrl === null ? [] : [callbackSet(command, card)]),
        ...(funding === undefined ? [] : [toppedUp(command, card, funding)]),
      ],
      elsewhere: accounts.map((account) => ({ topic: 'ledger', draft: accountOpened(command, account) })),
    };
  }

  #change(batch: CardCommandBatch, command: Command<ChangeCardOrder>): CardVerdict {
    const { tenant, body } = command;
    const unreachable = callbackRefusal(body.callback_url, this.#reach);
    if (unreachable !== undefined) return this.#refusal(unreachable);
    const card = batch.cards.get(cardRef({ tenant, account: body.account }));
    if (card === undefined) return this.#refusal(cardNotFound(body.account));
    const isChanged = card.callbackUrl !== body.callback_url;
    card.callbackUrl = body.callback_url;
    return {
      answer: { status: 200, body: JSON.stringify(documentOf(batch.books, card)) },
      effect: isChanged ? { kind: 'changed', card } : undefined,
      drafts: isChanged ? [callbackSet(command, card)] : [],
    };
  }

  #topUp(batch: CardCommandBatch, command: Command<TopUpOrder>, now: EpochMs): CardVerdict {
    const { tenant, body, id } = command;
    const card = batch.cards.get(cardRef({ tenant, account: body.account }));
    if (card === undefined) return this.#refusal(cardNotFound(body.account));
    const topUpUuid = uuidOf(id as Id<IdPrefix>);
    const funded = fund(batch.books, { card, balances: body.balances, topUpUuid }, now);
    if (!funded.ok) return this.#refusal(funded.problem);
    invariant(funded.value !== undefined, 'a top-up of nothing is refused at the edge');
    return {
      answer: { status: 201, body: JSON.stringify(documentOf(batch.books, card)) },
      effect: undefined,
      drafts: [toppedUp(command, card, funded.value)],
    };
  }

  #block(batch: CardCommandBatch, command: Command<BlockOrder>): CardVerdict {
    const { tenant, body } = command;
    const card = batch.cards.get(cardRef({ tenant, account: body.account }));
    if (card === undefined) return this.#refusal(cardNotFound(body.account));
    const status = body.operation === 'cards.block' ? 'blocked' : 'active';
    const isChanged = card.status !== status;
    card.status = status;
    return {
      answer: { status: 200, body: JSON.stringify(documentOf(batch.books, card)) },
      effect: isChanged ? { kind: 'changed', card } : undefined,
      drafts: isChanged ? [cardBlocked(command, card)] : [],
    };
  }

  #giveBack(batch: CardCommandBatch, command: Command<GiveBackOrder>, now: EpochMs): CardVerdict {
    const { body, id } = command;
    const key = askedAbout(command);
    const before = key === undefined ? undefined : batch.cardTransactions.get(cardTransactionRef(key));
    if (before === undefined) return this.#refusal(cardTransactionNotFound(body.card_transaction_id));
    const amountMinor = body.amount === undefined ? undefined : BigInt(body.amount);
    const reversalUuid = uuidOf(id as Id<IdPrefix>);
    const step: Decision<Step> =
      body.operation === 'card_transactions.capture'
        ? capture(batch.books, before, amountMinor, now)
        : reverse(batch.books, before, { uuid: reversalUuid, amountMinor, because: 'requested' }, now);
    if (!step.ok) return this.#refusal(step.problem);
    const { after } = step.value;
    batch.cardTransactions.set(cardTransactionRef(after), after);
    return {
      answer: {
        status: 200,
        body: JSON.stringify(renderCardTransaction({ ...after, confirmation: 'confirmed' })),
      },
      effect: { kind: 'step', step: step.value },
      drafts: [stepEvent(step.value, reversalUuid, originOf(command))],
    };
  }

  #replaceRules(batch: CardCommandBatch, command: Command<ReplaceRulesOrder>): CardVerdict {
    const { tenant, body, actor = null } = command;
    const present = batch.rulesVersions.get(tenant) ?? 0;
    if (body.version !== present) return this.#refusal(rulesChanged(present));
    const repeated = findRepeatedRule(body.rules);
    if (repeated !== undefined) return this.#refusal(ambiguousRule(repeated));
    const rules = { tenant, version: present + 1, rules: body.rules, actor };
    batch.rulesVersions.set(tenant, rules.version);
    return {
      answer: { status: 200, body: JSON.stringify({ version: rules.version, rules: body.rules }) },
      effect: { kind: 'rules', rules },
      drafts: [rulesReplaced(command, rules)],
    };
  }

  #refusal(refusal: Problem): CardVerdict {
    return { answer: this.#renderProblem(refusal), effect: undefined, drafts: [] };
  }
}

/** What a batch of commands is about. */
interface Subjects {
  readonly cardKeys: readonly CardKey[];
  /** Of card transactions. */
  readonly ids: readonly CardTransactionKey[];
  /** Whose rules are replaced. */
  readonly tenants: readonly string[];
  readonly creating: readonly Command<CardOrder>[];
}

function subjectsOf(commands: readonly Command<CardOrder>[]): Subjects {
  return {
    cardKeys: commands.flatMap(({ tenant, body }) =>
      'account' in body ? { tenant, account: body.account } : [],
    ),
    ids: commands.flatMap(({ tenant, body }) =>
      'card_transaction_id' in body ? (askedAbout({ tenant, body }) ?? []) : [],
    ),
    tenants: [...new Set(commands.flatMap(({ tenant, body }) => ('rules' in body ? tenant : [])))],
    creating: commands.filter(({ body }) => body.operation === 'cards.create'),
  };
}

/** Undefined if what stands in the address is no id of a card transaction. */
function askedAbout({
  tenant,
  body,
}: Pick<Command<GiveBackOrder>, 'tenant' | 'body'>): CardTransactionKey | undefined {
  const { card_transaction_id: id } = body;
  return isId('ctx', id) ? { tenant, uuid: uuidOf(id) } : undefined;
}

function cardTransactionRef({ tenant, uuid }: CardTransactionKey): string {
  return `${tenant}/${uuid}`;
}

function accountsToOpen({ tenant, body }: Command<CardOrder>): AccountRef[] {
  if (body.operation !== 'cards.create') return [];
  return [...balanceAccountIds(body.account), ...sharedAccountIds(body.currency)].map((id) => ({
    tenant,
    id,
  }));
}

function accountsOfCard({ tenant, account, currency }: Card): AccountRef[] {
  return [...balanceAccountIds(account), fundingAccountId(currency)].map((id) => ({ tenant, id }));
}

function documentOf(books: Books, card: Card): JsonObject {
  return renderCard(card, (category) => {
    const balance = books.find(card.tenant, balanceAccountId(card.account, category));
    invariant(balance !== undefined, `card ${card.account} has no balance ${category}`);
    return { availableMinor: availableMinor(balance), heldMinor: balance.heldMinor };
  });
}
