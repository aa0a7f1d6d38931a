-- For who placed a hold before holds said whom they are to be paid to: the account of that id, of the tenant whose account
-- holds it. Nothing for a hold that has ended.
create function await(p_hold uuid, p_payee text) returns void language sql set search_path = ledger, pg_temp as $$
  insert into awaited (payee_key, hold_id)
  select payee.key, hold.id
  from holds hold
  join accounts holder on holder.key = hold.account_key
  join accounts payee on payee.tenant = holder.tenant and payee.id = p_payee
  where hold.id = p_hold and hold.state = 'open'
  on conflict do nothing
$$;
