-- By the bytes of what was taken: a webhook from which the sender's id was stripped is found by them, whatever id it was taken under.
-- Its condition is not the other index's, so a planner that believes the table empty cannot take one for the other.
create index received_hooks_bytes on received_hooks (connector, tenant, sha256(body)) where integration is not null;
