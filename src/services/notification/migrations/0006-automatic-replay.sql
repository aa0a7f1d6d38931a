-- Whether what was given up while the receiver was away is sent by itself when it is back.
alter table endpoints add column automatic_replay boolean not null default true;
