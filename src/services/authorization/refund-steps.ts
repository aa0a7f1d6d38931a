/**
 * The steps of a refund's saga. The amount is held on the account that gives it back before anybody is asked, so that of
 * refunds that race for one balance those that fit are made (D5).
 *
 * What a provider has given back cannot be taken again. So the wallet is looked at under its lock before anybody is asked,
 * and is not closed until the refund has ended; if the ledger refuses to post it all the same, a person has to look, and
 * may have it posted again.
 */
import { idOf, type RefundId, uuidOf } from '#kernel/ids.ts';
import type { EventDraft, LogEvent } from '#platform/log/event.ts';
import { follow } from '#platform/log/follow.ts';
import { REFUND_SAGAS } from '#sagas/definitions.ts';
import { definitionName } from '#sagas/saga.ts';
import { entryIdOf, type PostingRefused } from '#services/ledger/contract.ts';
import type { RefundTerms } from '#services/payments/contract.ts';
import type {
  ProviderRefunded,
  ProviderRefundRefused,
  ProviderRefundUnresolved,
} from '#services/providers/contract.ts';
import { giveBack } from './give-back.ts';
import type { RefundSaga, RefundState } from './sagas.ts';
import { once, type Step, type Turn } from './turn.ts';

export const REFUND_STEPS: ReadonlyMap<string, Step> = new Map<string, Step>([
  ['refund.validated', (event, turn) => authorize(event as LogEvent<RefundTerms>, turn)],
  // What is posted again comes to the same states again: the log tells which word led there.
  ['provider.refunded', once((event, turn) => confirm(event as LogEvent<ProviderRefunded>, turn))],
  ['provider.refund_refused', (event, turn) => fail(event as LogEvent<ProviderRefundRefused>, turn, ASKED)],
  ['provider.refund_unresolved', (event, turn) => park(event as LogEvent<ProviderRefundUnresolved>, turn)],
  ['entry.posted', complete],
  ['posting.refused', once((event, turn) => refuse(event as LogEvent<PostingRefused>, turn))],
]);

/** The provider is asked, or should have answered by now. */
const ASKED: Expected = { gateway: ['authorized', 'reconciling'] };
/** Or it has given the amount back, and a person wants it posted again. */
const TO_BE_POSTED: Expected = { gateway: ['authorized', 'reconciling', 'parked'] };

/** By method, where a saga may stand when the event comes. */
type Expected = { readonly [Method in RefundTerms['method']]?: readonly RefundState[] };

function sagaOf({ subject }: LogEvent, { sagas }: Turn, expected: Expected): RefundSaga | undefined {
  const saga = sagas.findRefund(uuidOf(subject as RefundId));
  return saga !== undefined && expected[saga.terms.method]?.includes(saga.state) === true ? saga : undefined;
}

function authorize(event: LogEvent<RefundTerms>, { sagas, books }: Turn): EventDraft | undefined {
  const uuid = uuidOf(event.subject as RefundId);
  if (sagas.findRefund(uuid) !== undefined) return undefined;
  const terms = event.data;
  const saga = { uuid, definition: definitionName(REFUND_SAGAS[terms.method]), terms };
  const held = books.reserve({
    id: uuid,
    tenant: event.tenant,
    accountId: terms.service_id,
    amountMinor: BigInt(terms.amount),
    payeeId: terms.wallet_id,
  });
  sagas.beginRefund({ ...saga, state: held.ok ? 'authorized' : 'declined' });
  if (held.ok)
    return follow(event, { type: 'refund.authorized', data: { ...terms, hold_id: idOf('hld', uuid) } });
  const { code, detail } = held.problem;
  return follow(event, { type: 'refund.declined', data: { ...terms, code, detail } });
}

function confirm(event: LogEvent<ProviderRefunded>, turn: Turn): EventDraft | undefined {
  const saga = sagaOf(event, turn, TO_BE_POSTED);
  if (saga === undefined) return undefined;
  turn.sagas.moveRefund(saga, 'confirmed');
  const data = { ...saga.terms, hold_id: idOf('hld', saga.uuid), provider: event.data.provider };
  return follow(event, { type: 'refund.confirmed', data });
}

function park(event: LogEvent<ProviderRefundUnresolved>, turn: Turn): EventDraft | undefined {
  const saga = sagaOf(event, turn, { gateway: ['authorized'] });
  if (saga === undefined) return undefined;
  turn.sagas.moveRefund(saga, 'reconciling');
  const { detail } = event.data;
  return follow(event, {
    type: 'refund.reconciliation_required',
    data: { ...saga.terms, code: 'refunds.outcome_unknown', detail },
  });
}

function complete(event: LogEvent, turn: Turn): EventDraft | undefined {
  const saga = sagaOf(event, turn, { balance: ['authorized'], gateway: ['confirmed'] });
  if (saga === undefined) return undefined;
  turn.sagas.moveRefund(saga, 'completed');
  const entryId = idOf('jen', entryIdOf(saga.uuid, 'refund'));
  return follow(event, { type: 'refund.completed', data: { ...saga.terms, entry_id: entryId } });
}

function refuse(event: LogEvent<PostingRefused>, turn: Turn): EventDraft | undefined {
  const confirmed = sagaOf(event, turn, { gateway: ['confirmed'] });
  if (confirmed === undefined) return fail(event, turn, { balance: ['authorized'] });
  turn.sagas.moveRefund(confirmed, 'parked');
  const { code, detail } = event.data;
  return follow(event, {
    type: 'refund.reconciliation_required',
    data: { ...confirmed.terms, code, detail },
  });
}

function fail(
  event: LogEvent<{ readonly code: string; readonly detail: string }>,
  turn: Turn,
  expected: Expected,
): EventDraft | undefined {
  const saga = sagaOf(event, turn, expected);
  if (saga === undefined) return undefined;
  giveBack(saga, turn.books);
  turn.sagas.moveRefund(saga, 'failed');
  const { code, detail } = event.data;
  return follow(event, { type: 'refund.failed', data: { ...saga.terms, code, detail } });
}
