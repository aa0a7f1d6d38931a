/**
 * What no proof vouches for, by table or by column, each with the reason. Most need none: they say who works, when, and how
 * often. Some say what a proof could vouch for and does not; their reasons say what stands in the way.
 */
const KEYS =
  'Answers are kept by what callers named; no log tells of names or answers. Those of requests that move money are counted.';
const REBUILDING = 'A rebuild fills it and makes it the real one, which is proved.';
const TRIED = 'Which calls were made, when, and when the next is due, is told by no log; their ends are.';
const BOOKKEEPING = 'When the row was written last; nothing is decided by it.';
const TRACING = 'By it a request is found in traces; nothing is decided by it.';
const DELIVERING =
  'What is sent to whom who asked for it, and how often: the log tells what happened, not who was told over the wire.';
const LETTERS =
  'What a group could not handle, and what persons had done about it. No log tells of that; what was left out is missing, and found so, unless it waits behind a letter that is there.';
const OF_PROOFS = 'What proofs found: they find it again. Its log has each opening and each end.';
const HUB =
  'How an integration gets where it goes: what was configured, called and received. Where each stands is proved, and that it goes on.';
const VOUCHING =
  'By it one key vouches for another: where one has signed that no longer does, its checkpoints are found without it.';
const IMPORTING =
  'No log tells of files: each line that was recorded is a cash entry, which is proved, and so is that an import goes on.';
const VERSION =
  'How many commits changed a day, by which event last and when, is told by no log. What was sealed is in it, and proved.';

export const UNPROVED: Readonly<Record<string, string>> = {
  // Who may do what, and what they named.
  'access.api_keys': 'A key is a secret. Who may do what is sourced from no log.',
  'access.tenants': 'Whom an operator lets in is sourced from no log.',
  'vault.secrets': 'Sealed with a key outside of the database: a forged one cannot be opened.',
  'lastro.lastro_migrations': 'What was migrated is compared with the files at every start.',
  'payments.idempotency_keys': KEYS,
  'ledger.idempotency_keys': KEYS,
  'cards.idempotency_keys': KEYS,
  'cashflow.idempotency_keys': KEYS,
  'hub.idempotency_keys': KEYS,
  'providers.idempotency_keys': KEYS,
  'integrity.idempotency_keys': KEYS,
  'notification.idempotency_keys': KEYS,
  'log.idempotency_keys': KEYS,

  // Who works on what.
  'log.leases':
    'Who works on a partition: whoever believes it wrongly is fenced. That there is one is proved.',
  'log.processes': 'Which processes live: each writes its own row every second.',
  'log.positions.turn':
    'Tells a fence that somebody else was there: another value stops a batch, and it begins anew.',
  'log.installation.singleton': 'Has one value.',
  'log.installation.created_at': BOOKKEEPING,
  'log.dead_letters': LETTERS,
  'log.dead_letter_actions': LETTERS,
  'log.dead_letter_replays': LETTERS,
  'log.parked_keys': LETTERS,
  'log.parked_events': LETTERS,
  'log.abandoned_events': LETTERS,
  'log.redeliveries': LETTERS,
  'log.pending_redeliveries': LETTERS,

  // Payments.
  'ledger.awaited':
    'Keeps an account from being closed while a refund is on its way, which is proved. A row too many does so until its hold has ended.',
  'authorization.sagas.updated_at': BOOKKEEPING,
  'authorization.refund_sagas.updated_at': BOOKKEEPING,
  'authorization.compensations.updated_at': BOOKKEEPING,
  'providers.attempts.others':
    'Where else it may be charged is of routes that were configured then; no log tells of them.',
  'providers.attempts.exposed':
    'Whether a request may have arrived is known before there is a word about it, or none comes.',
  'providers.attempts.cancelling':
    'What is asked for is in the log; whether the provider was asked in time is not.',
  'providers.attempts.send_before': TRIED,
  'providers.attempts.calls': TRIED,
  'providers.attempts.heard': TRIED,
  'providers.attempts.tries': TRIED,
  'providers.attempts.correlation_id': TRACING,
  'providers.attempts.traceparent': TRACING,
  'providers.attempts.created_at': BOOKKEEPING,
  'providers.attempts.updated_at': BOOKKEEPING,

  // Cards.
  'cards.card_transactions.repeated_at': 'When somebody asked again for the answer; the answer is proved.',
  'cards.card_transactions.confirmed_at':
    'When the network said that it has the answer; what follows of silence is an event.',
  'cards.open_holds.correlation_id': TRACING,
  'cards.unconfirmed':
    'Which answers the network has not confirmed yet: what is given back for that is an event.',
  'cards.deciders': 'Which processes decide: each writes its own row.',
  'notification.card_notifications.created_at': BOOKKEEPING,

  // Cash flow.
  'cashflow.imports': IMPORTING,
  'cashflow.open_imports': IMPORTING,
  'cashflow.import_chunks': IMPORTING,
  'cashflow.import_errors': IMPORTING,
  'cashflow.uploads': IMPORTING,

  // Daily balances.
  'consolidation.days.version': VERSION,
  'consolidation.days.cause': VERSION,
  'consolidation.days.as_of': VERSION,
  'consolidation.day_versions.cause': VERSION,
  'consolidation.day_versions.as_of': VERSION,
  'consolidation.day_versions.replaced_at': VERSION,
  'consolidation.standings.change':
    'Tells a process that what it remembers is old: another value makes it read again.',
  'consolidation.waiting':
    'What came early, until what is before it has come: it is not counted, and found so, and so is what no account has.',
  'consolidation.rebuilds': REBUILDING,
  'consolidation.rebuilt_days': REBUILDING,
  'consolidation.rebuilt_day_versions': REBUILDING,
  'consolidation.rebuilt_standings': REBUILDING,
  'consolidation.rebuilt_waiting': REBUILDING,

  // Proofs themselves.
  'integrity.verdicts.verified_at': BOOKKEEPING,
  'integrity.followed': 'What integrity has read of a saga under way; a proof reads the logs.',
  'integrity.judged_cards': 'How far integrity has judged the cards; a proof judges all of them.',
  'integrity.census': 'Counted anew every minute.',
  'integrity.findings': OF_PROOFS,
  'integrity.finding_actions': OF_PROOFS,
  'integrity.audits': OF_PROOFS,
  'integrity.checkpoints.written_at':
    'What is signed tells when; this tells when its row came. That it is not ahead of now is proved.',
  'integrity.signing_keys.added_at': BOOKKEEPING,
  'integrity.installation_ids.singleton': 'Has one value.',
  'integrity.key_vouchers': VOUCHING,

  // What others are told, and ask for.
  'notification.endpoints': DELIVERING,
  'notification.messages.queued_at': DELIVERING,
  'notification.lanes.lane_key': DELIVERING,
  'notification.lanes.endpoint_key': DELIVERING,
  'notification.lanes.subject': DELIVERING,
  'notification.lanes.last_turn': DELIVERING,
  'notification.lanes.done_turn': DELIVERING,
  'notification.lanes.last_sequence': DELIVERING,
  'notification.lanes.claims': DELIVERING,
  'notification.lanes.attempts': DELIVERING,
  'notification.lanes.first_after': DELIVERING,
  'notification.deliveries': DELIVERING,
  'notification.delivery_attempts': DELIVERING,
  'notification.replays': DELIVERING,
  'hub.connectors': HUB,
  'hub.calls': HUB,
  'hub.undoings': HUB,
  'hub.received_hooks': HUB,
  'hub.forgotten':
    'What an operator has had removed is told by no log; it excuses nothing but integrations that ended well.',
};
