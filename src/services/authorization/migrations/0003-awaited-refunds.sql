-- Refunds that were under way before their holds said which wallet waits for them.
select ledger.await(refund_id, wallet_id) from refund_sagas
where state in ('authorized', 'confirmed', 'reconciling', 'parked');
