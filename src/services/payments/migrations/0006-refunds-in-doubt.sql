-- no-transaction
-- Refunds that wait for a person, so that of a tenant's many the few are found. A refund's status changes three times at most, and
-- few payments have one: what it costs them is not felt.
create index concurrently if not exists refunds_in_doubt on refunds (tenant, id) where status = 'reconciliation_required';
