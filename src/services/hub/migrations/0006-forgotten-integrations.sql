-- Up to which id an operator has a tenant's integrations forgotten that ended well (docs/growth.md): the log goes on telling of
-- them, and without this whoever proves the table against it could not tell them from rows that somebody took away.
create table forgotten (
  tenant text primary key,
  before uuid not null
);
