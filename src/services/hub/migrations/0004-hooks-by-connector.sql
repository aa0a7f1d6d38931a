-- Lists of one connector, newest first; not led by the tenant, as that of integrations is not.
create index received_hooks_connector on received_hooks (connector, tenant, id);
