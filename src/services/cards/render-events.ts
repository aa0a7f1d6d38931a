/** The cards' events from what was decided. */
import { assertNever } from '#kernel/fault.ts';
import { idOf } from '#kernel/ids.ts';
import { renderAmount } from '#kernel/money.ts';
import type { EventDraft, JsonObject } from '#platform/log/event.ts';
import { type Entry, type EntryPosted, renderEntryPosted } from '#services/ledger/contract.ts';
import { answerOf, type CardTransaction } from './card-transaction.ts';
import type {
  CardAnswerOwed,
  CardApproved,
  CardCaptured,
  CardDeclined,
  CardReleased,
  CardReversed,
} from './events.ts';
import { partiesOf, type Step } from './give-back.ts';

/** Who asked, as the events of it tell. */
export interface Origin {
  readonly correlationId: string;
  readonly causation: string;
  readonly traceparent: string | null;
  /** Where the answer is sent, if nobody waits for it (K10). */
  readonly callbackUrl?: string | null;
}

/** What is told of a decision: the decision, and where its answer is owed. */
export function decisionEvents(
  cardTransaction: CardTransaction,
  entry: Entry | undefined,
  origin: Origin,
): EventDraft[] {
  const decision = decisionEvent(cardTransaction, entry, origin);
  const { callbackUrl = null } = origin;
  if (callbackUrl === null) return [decision];
  const data: CardAnswerOwed = { callback_url: callbackUrl, ...answerOf(cardTransaction) };
  return [decision, draft(cardTransaction, { type: 'card.answer_owed', data }, origin)];
}

/** `card.approved` or `card.declined`. In the card's partition; what names no card is by itself. */
function decisionEvent(
  cardTransaction: CardTransaction,
  entry: Entry | undefined,
  origin: Origin,
): EventDraft {
  const decided = decidedOf(cardTransaction);
  if (cardTransaction.code === '00') {
    const data: CardApproved =
      entry === undefined ? decided : { ...decided, entry: entryOf(cardTransaction, entry) };
    return draft(cardTransaction, { type: 'card.approved', data }, origin);
  }
  const { code, reason, detail } = cardTransaction;
  const data: CardDeclined = { ...decided, code, reason, detail };
  return draft(cardTransaction, { type: 'card.declined', data }, origin);
}

function decidedOf(of: CardTransaction) {
  return {
    account: of.account,
    external_id: of.externalId,
    claimed: of.claimed,
    digest: of.digest,
    mcc: of.mcc,
    merchant: of.merchant,
    amount: of.amountMinor === null ? null : renderAmount(of.amountMinor),
    currency: of.currency,
    category: of.category,
    decided_by: of.decidedBy,
    rules_version: of.rulesVersion,
    latency_ms: of.latencyMs,
  };
}

/** `reversalUuid`: of a reversal. */
export function stepEvent(step: Step, reversalUuid: string, origin: Origin): EventDraft {
  return draft(step.after, told(step, reversalUuid), origin);
}

function told(step: Step, reversalUuid: string): { type: string; data: JsonObject } {
  switch (step.kind) {
    case 'captured': {
      const data: CardCaptured = {
        held: renderAmount(step.heldMinor),
        entry: entryOf(step.after, step.entry),
      };
      return { type: 'card.captured', data };
    }
    case 'released': {
      const data: CardReleased = {
        account_id: partiesOf(step.after).accountId,
        amount: renderAmount(step.amountMinor),
        because: step.because,
      };
      return { type: 'card.released', data };
    }
    case 'reversed': {
      const data: CardReversed = {
        reversal_id: idOf('crv', reversalUuid),
        amount: renderAmount(step.amountMinor),
        because: step.because,
        entry: entryOf(step.after, step.entry),
      };
      return { type: 'card.reversed', data };
    }
    default:
      return assertNever(step);
  }
}

function entryOf({ uuid }: CardTransaction, entry: Entry): EntryPosted {
  return renderEntryPosted(entry, idOf('ctx', uuid));
}

function draft(
  { tenant, account, uuid }: CardTransaction,
  event: { readonly type: string; readonly data: JsonObject },
  { correlationId, causation, traceparent }: Origin,
): EventDraft {
  const subject = idOf('ctx', uuid);
  const origin = { correlationId, causation, traceparent };
  return { ...event, version: 1, subject, tenant, key: account ?? subject, ...origin };
}
