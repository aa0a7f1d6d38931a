-- no-transaction
-- Which payments a caller's reference names, whatever their wallet and service. Those without one are not in it; said so that
-- no statement of a batch, which may say `is not null`, can be planned with it (0002).
create index concurrently if not exists payments_reference on payments (reference, tenant, id) where reference > '';
