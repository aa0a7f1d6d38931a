-- Where the answers to a card's transactions are sent (K10); null: who asks waits for them. It changes under the locks of the
-- card's balances, as its status does.
alter table cards add column callback_url text check (length(callback_url) between 1 and 2048);
