-- To a planner whose statistics call the table empty, the indexes of lists look as good as the primary key (PostgreSQL 18
-- can skip over a first column), and of equals it takes the one made last. That has to be the primary key: hot
-- statements are planned once and would scan a list's index as the table grows.
alter table payments
  drop constraint payments_pkey,
  add constraint payments_pkey primary key (tenant, id);
