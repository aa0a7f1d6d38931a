-- An entry may be a card's: what it was topped up with, what it spent, what was given back. New ones
-- are checked from here on; what is there, by the next migration, as this one locks everybody out.
alter table entries
  drop constraint entries_purpose_check,
  add constraint entries_purpose_check
    check (purpose in ('manual', 'payment', 'refund', 'reversal', 'top_up', 'card', 'card_reversal')) not valid;

-- Whose a hold is; null: a payment's or a refund's, told by the saga's events.
alter table holds add column owner text check (owner in ('card'));
