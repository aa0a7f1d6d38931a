/** Events of the cards' log, as data. Their schemas, which are permanent, are the files of `events/`. */
import type { EntryPosted } from '#services/ledger/contract.ts';
import type { Card, Category } from './card.ts';
import type { CardAnswer, Code, Reason } from './card-transaction.ts';
import type { DecidedBy } from './choose-balance.ts';
import type { MerchantRule } from './merchant-rules.ts';

export type CardCreated = { readonly account: string; readonly currency: string };

/** The entry is told here and nowhere else (docs/adr/0019). */
export type CardToppedUp = {
  readonly account: string;
  readonly top_up_id: string;
  readonly entry: EntryPosted;
};

export type CardBlocked = { readonly account: string; readonly status: Card['status'] };

/** Where the answers to its card transactions are sent from then on; null: nowhere. */
export type CardCallbackSet = {
  readonly account: string;
  readonly callback_url: string | null;
  readonly actor: string | null;
};

/** What every decision tells of what it decided on (K9). */
type Decided = {
  readonly account: string | null;
  readonly external_id: string | null;
  readonly claimed: boolean;
  readonly digest: string | null;
  readonly mcc: string | null;
  readonly merchant: string | null;
  readonly amount: number | null;
  readonly currency: string | null;
  readonly category: Category | null;
  readonly decided_by: DecidedBy | null;
  readonly rules_version: number | null;
  readonly latency_ms: number;
};

/** Spent, with its entry; or set aside, without. */
export type CardApproved = Decided & { readonly entry?: EntryPosted };

export type CardDeclined = Decided & {
  readonly code: Exclude<Code, '00'>;
  readonly reason: Reason | null;
  readonly detail: string | null;
};

/** The answer to a card transaction is to be sent to a URL (K10). */
export type CardAnswerOwed = CardAnswer & { readonly callback_url: string };

/** What was set aside was spent, all of it or less. */
export type CardCaptured = { readonly held: number; readonly entry: EntryPosted };

/** What was set aside was given back. */
export type CardReleased = {
  readonly account_id: string;
  readonly amount: number;
  readonly because: 'reversed' | 'late' | 'expired';
};

/** What was spent was given back, in whole or in part. */
export type CardReversed = {
  readonly reversal_id: string;
  readonly amount: number;
  readonly because: 'requested' | 'late';
  readonly entry: EntryPosted;
};

export type MerchantRulesReplaced = {
  readonly version: number;
  readonly rules: readonly (MerchantRule & { readonly [member: string]: string })[];
  readonly actor: string | null;
};
