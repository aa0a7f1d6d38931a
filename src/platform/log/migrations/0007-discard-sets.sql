-- What is ordered about all of a set.
alter table dead_letter_replays add column action text not null default 'replay' check (action in ('replay', 'discard'));
