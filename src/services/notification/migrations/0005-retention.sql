-- What was delivered is forgotten after a while (LASTRO_RETENTION_DAYS), and the numbers of a subject go on all the same.

-- When a delivery of it was queued last: those that there are, are no younger.
alter table messages add column queued_at timestamptz not null default now();
create index messages_by_age on messages (queued_at);

-- Where the numbers of its events begin here: its subject may have been told of before, in a lane that is forgotten.
alter table lanes add column first_after integer not null default 0;

-- The highest number of a lane that is, or is about to be, forgotten: where those of a subject that may be one of them begin.
alter table endpoints add column forgotten_sequence integer not null default 0;
