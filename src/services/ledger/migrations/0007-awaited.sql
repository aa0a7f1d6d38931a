-- Open holds that are to be paid to an account which must still be there then: a refund that its provider has made cannot be
-- taken back. Written with the hold, under the locks of both accounts; nothing ends a row but its hold. An account is not
-- closed while one of them is open.
create table awaited (
  payee_key bigint not null,
  hold_id uuid not null,
  primary key (payee_key, hold_id)
);
