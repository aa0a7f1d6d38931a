/**
 * The requests beside the decisions as a batch: cards made, changed, topped up, blocked; card transactions reversed and captured;
 * merchant rules replaced.
 *
 * Order of locks (R3): the balances first; then the card transactions, which a repeat changes without the balances; what
 * changes under these locks is read behind them (R2), then idempotency keys and own rows. The decisions (authorizer.ts) take balances as they are free, so none waits for
 * another here.
 */
import type { EpochMs } from '#kernel/clock.ts';
import type { Decision } from '#kernel/decision.ts';
import { assertNever, Fault, invariant } from '#kernel/fault.ts';
import { type CardTransactionId, type Id, type IdPrefix, idOf, uuidOf } from '#kernel/ids.ts';
import { type Problem, problem } from '#kernel/problem.ts';
import type { Command, CommandHandler, Verdict } from '#platform/batch/command.ts';
import { type Reach, refusalOfUrl } from '#platform/egress/reachable.ts';
import type { Answer } from '#platform/idempotency/idempotency.ts';
import type { EventDraft, JsonObject } from '#platform/log/event.ts';
import type { Transaction } from '#platform/postgres/session.ts';
import {
  type AccountRef,
  availableMinor,
  type Books,
  type Entry,
  type Ledger,
  type NewAccount,
  renderAccountOpened,
  renderEntryPosted,
} from '#services/ledger/contract.ts';
import {
  balanceAccountId,
  balanceAccountIds,
  type Card,
  cardRef,
  fundingAccountId,
  settlementAccountId,
} from './card.ts';
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
import { type CardTransaction, renderCardTransaction } from './card-transaction.ts';
import { settleUnconfirmed } from './confirmation-store.ts';
import { ACCOUNTS_OF_A_CARD, createCard, fund, sharedAccountIds } from './create-card.ts';
import type {
  CardBlocked,
  CardCallbackSet,
  CardCreated,
  CardToppedUp,
  MerchantRulesReplaced,
} from './events.ts';
import { capture, partiesOf, reverse, type Step } from './give-back.ts';
import { findRepeatedRule } from './merchant-rules.ts';
import type { CardProblemCode } from './problems.ts';
import { stepEvent } from './render-events.ts';
import { findRulesVersions, insertRules, type RulesVersion } from './rules-store.ts';
import {
  deleteOpenHolds,
  findCards,
  findCardTransactions,
  insertCards,
  lockCardTransactions,
  updateCards,
  updateCardTransactions,
} from './store.ts';

export interface CardCommandBatch {
  readonly books: Books;
  readonly cards: Map<string, Card>;
  /** By tenant and uuid. */
  readonly cardTransactions: Map<string, CardTransaction>;
  /** By tenant; absent before the first. */
  readonly rulesVersions: Map<string, number>;
  readonly keys: bigint[];
}

type Effect =
  | { readonly kind: 'created'; readonly card: Card; readonly accounts: readonly NewAccount[] }
  | { readonly kind: 'changed'; readonly card: Card }
  | { readonly kind: 'step'; readonly step: Step }
  | { readonly kind: 'rules'; readonly rules: RulesVersion }
  | { readonly kind: 'none' };

type CardVerdict = Verdict<Effect>;
type Ordered<Order extends CardOrder> = Command<Order>;

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
    const cardKeys = commands.flatMap(({ tenant, body }) =>
      'account' in body ? { tenant, account: body.account } : [],
    );
    const ids = commands.flatMap(({ tenant, body }) =>
      'card_transaction_id' in body
        ? { tenant, uuid: uuidOf(body.card_transaction_id as CardTransactionId) }
        : [],
    );
    // Without locks: whose accounts are to be locked does not change.
    const [known, asked] = await Promise.all([findCards(tx, cardKeys), findCardTransactions(tx, ids)]);
    const creating = commands.filter(isCreating);
    const books = await this.#ledger.openBooks(tx, {
      accounts: [
        ...creating.flatMap(accountsToOpen),
        ...known.flatMap(accountsOfCard),
        ...asked.flatMap(accountsOf),
      ],
      holds: asked.filter(({ state }) => state === 'held').map(({ uuid }) => uuid),
    });
    const tenants = new Set(commands.flatMap(({ tenant, body }) => ('rules' in body ? tenant : [])));
    const [cards, cardTransactions, rulesVersions, keys] = await Promise.all([
      findCards(tx, cardKeys),
      lockCardTransactions(tx, ids),
      findRulesVersions(tx, [...tenants]),
      creating.length === 0 ? [] : this.#ledger.reserveKeys(tx, creating.length * ACCOUNTS_OF_A_CARD),
    ]);
    if (cards.length > known.length || cardTransactions.length > asked.length)
      throw new Fault('what a command is about was made after its locks were chosen', { transient: true });
    return {
      books,
      cards: new Map(cards.map((card) => [cardRef(card), card])),
      cardTransactions: new Map(
        cardTransactions.map(({ cardTransaction: each }) => [`${each.tenant}/${each.uuid}`, each]),
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
    updateCards(tx, lastOfEach(changed, cardRef));
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

  #create(batch: CardCommandBatch, command: Ordered<CreateCardOrder>, now: EpochMs): CardVerdict {
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
    const data: CardCreated = { account: card.account, currency: card.currency };
    const created = draftOf(command, {
      type: 'card.created',
      subject: card.account,
      key: card.account,
      data,
    });
    return {
      answer: { status: 201, body: JSON.stringify(documentOf(batch.books, card)) },
      effect: { kind: 'created', card, accounts },
      drafts: [
        created,
        ...(card.callbackUrl === null ? [] : [callbackSet(command, card)]),
        ...(funding === undefined ? [] : [toppedUp(command, card, funding)]),
      ],
      elsewhere: accounts.map((account) => ({ topic: 'ledger', draft: openedDraft(command, account) })),
    };
  }

  #change(batch: CardCommandBatch, command: Ordered<ChangeCardOrder>): CardVerdict {
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

  #topUp(batch: CardCommandBatch, command: Ordered<TopUpOrder>, now: EpochMs): CardVerdict {
    const { tenant, body, id } = command;
    const card = batch.cards.get(cardRef({ tenant, account: body.account }));
    if (card === undefined) return this.#refusal(cardNotFound(body.account));
    const topUpUuid = uuidOf(id as Id<IdPrefix>);
    const funded = fund(batch.books, { card, balances: body.balances, topUpUuid }, now);
    if (!funded.ok) return this.#refusal(funded.problem);
    invariant(funded.value !== undefined, 'a top-up of nothing is refused at the edge');
    return {
      answer: { status: 201, body: JSON.stringify(documentOf(batch.books, card)) },
      effect: { kind: 'none' },
      drafts: [toppedUp(command, card, funded.value)],
    };
  }

  #block(batch: CardCommandBatch, command: Ordered<BlockOrder>): CardVerdict {
    const { tenant, body } = command;
    const card = batch.cards.get(cardRef({ tenant, account: body.account }));
    if (card === undefined) return this.#refusal(cardNotFound(body.account));
    const status = body.operation === 'cards.block' ? 'blocked' : 'active';
    const isChanged = card.status !== status;
    card.status = status;
    const data: CardBlocked = { account: card.account, status };
    const type = body.operation === 'cards.block' ? 'card.blocked' : 'card.unblocked';
    return {
      answer: { status: 200, body: JSON.stringify(documentOf(batch.books, card)) },
      effect: isChanged ? { kind: 'changed', card } : undefined,
      drafts: isChanged ? [draftOf(command, { type, subject: card.account, key: card.account, data })] : [],
    };
  }

  #giveBack(batch: CardCommandBatch, command: Ordered<GiveBackOrder>, now: EpochMs): CardVerdict {
    const { tenant, body, id } = command;
    const ref = `${tenant}/${uuidOf(body.card_transaction_id as CardTransactionId)}`;
    const before = batch.cardTransactions.get(ref);
    if (before === undefined) return this.#refusal(cardTransactionNotFound(body.card_transaction_id));
    const amountMinor = body.amount === undefined ? undefined : BigInt(body.amount);
    const reversalUuid = uuidOf(id as Id<IdPrefix>);
    const step: Decision<Step> =
      body.operation === 'card_transactions.capture'
        ? capture(batch.books, before, amountMinor, now)
        : reverse(batch.books, before, { uuid: reversalUuid, amountMinor, because: 'requested' }, now);
    if (!step.ok) return this.#refusal(step.problem);
    const { after } = step.value;
    batch.cardTransactions.set(ref, after);
    return {
      answer: {
        status: 200,
        body: JSON.stringify(renderCardTransaction({ ...after, confirmation: 'confirmed' })),
      },
      effect: { kind: 'step', step: step.value },
      drafts: [stepEvent(step.value, reversalUuid, originOf(command))],
    };
  }

  #replaceRules(batch: CardCommandBatch, command: Ordered<ReplaceRulesOrder>): CardVerdict {
    const { tenant, body, actor = null } = command;
    const present = batch.rulesVersions.get(tenant) ?? 0;
    if (body.version !== present) return this.#refusal(rulesChanged(present));
    const repeated = findRepeatedRule(body.rules);
    if (repeated !== undefined) return this.#refusal(ambiguousRule(repeated));
    const rules = { tenant, version: present + 1, rules: body.rules, actor };
    batch.rulesVersions.set(tenant, rules.version);
    const data: MerchantRulesReplaced = {
      version: rules.version,
      rules: body.rules.map((rule) => ({ ...rule })),
      actor,
    };
    const event = { type: 'merchant_rules.replaced', subject: 'merchant-rules', key: 'merchant-rules', data };
    return {
      answer: { status: 200, body: JSON.stringify({ version: rules.version, rules: body.rules }) },
      effect: { kind: 'rules', rules },
      drafts: [draftOf(command, event)],
    };
  }

  #refusal(refusal: Problem): CardVerdict {
    return { answer: this.#renderProblem(refusal), effect: undefined, drafts: [] };
  }
}

/** What steps changed of card transactions: of several of one the last is written. */
export function saveSteps(tx: Transaction, steps: readonly Step[]): void {
  const after = lastOfEach(
    steps.map((step) => step.after),
    ({ tenant, uuid }) => `${tenant}/${uuid}`,
  );
  updateCardTransactions(tx, after);
  settleUnconfirmed(tx, after);
  deleteOpenHolds(
    tx,
    steps.filter(({ kind }) => kind !== 'reversed').map((step) => step.after),
  );
}

function lastOfEach<Value>(values: readonly Value[], nameOf: (value: Value) => string): Value[] {
  return [...new Map(values.map((value) => [nameOf(value), value])).values()];
}

function isCreating({ body }: Command<CardOrder>): boolean {
  return body.operation === 'cards.create';
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

/** Of one that moved money. */
export function accountsOf(cardTransaction: CardTransaction): AccountRef[] {
  if (cardTransaction.state === 'declined') return [];
  const { tenant } = cardTransaction;
  const { accountId, currency } = partiesOf(cardTransaction);
  return [
    { tenant, id: accountId },
    { tenant, id: settlementAccountId(currency) },
  ];
}

function documentOf(books: Books, card: Card): JsonObject {
  return renderCard(card, (category) => {
    const balance = books.find(card.tenant, balanceAccountId(card.account, category));
    invariant(balance !== undefined, `card ${card.account} has no balance ${category}`);
    return { availableMinor: availableMinor(balance), heldMinor: balance.heldMinor };
  });
}

function callbackRefusal(url: string | null | undefined, reach: Reach): CardProblem | undefined {
  const refusal = typeof url === 'string' ? refusalOfUrl(url, reach) : undefined;
  if (refusal === undefined) return undefined;
  return problem('cards.callback_refused', refusal, {
    errors: [{ pointer: '/callback_url', code: 'refused', detail: refusal }],
  });
}

function callbackSet(command: Command, { account, callbackUrl }: Card): EventDraft {
  const data: CardCallbackSet = { account, callback_url: callbackUrl, actor: command.actor ?? null };
  return draftOf(command, { type: 'card.callback_set', subject: account, key: account, data });
}

function toppedUp(command: Command, { account }: Card, entry: Entry): EventDraft {
  const subject = idOf('ctu', entry.cause);
  const data: CardToppedUp = { account, top_up_id: subject, entry: renderEntryPosted(entry, subject) };
  return draftOf(command, { type: 'card.topped_up', subject, key: account, data });
}

/** As the ledger's own requests tell it. */
function openedDraft(command: Command, created: NewAccount): EventDraft {
  const { id } = created.account;
  return draftOf(command, {
    type: 'account.opened',
    subject: id,
    key: id,
    data: renderAccountOpened(created),
  });
}

function draftOf(
  command: Command,
  event: { readonly type: string; readonly subject: string; readonly key: string; readonly data: JsonObject },
): EventDraft {
  return { ...event, version: 1, tenant: command.tenant, ...originOf(command) };
}

function originOf({ correlationId, requestId, traceparent }: Command) {
  return { correlationId, causation: requestId, traceparent };
}

type CardProblem = Problem<CardProblemCode>;

export function cardNotFound(account: string): CardProblem {
  return problem('cards.card_not_found', `There is no card ${account}.`);
}

export function cardTransactionNotFound(id: string): CardProblem {
  return problem('cards.card_transaction_not_found', `There is no card transaction ${id}.`);
}

function cardExists(account: string): CardProblem {
  return problem('cards.card_exists', `There is a card ${account}.`, {
    errors: [{ pointer: '/account', code: 'taken', detail: 'is taken' }],
  });
}

function rulesChanged(present: number): CardProblem {
  return problem('cards.rules_changed', `The merchant rules are of version ${present}.`, {
    members: { version: present },
  });
}

function ambiguousRule(index: number): CardProblem {
  const detail = 'is about the same name as a rule before it';
  return problem('cards.ambiguous_rule', `/rules/${index} ${detail}.`, {
    errors: [{ pointer: `/rules/${index}`, code: 'ambiguous', detail }],
  });
}
