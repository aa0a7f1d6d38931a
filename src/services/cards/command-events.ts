/** The events of what callers ordered beside the decisions, of cards and of the accounts that were opened for them. */
import { idOf } from '#kernel/ids.ts';
import type { Command } from '#platform/batch/command.ts';
import type { EventDraft, JsonObject } from '#platform/log/event.ts';
import {
  type Entry,
  type NewAccount,
  renderAccountOpened,
  renderEntryPosted,
} from '#services/ledger/contract.ts';
import type { Card } from './card.ts';
import type {
  CardBlocked,
  CardCallbackSet,
  CardCreated,
  CardToppedUp,
  MerchantRulesReplaced,
} from './events.ts';
import type { Origin } from './render-events.ts';
import type { RulesVersion } from './rules-store.ts';

export function cardCreated(command: Command, { account, currency }: Card): EventDraft {
  const data: CardCreated = { account, currency };
  return draftOf(command, { type: 'card.created', subject: account, key: account, data });
}

export function cardBlocked(command: Command, { account, status }: Card): EventDraft {
  const data: CardBlocked = { account, status };
  const type = status === 'blocked' ? 'card.blocked' : 'card.unblocked';
  return draftOf(command, { type, subject: account, key: account, data });
}

export function rulesReplaced(command: Command, { version, rules, actor }: RulesVersion): EventDraft {
  const data: MerchantRulesReplaced = { version, rules: rules.map((rule) => ({ ...rule })), actor };
  const name = 'merchant-rules';
  return draftOf(command, { type: 'merchant_rules.replaced', subject: name, key: name, data });
}

export function callbackSet(command: Command, { account, callbackUrl }: Card): EventDraft {
  const data: CardCallbackSet = { account, callback_url: callbackUrl, actor: command.actor ?? null };
  return draftOf(command, { type: 'card.callback_set', subject: account, key: account, data });
}

export function toppedUp(command: Command, { account }: Card, entry: Entry): EventDraft {
  const subject = idOf('ctu', entry.cause);
  const data: CardToppedUp = { account, top_up_id: subject, entry: renderEntryPosted(entry, subject) };
  return draftOf(command, { type: 'card.topped_up', subject, key: account, data });
}

/** As the ledger's own requests tell it. */
export function accountOpened(command: Command, created: NewAccount): EventDraft {
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

export function originOf({ correlationId, requestId, traceparent }: Command): Origin {
  return { correlationId, causation: requestId, traceparent };
}
