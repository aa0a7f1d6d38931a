/**
 * What is done about each kind of finding, as data: how grave it is, and what repairs it. What no rule repairs is parked
 * for a person at once.
 *
 * RR1: a repair restores what the logs say, and nothing else; where the logs themselves are in doubt there is none.
 * RR2: no rule touches a log, an entry or a posting.
 */

export type Severity = 'critical' | 'error' | 'warning' | 'info';

/**
 * `redeliver`: the event that nobody answered is handed to its group once more. `rebuild`: the subject's rows of the read
 * model are made anew from the logs. `recount`: what can be given back of the payment is counted anew from its refunds, if
 * that makes it no more. `restore_hold`: the hold is made what its saga's events say. `recompute_balance`: the balance is made
 * what its postings add up to, and its open holds, if that frees nothing. `ask_again`: what was asked of a provider, and left
 * neither an attempt nor a word, is handed to the providers once more. `wake`: attempts that are due never, or far too late, are
 * due soon.
 */
export type Repair =
  | { readonly way: 'redeliver' }
  | { readonly way: 'rebuild'; readonly model: ModelName }
  | { readonly way: 'recount' }
  | { readonly way: 'restore_hold' }
  | { readonly way: 'recompute_balance' }
  | { readonly way: 'ask_again' }
  | { readonly way: 'wake' };

export type ModelName = 'payments' | 'refunds' | 'verdicts' | 'notifications';

export interface RepairRule {
  readonly severity: Severity;
  readonly repair?: Repair;
  /** A fact of the logs, which nothing changes any more: once a person has resolved it, it is not opened again. */
  readonly lasting?: true;
}

const LOG: RepairRule = { severity: 'critical', lasting: true };
const BOOKS: RepairRule = { severity: 'critical' };
/** What a table of a service says otherwise than the logs, and is not made from them alone. */
const STATE: RepairRule = { severity: 'error' };

function rebuilt(model: ModelName, severity: Severity = 'error'): RepairRule {
  return { severity, repair: { way: 'rebuild', model } };
}

export const REPAIR_RULES = {
  // Of the saga, from its events.
  duplicate_stage: LOG,
  out_of_order: LOG,
  second_ending: LOG,
  mismatched_terms: LOG,
  missing_beginning: LOG,
  unreadable_event: LOG,
  missing_stage: { severity: 'error', repair: { way: 'redeliver' } },
  /** The stage waits behind a dead letter, which is where it is dealt with. */
  parked_stage: { severity: 'warning' },
  /** A person has had the stage's group pass over the event for good: delivered again, it would undo what was decided. */
  abandoned_stage: { severity: 'warning', lasting: true },
  unexpected_charge: { severity: 'error', lasting: true },
  contradiction: { severity: 'warning', lasting: true },

  // Of the logs.
  missing_event: LOG,
  missing_batch: LOG,
  overlapping_batch: LOG,
  wrong_root: LOG,
  wrong_chain: LOG,
  wrong_head_chain: LOG,
  missing_head: LOG,
  event_beyond_head: LOG,
  batch_beyond_head: LOG,
  stray_event: LOG,
  stray_batch: LOG,
  stray_head: LOG,
  truncated_log: LOG,
  /** The group's worker makes it again, unless a person decided about something there. */
  missing_position: { severity: 'critical' },
  /** A process that starts makes it again. */
  missing_lease: { severity: 'error' },
  stray_position: { severity: 'warning' },
  // Of what groups have set aside: nobody is told that it waits.
  parked_behind_nothing: { severity: 'critical' },
  waits_for_nothing: { severity: 'critical' },
  abandoned_by_nobody: { severity: 'error' },
  lost_order: { severity: 'error' },

  // Of what was signed of the logs.
  rewritten_log: LOG,
  missing_checkpoint: LOG,
  replaced_checkpoint: LOG,
  misplaced_checkpoint: LOG,
  foreign_checkpoint: LOG,
  unreadable_checkpoint: LOG,
  broken_checkpoint_chain: LOG,
  checkpoint_back_in_time: LOG,
  checkpoint_ahead_of_time: { severity: 'error' },
  wrong_checkpoint_root: LOG,
  wrong_stretch: LOG,
  wrong_stretch_root: LOG,
  stray_standing: LOG,
  wrong_signature: LOG,
  wrong_key_name: LOG,
  unknown_key: LOG,

  // Of the books.
  sequence_gap: BOOKS,
  wrong_running_sum: BOOKS,
  posting_without_balance: BOOKS,
  different_posting: BOOKS,
  missing_posting: BOOKS,
  different_entry: BOOKS,
  missing_entry: BOOKS,
  extra_entry: BOOKS,
  unbalanced_entry: LOG,
  missing_posting_event: LOG,
  different_balance: { severity: 'critical', repair: { way: 'recompute_balance' } },
  different_last_posting: { severity: 'critical', repair: { way: 'recompute_balance' } },
  missing_balance: BOOKS,
  balance_without_account: BOOKS,
  missing_account: BOOKS,
  extra_account: BOOKS,
  different_account: BOOKS,
  below_floor: { severity: 'error' },
  currency_not_zero: BOOKS,
  missing_hold: { severity: 'critical', repair: { way: 'restore_hold' } },
  different_hold: { severity: 'critical', repair: { way: 'restore_hold' } },
  extra_hold: BOOKS,
  missing_awaited_refund: STATE,

  // Of what the services keep beside the logs.
  missing_saga: STATE,
  different_saga: STATE,
  extra_saga: STATE,
  missing_compensation: STATE,
  different_compensation: STATE,
  extra_compensation: STATE,
  missing_reference: STATE,
  different_reference: STATE,
  extra_reference: STATE,
  missing_attempt: { severity: 'critical', repair: { way: 'ask_again' } },
  different_attempt: BOOKS,
  stalled_attempt: { severity: 'critical', repair: { way: 'wake' } },
  extra_attempt: BOOKS,
  charged_twice: BOOKS,
  refund_of_nothing: LOG,
  refund_of_unpaid: LOG,
  refund_on_other_terms: LOG,
  refunded_too_much: LOG,
  // Of a card transaction, between its decision, its entries and its steps.
  second_decision: LOG,
  second_top_up: LOG,
  step_out_of_order: LOG,
  mismatched_entry: LOG,
  mismatched_hold: LOG,
  over_captured: LOG,
  over_reversed: LOG,
  missing_card_notification: { severity: 'warning' },
  different_card_notification: { severity: 'warning' },
  extra_card_notification: { severity: 'warning' },
  // What was sent is with its receiver.
  different_message: { severity: 'error' },
  extra_message: { severity: 'error' },
  stalled_delivery: { severity: 'warning' },
  missing_card: STATE,
  different_card: STATE,
  extra_card: STATE,
  missing_card_transaction: STATE,
  different_card_transaction: STATE,
  extra_card_transaction: STATE,
  /** Of what is not held. If that has ended, the row goes when it is due. */
  extra_open_hold: STATE,
  missing_cash_entry: STATE,
  different_cash_entry: STATE,
  extra_cash_entry: STATE,
  stalled_import: { severity: 'warning' },
  missing_integration: STATE,
  different_integration: STATE,
  extra_integration: STATE,
  stalled_integration: { severity: 'warning' },
  missing_journal_entry: LOG,
  different_journal_entry: LOG,
  missing_rules: STATE,
  different_rules: STATE,
  extra_rules: STATE,

  // Of daily balances, which `lastro rebuild days` makes anew, all of them together.
  missing_day: STATE,
  different_day: STATE,
  extra_day: STATE,
  different_version: STATE,
  // No log tells what it was but for its figures when it was sealed: it stays lost.
  missing_version: STATE,
  different_seal: STATE,
  different_standing: STATE,
  uncounted_posting: STATE,
  stuck_posting: STATE,

  // Read models.
  missing_payment: rebuilt('payments'),
  different_payment: rebuilt('payments'),
  /** It may be genuine, and the event gone that asked for it: then the row is the last that tells its terms. */
  extra_payment: STATE,
  missing_reconciliation: rebuilt('payments'),
  extra_reconciliation: rebuilt('payments'),
  missing_refund: rebuilt('refunds'),
  different_refund: rebuilt('refunds'),
  extra_refund: STATE,
  missing_refund_totals: { severity: 'error', repair: { way: 'recount' } },
  different_refund_totals: { severity: 'error', repair: { way: 'recount' } },
  extra_refund_totals: { severity: 'error', repair: { way: 'recount' } },
  different_undo_request: STATE,
  missing_verdict: rebuilt('verdicts', 'warning'),
  different_verdict: rebuilt('verdicts'),
  extra_verdict: rebuilt('verdicts'),
  missing_notification: rebuilt('notifications'),
  different_notification: rebuilt('notifications'),
  extra_notification: rebuilt('notifications'),
} as const satisfies Record<string, RepairRule>;

export type FindingKind = keyof typeof REPAIR_RULES;

/**
 * What is gone of a log shows in no event that is left, and neither does a log that was written anew with its chain: it is
 * what was signed of it that tells. While one of these is not closed, nothing is made of what the logs say (RR1).
 */
export const LOGS_IN_DOUBT: readonly FindingKind[] = [
  'truncated_log',
  'rewritten_log',
  'missing_head',
  'wrong_head_chain',
  'missing_batch',
  'missing_event',
  'wrong_stretch',
  'wrong_stretch_root',
  'wrong_checkpoint_root',
];

/** Of a kind that no rule speaks of yet: for a person. */
const UNKNOWN: RepairRule = { severity: 'error' };

export function ruleOf(kind: string): RepairRule {
  return Object.hasOwn(REPAIR_RULES, kind) ? REPAIR_RULES[kind as FindingKind] : UNKNOWN;
}
