-- Webhooks of which nothing was taken: whoever knows a connector's address can send them, and they are forgotten in the end. The
-- others are what tells a repeat, for ever.
create index received_hooks_not_taken on received_hooks (id) where dedup is null and integration is null;
